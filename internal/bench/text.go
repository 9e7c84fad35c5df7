package bench

import (
	"bytes"

	"github.com/parley-chat/parley/wire/textwire"
)

// text is the Base/Text-server protocol with the extensions of parley: guest,
// new, join, say.
type text struct{}

// textLimit bounds the frames of the server.
const textLimit = 1 << 16

func (text) hello(dst []byte, name string) []byte { return textwire.AppendFrame(dst, "guest", name) }

func (text) enter(dst []byte, room string, create bool) ([]byte, int) {
	answers := 1
	if create {
		dst = textwire.AppendFrame(dst, "new", room)
		answers = 2
	}
	return textwire.AppendFrame(dst, "join", room), answers
}

func (text) say(dst []byte, room string, payload []byte) []byte {
	return frame(dst, "say,", room, ",", payload)
}

func (text) tell(dst []byte, to string, payload []byte) []byte {
	return frame(dst, "send,", to, ",text,", payload)
}

// frame appends a frame whose parts need no escaping, without a string made of
// the payload.
func frame(dst []byte, before, name, behind string, payload []byte) []byte {
	size := len(before) + len(name) + len(behind) + len(payload)
	dst = append(dst, byte(size>>24), byte(size>>16), byte(size>>8), byte(size), 0)
	dst = append(append(append(dst, before...), name...), behind...)
	return append(dst, payload...)
}

// bye is nil: a client of this protocol closes the connection.
func (text) bye([]byte) []byte { return nil }

func (text) heads(from, to string, private bool) (push, copy head) {
	if private {
		return fixed("send," + from + ",text,"), head{}
	}
	return fixed("room," + to + "," + from + ","), head{}
}

func (text) answers(bool) bool { return true }

// joinNotices counts that each is told of each that comes after it.
func (text) joinNotices(n int) int64 { return int64(n) * int64(n-1) / 2 }

func (text) most() int { return 4096 }

func (text) scan(e *engine, c *client, buf []byte) int {
	used := 0
	for {
		data, size, err := textwire.Next(buf[used:], textLimit)
		if err != nil {
			e.fail(c, "not a frame: %v: %.20q", err, buf[used:])
			return len(buf)
		}
		if size == 0 {
			return used
		}
		used += size
		if !e.message(c, data) {
			textAnswer(e, c, data)
		}
	}
}

// textAnswer takes a frame that carries no payload. Answers come in the order of
// the requests, and pushes begin with other words.
func textAnswer(e *engine, c *client, data []byte) {
	rest, ok := bytes.CutPrefix(data, []byte("ok"))
	switch {
	case ok && c.state == hello:
		e.accepted(c)
	case ok && c.answers > 0:
		e.entered(c)
	case ok:
		id, _, _ := bytes.Cut(bytes.TrimPrefix(rest, []byte(",")), []byte(","))
		e.answered(c, id)
	case bytes.HasPrefix(data, []byte("joined,")):
		e.notice()
	case bytes.HasPrefix(data, []byte("error,nonfatal,room_exists,")) && c.answers > 1:
		e.entered(c) // of an earlier run
	case bytes.HasPrefix(data, []byte("error,")):
		e.fail(c, "the server says %.200q", data)
	}
}
