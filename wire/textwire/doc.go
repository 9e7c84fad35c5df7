// Package textwire is the codec of the Base/Text-server protocol: frames and
// the comma-separated fields inside them. It holds no state and does no I/O,
// so that servers, clients and tools share it.
//
// A frame is a big-endian uint32 length, a null byte, and that many bytes of
// data ("TCP request syntax"). The data is a list of fields, separated by
// commas, with a backslash to make the next character literal ("Command data
// syntax"). See docs/protocol-text.md.
//
// Invariants:
//
//  1. Parse(Append(nil, fields...)) gives fields back, for any non-empty list
//     of UTF-8 strings but the one that holds a single empty string.
//  2. Next decides on a frame's size from its header alone, before any of the
//     data is there.
package textwire
