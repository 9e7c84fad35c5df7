// Package command is the table of commands of the text protocol, which the text
// door and, later, the http door share: one file for each command, and one for
// what is pushed.
//
// To add a command: write <name>.go with its row, name the row in Table, and
// write its story in conformance/stories. The help and the reference in docs
// come from the rows.
package command
