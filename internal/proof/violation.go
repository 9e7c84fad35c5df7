package proof

import (
	"fmt"
	"strings"
)

// A Kind is a way to break a promise.
type Kind string

// The ways to break a promise; doc.go says when.
const (
	Lost      Kind = "lost"
	Doubled   Kind = "doubled"
	Reordered Kind = "reordered"
	Gap       Kind = "gap"
	Phantom   Kind = "phantom"
	Leak      Kind = "leak"
	Forged    Kind = "forged"
	Fork      Kind = "fork"
)

// A Violation is one broken promise.
type Violation struct {
	Kind         Kind
	Conversation string
	Session      string // who saw it; empty: the history shows it
	Text         string // of the message
	Detail       string
}

// String gives it in one line.
func (v Violation) String() string {
	who := "the history"
	if v.Session != "" {
		who = v.Session
	}
	return fmt.Sprintf("%s in %s, seen by %s: %q: %s", v.Kind, v.Conversation, who, v.Text, v.Detail)
}

// Report gives violations for a failing test, a line each, up to twenty of them.
func Report(violations []Violation) string {
	const most = 20
	var b strings.Builder
	for i, v := range violations {
		if i == most {
			fmt.Fprintf(&b, "and %d more\n", len(violations)-most)
			break
		}
		fmt.Fprintln(&b, v)
	}
	return b.String()
}
