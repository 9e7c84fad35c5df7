package console

import (
	"bytes"
	"time"
	"unicode/utf8"

	"github.com/parley-chat/parley/wire/linewire"
)

// How long the splitter waits for the rest of what does not end with LF: of a
// server that ends its messages so, and of one of which that is not known.
const (
	restOfLine  = 500 * time.Millisecond
	restOfChunk = 50 * time.Millisecond
)

// fullRead is the size from which a read may hold only the head of a message:
// no packet of a real network carries less unless it is the last.
const fullRead = 512

// longestRest bounds what is kept of a message that never ends.
const longestRest = 64 << 10

// A splitter finds the messages in what a server of the line protocol sends,
// with LF or without. A server that sends without LF is known by a read that
// nothing followed; from then on what one read returned is one message, until
// a read ends with LF again.
type splitter struct {
	rest []byte
	how  ending
	due  time.Time // when the rest counts as a message; zero: there is none
}

// An ending is how a server ends its messages.
type ending int

const (
	unknownEnding ending = iota
	lineEnding
	bareEnding
)

// push takes what one read returned and gives the messages that are complete.
func (s *splitter) push(chunk []byte, now time.Time) []string {
	var messages []string
	rest := append(s.rest, chunk...)
	for {
		line, after, ok := bytes.Cut(rest, []byte{'\n'})
		if !ok {
			break
		}
		messages = append(messages, string(bytes.TrimSuffix(line, []byte{'\r'})))
		rest = after
	}
	s.rest, s.due = append([]byte(nil), rest...), time.Time{}
	switch {
	case len(rest) == 0:
		s.how = lineEnding
	case len(rest) > longestRest,
		s.how == bareEnding && len(chunk) < fullRead && !endsInsideCharacter(rest):
		messages = append(messages, s.take())
	case s.how == lineEnding:
		s.due = now.Add(restOfLine)
	default:
		s.due = now.Add(restOfChunk)
	}
	return messages
}

// late gives the rest that nothing followed in time.
func (s *splitter) late(now time.Time) (message string, ok bool) {
	if s.due.IsZero() || now.Before(s.due) {
		return "", false
	}
	s.how = bareEnding
	return s.take(), true
}

// end gives what the end of the connection leaves.
func (s *splitter) end() (message string, ok bool) {
	if len(s.rest) == 0 {
		return "", false
	}
	return s.take(), true
}

func (s *splitter) take() string {
	message := string(s.rest)
	s.rest, s.due = nil, time.Time{}
	return message
}

// endsInsideCharacter tells whether b ends with the first bytes of a UTF-8
// character whose others are missing.
func endsInsideCharacter(b []byte) bool {
	for i := 1; i <= min(len(b), utf8.UTFMax-1); i++ {
		if last := b[len(b)-i:]; utf8.RuneStart(last[0]) {
			return !utf8.FullRune(last)
		}
	}
	return false
}

// shown makes what a server sent safe to show in one line.
func shown(s string) string { return linewire.Clean(s) }
