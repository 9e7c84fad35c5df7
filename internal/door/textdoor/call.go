package textdoor

import (
	"bytes"
	"strconv"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/command"
	"github.com/parley-chat/parley/internal/door"
	"github.com/parley-chat/parley/internal/hub"
	"github.com/parley-chat/parley/wire/textwire"
)

// makeCall lets a command make its call of a program.
func (t *text) makeCall(c *command.Command, r *command.Request) (made hub.Call, err error) {
	_, err = t.guard(c, func() (_ []string, err error) {
		made, err = c.Call(r)
		return nil, err
	})
	return made, err
}

// call hands a call over, and answers with what is returned. Size is of the
// request.
func (t *text) call(call command.Call, c hub.Call, size int) {
	t.conn.Call(size, func(done func(func() []byte)) {
		t.session.Call(c, func(values []string, err error) {
			done(func() []byte { return t.reply(call, values, err) })
		})
	})
}

// take runs a command that has no answer.
func (t *text) take(c *command.Command, r *command.Request) {
	_, _ = t.guard(c, func() ([]string, error) {
		c.Take(r)
		return nil, nil
	})
}

// ReadsAhead is on while the session has calls in hand: what it returns must not
// stand behind what it waits for itself (1.4.7).
func (t *text) ReadsAhead(c *door.Conn) bool {
	return t.session.Calls() > 0 && c.Kept() < c.Limits().PostBytesInFlight && !c.Behind()
}

// InputOver ends the calls that the session has in hand: it cannot return any more.
func (t *text) InputOver(*door.Conn) { t.session.EndCalls() }

// brokenReturn ends the call of a return that cannot be read. It has no answer,
// either.
func (t *text) brokenReturn(data []byte) bool {
	rest, is := bytes.CutPrefix(data, []byte("return,"))
	if !is {
		return false
	}
	digits, _, _ := bytes.Cut(rest, []byte(","))
	if number, err := strconv.ParseUint(string(digits), 10, 64); err == nil {
		t.session.Return(number, nil, parley.Errorf(parley.CodeUnhandled, "the program returned what is no message"))
	}
	return true
}

// mayBeReturn tells whether the data of a frame should be looked at closer.
func mayBeReturn(data []byte) bool {
	return bytes.HasPrefix(data, []byte("return,")) || bytes.HasPrefix(data, []byte("req,")) && bytes.Contains(data, []byte(",return,"))
}

// serveReturns serves the returns among the frames that wait. When they are fed
// again in their turn, their calls are over, and nothing happens.
func (t *text) serveReturns(waiting []byte) {
	if t.session.Calls() == 0 {
		return
	}
	for t.seen < len(waiting) {
		data, size, err := textwire.Next(waiting[t.seen:], t.conn.Limits().Frame)
		switch {
		case err != nil:
			t.session.EndCalls() // nothing behind it can be read
			return
		case size == 0:
			return
		}
		if mayBeReturn(data) {
			switch call, request, err := t.read(data); {
			case err != nil:
				t.brokenReturn(data)
			case call.Command.Take != nil:
				t.take(call.Command, request)
			}
		}
		t.seen += size
	}
}
