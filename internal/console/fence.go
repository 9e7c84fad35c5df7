package console

import (
	"strings"

	"github.com/parley-chat/parley/wire/linewire"
)

// The line protocol has no request ids, and what others say comes between the
// answers. But a server serves the messages of a connection in order, and
// answers a word it does not know with exactly "Verified". So a fence sends
// such words behind the script's lines and counts: once more "Verified" came
// than the lines alone can have caused, one of the fence's words is answered,
// and with it every line before.
//
// Of some lines one cannot know whether the server knows them ("rooms x"). For
// each of those the fence is one word longer.
type fence struct {
	certain int // lines whose answer is "Verified"
	unsure  int // lines whose answer may be
	words   int // sent by fences
	need    int // when a fence stands: how many "Verified" prove it answered
	seen    int // "Verified" received
}

// A use says what a server makes of a line.
type use int

const (
	known   use = iota // a whole command of the protocol, with an answer of its own
	unknown            // answered with Verified by every server
	unsure             // the one or the other
)

// lineCommands are the commands of the line protocol with the number of parts
// that each needs at least, and whether it takes no more.
var lineCommands = []struct {
	word  string
	least int
	exact bool
}{
	{"new", 2, false}, {"rooms", 1, true}, {"join", 2, false}, {"leave", 2, false}, {"members", 2, true},
	{"send", 4, false}, {"tell", 3, false}, {"clients", 1, true}, {"exit", 1, true}, {"kill", 1, true},
}

// useOf tells what a server makes of a line. What only looks like a command (in
// capitals, with parts missing or too many) is a matter of taste.
func useOf(line string) use {
	parts := linewire.Parts(line)
	for _, c := range lineCommands {
		if !strings.HasPrefix(strings.ToLower(strings.TrimSpace(line)), c.word) {
			continue
		}
		if parts[0] != c.word || len(parts) < c.least || c.exact && len(parts) > c.least {
			return unsure
		}
		return known
	}
	return unknown
}

// line counts a line of the script.
func (f *fence) line(line string) {
	switch useOf(line) {
	case unknown:
		f.certain++
	case unsure:
		f.unsure++
	}
}

// stand begins a fence and tells how many words it has.
func (f *fence) stand() int {
	words := f.unsure + 1
	f.need = f.certain + f.unsure + f.words + 1
	f.words += words
	return words
}

// more counts one more word of the fence that stands, sent in case an answer
// was not understood.
func (f *fence) more() { f.words++ }

// verified takes a "Verified" and tells whether it is certainly a line's.
func (f *fence) verified() bool {
	f.seen++
	return f.seen <= f.certain
}

// passed tells whether the fence that stands is answered.
func (f *fence) passed() bool { return f.need > 0 && f.seen >= f.need }

// exact tells whether all that was said is answered, so that counting may begin
// anew.
func (f *fence) exact() bool { return f.unsure == 0 && f.seen == f.certain+f.words }

// owed tells, when nothing more will come, how many "Verified" that were not
// shown are answers to lines of the script.
func (f *fence) owed() int {
	return max(0, min(f.seen-f.certain-f.words, f.unsure))
}
