// Package linewire is the codec of the CS594 IRC protocol ("line protocol"):
// how bytes become messages in line mode and in chunk mode, how a message is
// split into its parts, and how what others said is shown safely. It does no
// I/O, so that servers, clients and tools share it. See docs/protocol-line.md.
//
// Invariants:
//
//  1. No text that is said, and no text of an error, can add a line break or
//     another control character than TAB to what is appended. Names are those
//     of parley.Name, or went through Clean.
//  2. No message with a limit is longer than it, its LF not counted, as long as
//     every name is; and none is cut inside a character.
package linewire
