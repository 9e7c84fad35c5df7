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
// Of some lines one cannot know what a server makes of them ("rooms x"). For
// each of those the fence is one word longer. Which "Verified" is shown is then
// a guess, until the connection ends: our own server is guessed right.
type fence struct {
	certain int // lines whose answer is "Verified"
	unsure  int // lines whose answer may be
	likely  int // of those, the ones that our server answers so
	shown   int // "Verified" that verified said to show
	words   int // sent by fences
	need    int // when a fence stands: how many "Verified" prove it answered
	seen    int // "Verified" received
}

// A use says what a server makes of a line.
type use int

const (
	known    use = iota // a whole command of the protocol, with an answer of its own
	unknown             // answered with Verified by every server
	likely              // answered with Verified by ours
	unlikely            // answered with Verified by some server, perhaps
)

// lineCommands are the commands of the line protocol with the number of parts
// that each needs at least, and whether it takes no more.
var lineCommands = []struct {
	word  string
	least int
	exact bool
}{
	{"new", 2, false},
	{"rooms", 1, true},
	{"join", 2, false},
	{"leave", 2, false},
	{"members", 2, true},
	{"send", 4, false},
	{"tell", 3, false},
	{"clients", 1, true},
	{"exit", 1, true},
	{"kill", 1, true},
}

// useOf tells what a server makes of a line. What only looks like a command (in
// capitals, with parts missing or too many) is a matter of taste.
func useOf(line string) use {
	parts := linewire.Parts(line)
	for _, c := range lineCommands {
		if !strings.HasPrefix(strings.ToLower(strings.TrimSpace(line)), c.word) {
			continue
		}
		switch {
		case parts[0] != c.word, c.exact && c.least == 1 && len(parts) > 1:
			return likely
		case len(parts) < c.least, c.exact && len(parts) > c.least:
			return unlikely
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
	case likely:
		f.likely++
		f.unsure++
	case unlikely:
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

// verified takes a "Verified" and tells whether to show it, as the answer to a
// line.
func (f *fence) verified() bool {
	f.seen++
	if f.shown >= f.certain+f.likely {
		return false
	}
	f.shown++
	return true
}

// passed tells whether the fence that stands is answered.
func (f *fence) passed() bool { return f.need > 0 && f.seen >= f.need }

// exact tells whether all that was said is answered, so that counting may begin
// anew.
func (f *fence) exact() bool { return f.unsure == 0 && f.seen == f.certain+f.words }

// owed tells, when nothing more will come, how many "Verified" that were not
// shown are answers to lines of the script.
func (f *fence) owed() int {
	return max(0, min(f.seen-f.words, f.certain+f.unsure)-f.shown)
}
