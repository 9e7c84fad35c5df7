// Package linewire is the codec of the CS594 IRC protocol ("line protocol"):
// how bytes become messages in line mode and in chunk mode, how a message is
// split into its parts, and how what others said is shown safely. It does no
// I/O, so that servers, clients and tools share it. See docs/protocol-line.md.
//
// Invariants:
//
//  1. Nothing that an Append function is given, except a head word, can add a
//     line break or another control character than TAB to what it appends.
//  2. No message that an Append function appends is longer than the limit it
//     was given, its LF not counted, and none is cut inside a character.
package linewire
