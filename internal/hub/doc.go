// Package hub is what all doors lead into: one set of users, rooms, messages
// and rights. It keeps the live state, decides what is allowed, and is the only
// package that delivers.
//
// The words: a [Session] is one attached client; its methods are the verbs. A
// [Draft] is a message on its way in, a [Run] is what goes out, a [Dialect]
// encodes it for one kind of client, a [Sink] takes the bytes towards one. The
// journal is the one writer of the [Store].
//
// Invariants:
//
//  1. Commit, then deliver, in commit order. A message that must be kept is
//     delivered and acknowledged only after the store has committed it.
//  2. The order of a room is the order in which publish ran under its lock. The
//     audience is who is in the room at that instant.
//  3. There are three locks that nest, in this order: Hub.mu, room.mu, a sink's own.
//     Under them nothing waits, and no door is called but Dialect.Append and
//     Sink.Put.
//  4. Only the journal's goroutine calls Store.Commit. Every answer of a post
//     comes in the order in which its session posted.
//  5. A name is held by at most one user, and no two held or registered names
//     look alike.
package hub
