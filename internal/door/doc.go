// Package door is a connection's life, whatever protocol it speaks: accepting,
// reading, the queue towards the peer, deadlines, limits, and the end.
//
// A [Protocol] is a push parser: it is fed what was read and never waits. A
// driver owns each connection: it alone reads, feeds, writes and closes. There
// are two. A loop drives many plain sockets on Linux, in rounds: it reads and
// feeds what has come, and then writes once to each that has something waiting.
// The pump drives any net.Conn: one goroutine that reads, and a second one only
// while there is something to write or a result to hand over. Protocols see
// neither; they see a [Conn].
//
// Invariants:
//
//  1. The methods of a Protocol, and the functions given to Park and Post, run
//     one at a time for each connection: whoever runs them has its turn.
//  2. At most one goroutine at a time writes to a socket, and answers leave in
//     the order of Conn.Answer.
//  3. End comes once, last, when no parked work and no post is under way.
//  4. What waits for a peer is bounded: pushes by Limits.Outbox, and the
//     connection is cut; its own answers by Limits.Answers, and it is not read.
package door
