package bench

import (
	"bytes"

	"github.com/parley-chat/parley/wire/linewire"
)

// line is the CS594 protocol in line mode.
type line struct{}

func (line) hello(dst []byte, name string) []byte { return linewire.AppendMessage(dst, name) }

func (line) enter(dst []byte, room string, create bool) ([]byte, int) {
	if create {
		dst = linewire.AppendMessage(dst, "new "+room)
	}
	return linewire.AppendMessage(dst, "join "+room), 1
}

func (line) say(dst []byte, room string, payload []byte) []byte {
	dst = append(append(append(dst, "send "...), room...), " - "...)
	return append(append(dst, payload...), '\n')
}

func (line) tell(dst []byte, to string, payload []byte) []byte {
	dst = append(append(append(dst, "tell "...), to...), ' ')
	return append(append(dst, payload...), '\n')
}

func (line) bye(dst []byte) []byte { return append(dst, "exit\n"...) }

func (line) heads(from, to string, private bool) (push, copy head) {
	if private {
		return fixed(from + " whispers to you "), fixed("You tell " + to + " ")
	}
	says := fixed(from + " says in room " + to + " ")
	return says, says
}

func (line) answers(bool) bool { return true }

func (line) joinNotices(int) int64 { return 0 }

func (line) most() int { return 4000 }

func (line) scan(e *engine, c *client, buf []byte) int {
	return scanLines(e, c, buf, lineAnswer)
}

// lineAnswer takes a message that carries no payload.
func lineAnswer(e *engine, c *client, l []byte) {
	switch {
	case bytes.HasPrefix(l, []byte("NAMEERROR")), bytes.HasPrefix(l, []byte("Error")), string(l) == "Verified":
		e.fail(c, "the server says %.200q", l)
	case c.state == hello:
		e.accepted(c) // the published protocol leaves the words free
	case bytes.HasPrefix(l, []byte("Joined ")) && bytes.Contains(l, []byte("(ok)")):
		e.entered(c)
	case bytes.HasPrefix(l, []byte("Joined ")):
		e.fail(c, "the server says %.200q", l)
	default:
		e.notice()
	}
}
