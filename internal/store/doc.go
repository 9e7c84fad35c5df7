// Package store keeps rooms, accounts, memberships and messages in SQLite. It
// implements hub.Store; package storetest holds the tests that every
// implementation must pass.
//
// One connection, the writer, changes the database; readers have a pool of
// read-only ones. All SQL stands in queries.go and migrations.
//
// Invariants:
//
//  1. Commit returns nil only after an fsync of what was written (unless
//     Options.Relaxed), and an error only when nothing of it is kept or
//     hub.ErrBroken is wrapped.
//  2. The Seq of a conversation has no gaps, and its times never run back.
//     Both are given by the writer, inside the transaction.
//  3. What the writer remembers between transactions is committed: a
//     transaction works on an overlay that is thrown away with it.
//  4. A refusal (*parley.Error) of a Tx method changed nothing: methods check
//     before they write. Every other error ends the transaction.
//  5. After an error that wraps hub.ErrBroken there is no commit and no
//     checkpoint any more: the log on disk stays as it is. Options.Broken has
//     been called, and the next Open checks the whole database first.
//  6. Numbers of users and conversations are never used again.
//  7. Rows are read with their checksum, or not at all. A page of history has
//     no gap: a message that is missing fails it as a damaged one does.
//  8. A file that is not wholly understood is refused, and never written to,
//     moved or deleted. One that is made appears under its name when complete.
//     Only the check of a large database, which takes seconds, runs beside
//     serving; what it finds breaks the store.
//  9. One process at a time, and one Store in it, uses a directory: the lock
//     file says so. It is never deleted.
//  10. Checkpoints run on a connection and a goroutine of their own, outside
//     of transactions, and so does the check. While that reads, the log is not
//     begun anew and grows by all that is written.
package store
