package conformance

import (
	"fmt"
	"strconv"
	"strings"
)

// A Failure tells where a story did not come true.
type Failure struct {
	Story  string `json:"story"`  // its name, as Story.String gives it
	File   string `json:"file"`   // the file of the story
	Line   int    `json:"line"`   // the line of the step that did not come true
	Clause string `json:"clause"` // where the protocol page wants it
	Step   string `json:"step"`   // the step as it is written
	Want   string `json:"want"`   // what had to be seen, with what was known filled in
	Got    string `json:"got"`    // what was seen instead

	// Exchange is what was sent and seen before, a line each, the bytes quoted.
	Exchange []string `json:"exchange"`

	timeout bool // nothing came in time
}

// Error gives the whole report, in several lines.
func (f *Failure) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d: %s (clause %s): %s\n", f.File, f.Line, f.Story, f.Clause, f.Step)
	fmt.Fprintf(&b, "    want %s\n    got  %s\n", f.Want, f.Got)
	for _, line := range f.Exchange {
		b.WriteString("    | " + line + "\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// An exchange is what was sent and seen in a story so far.
type exchange struct{ said []string }

// maxExchange is how many lines of an exchange a report shows: the last ones.
const maxExchange = 60

func (e *exchange) add(actor, operator, data string) { e.note(actor + operator + " " + quote(data)) }

func (e *exchange) note(line string) { e.said = append(e.said, line) }

// forget takes back the last lines.
func (e *exchange) forget(n int) { e.said = e.said[:max(len(e.said)-n, 0)] }

func (e *exchange) lines() []string {
	skip := len(e.said) - maxExchange
	if skip <= 0 {
		return e.said
	}
	return append([]string{fmt.Sprintf("(%d more)", skip)}, e.said[skip:]...)
}

// Lengths from which texts are shortened in reports, and to which.
const (
	maxShown  = 400
	headShown = 120
	tailShown = 60
)

// quote shows bytes, in the quotes of Go, and says how many when they are too
// many to show.
func quote(s string) string {
	if len(s) <= maxShown {
		return strconv.Quote(s)
	}
	return fmt.Sprintf("%q…%q (%d bytes)", s[:headShown], s[len(s)-tailShown:], len(s))
}

// shorten leaves out the middle of a long text.
func shorten(s string) string {
	if len(s) <= maxShown {
		return s
	}
	return fmt.Sprintf("%s…(%d bytes)…%s", s[:headShown], len(s), s[len(s)-tailShown:])
}
