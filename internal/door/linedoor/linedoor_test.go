package linedoor

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/parley-chat/parley"
)

func TestEveryCodeHasAnOutcome(t *testing.T) {
	said := map[string]parley.Code{}
	for _, code := range parley.Codes() {
		switch outcome := outcomes[code]; {
		case outcome == "":
			t.Errorf("%s has no outcome", code)
		case said[outcome] != "":
			t.Errorf("%s and %s are both %q", code, said[outcome], outcome)
		default:
			said[outcome] = code
		}
	}
	if len(outcomes) != len(parley.Codes()) {
		t.Errorf("%d outcomes for %d codes", len(outcomes), len(parley.Codes()))
	}
}

// TestEveryEventIsKnown holds that each event is shown or known to be silent:
// an event that the door forgot panics.
func TestEveryEventIsKnown(t *testing.T) {
	shows := []string{"parley.Said", "parley.Told", "parley.Closing"}
	message := parley.Message{SenderName: "alice", Text: "hi"}
	for _, e := range parley.Events() {
		kind := fmt.Sprintf("%T", e)
		switch e.(type) {
		case parley.Said:
			e = parley.Said{Message: message}
		case parley.Told:
			e = parley.Told{Message: message}
		}
		got := string(appendEvent(nil, e, 4096))
		if (got != "") != slices.Contains(shows, kind) || got != "" && !strings.HasSuffix(got, "\n") {
			t.Errorf("%s is shown as %q", kind, got)
		}
	}
}

func TestRowsAreWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range commands {
		ways := 0
		for _, way := range []bool{c.now != nil, c.work != nil, c.post != nil} {
			if way {
				ways++
			}
		}
		if seen[c.word] || ways != 1 {
			t.Errorf("%q has %d handlers, and is there before: %v; want one, and false", c.word, ways, seen[c.word])
		}
		seen[c.word] = true
	}
}
