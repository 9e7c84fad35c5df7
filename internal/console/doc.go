// Package console is the line-by-line client of the text and the line
// protocol, for people at a terminal and for scripts behind a pipe. It speaks
// to any server of these protocols, not only to ours.
//
// One loop (session) owns everything that changes. What was typed reaches it
// from a front (the terminal or a pipe), what the server sent from a link (the
// connection), and a protocol (line or text) says what either means. The loop
// never blocks on the network: a link has a goroutine that reads and one that
// writes.
//
// Invariants:
//
//  1. Nothing that a server sends reaches a terminal or a pipe with a control
//     character in it: what is shown of it passes shown or Escaped first.
//  2. However the session ends, the terminal is back in the state it had.
//  3. Exit code 0 of a pipe means that the server served everything that was
//     typed, and answered what has an answer, with no error among the answers.
//  4. A half-typed line is never taken for the answer to another question: it
//     is taken away, kept, and given back.
//  5. Run returns only after every goroutine it started has ended, but for one
//     that reads an input which cannot be interrupted.
package console
