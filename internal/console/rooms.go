package console

import (
	"slices"
	"strings"

	"github.com/parley-chat/parley/wire/linewire"
)

// mostRooms bounds what a server can make us remember.
const mostRooms = 1000

// rooms are the rooms that the person is in, as far as the answers to join and
// leave tell. The protocol leaves their format open, so it is guessed: our
// server says "Joined a (ok) b (ok)", others say "Joined a b" or "Joined
// ['a', 'b']".
type rooms struct {
	in    []string // sorted
	asked []string // named in a join or leave of this connection
}

// typed notes the rooms that a command names.
func (r *rooms) typed(line string) {
	parts := linewire.Parts(line)
	if len(parts) < 2 || parts[0] != "join" && parts[0] != "leave" {
		return
	}
	for _, name := range parts[1:] {
		if len(r.asked) < mostRooms && !slices.Contains(r.asked, name) {
			r.asked = append(r.asked, name)
		}
	}
}

// heard follows a message of the server, and tells whether it was the answer to
// a join or a leave.
func (r *rooms) heard(message string) bool {
	head, list, _ := strings.Cut(message, " ")
	head = strings.TrimSuffix(head, ":")
	if head != linewire.Joined && head != linewire.Left || isRelayed(list) {
		return false
	}
	for _, o := range outcomes(list, r.asked) {
		switch at, in := slices.BinarySearch(r.in, o.name); {
		case !o.good():
		case head == linewire.Joined && !in && len(r.in) < mostRooms:
			r.in = slices.Insert(r.in, at, o.name)
		case head == linewire.Left && in:
			r.in = slices.Delete(r.in, at, at+1)
		}
	}
	return true
}

// isRelayed tells, from what follows the first word, whether a message is what
// a user said who is called like the head of an answer.
func isRelayed(rest string) bool {
	return strings.HasPrefix(rest, "says in room ") || strings.HasPrefix(rest, "whispers to you ")
}

// isRefused tells whether a message of our server says that something asked for
// was not done, in whole or in part.
func isRefused(message string) bool {
	if strings.HasPrefix(message, linewire.ErrorHead) {
		return true
	}
	head, list, _ := strings.Cut(message, " ")
	if head != "Created" && head != linewire.Joined && head != linewire.Left || isRelayed(list) {
		return false
	}
	return slices.ContainsFunc(outcomes(list, nil), func(o outcome) bool { return !o.good() })
}

// An outcome is a name in an answer with what became of it: words like "ok", or
// none.
type outcome struct {
	name  string
	words []string
}

// good tells whether the words say that it was done.
func (o outcome) good() bool {
	if len(o.words) == 0 {
		return true
	}
	switch strings.ToLower(o.words[0]) {
	case "ok", "okay", "yes", "true", "done", "success", "successful", "successfully", "succeeded", "joined", "left", "created":
		return true
	case "already":
		return !slices.Contains(o.words, "exists")
	}
	return false
}

// outcomes reads a list of names with words in parentheses behind them, or a
// list as Python writes it. If asked-for names are among them, every other
// word belongs to the name before it.
func outcomes(list string, asked []string) []outcome {
	var all []outcome
	isName := func(word string) bool { return slices.Contains(asked, word) }
	words := listWords(list)
	if !slices.ContainsFunc(words, func(w listWord) bool { return !w.inside && isName(w.text) }) {
		isName = func(string) bool { return true }
	}
	for _, w := range words {
		switch {
		case !w.inside && isName(w.text):
			all = append(all, outcome{name: w.text})
		case len(all) > 0:
			last := &all[len(all)-1]
			last.words = append(last.words, w.text)
		}
	}
	return all
}

// A listWord is a word of a list, and whether it stands in parentheses.
type listWord struct {
	text   string
	inside bool
}

func listWords(list string) []listWord {
	var words []listWord
	inside := false
	for len(words) < 2*mostRooms {
		list = strings.TrimLeft(list, " ,:;[]{}'\"\t")
		if list == "" {
			break
		}
		switch list[0] {
		case '(':
			// Python's tuples hold names, in quotes.
			list = list[1:]
			inside = !strings.HasPrefix(list, "'") && !strings.HasPrefix(list, `"`)
			continue
		case ')':
			list, inside = list[1:], false
			continue
		}
		end := strings.IndexAny(list, " ,:;[](){}'\"\t")
		if end < 0 {
			end = len(list)
		}
		words = append(words, listWord{list[:end], inside})
		list = list[end:]
	}
	return words
}
