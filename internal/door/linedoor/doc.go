// Package linedoor speaks the CS594 IRC protocol: messages of words separated
// by spaces, in line mode and in chunk mode. See docs/protocol-line.md; the
// codec is wire/linewire. Each command has a file and a row in commands.
package linedoor
