// Package parley holds the words of a chat and command server: users, rooms,
// messages, events, refusals and limits.
//
// Everything else in the module is built from these words. The codecs in wire
// turn bytes into values and back; internal/hub keeps the live state and every
// rule; the doors under internal/door translate between a protocol and the hub.
//
// Invariants that hold everywhere:
//
//  1. A [Name] exists only if it passed the one rule for names; comparing two
//     of them compares their folded keys.
//  2. A [Message] with a Seq is committed: nobody sees one that could be lost.
//  3. A refusal is an [*Error] with a [Code]. Any other error is a fault, and
//     its text is never shown to a peer.
package parley
