// Package textdoor speaks the Base-server and Text-server protocols: frames
// that hold a command and its arguments. See docs/protocol-text.md; the codec
// is wire/textwire, the commands are internal/command.
package textdoor
