package console

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/parley-chat/parley/wire/textwire"
)

const (
	// longestFrame bounds what a server can make us keep of one frame. It is
	// far above the limit of any server known.
	longestFrame = 16 << 20
	// mostFields bounds the fields of one frame.
	mostFields = 1 << 20
	// mostOpen is how many requests a script may have unanswered.
	mostOpen = 64
	// keepalive is the silence after which nop is sent, since servers end
	// sessions that say nothing.
	keepalive = 3 * time.Minute
)

// A text is the client of the text protocol. Under req every answer names its
// request, so pushes between the answers do no harm.
type text struct {
	s     *session
	kept  []byte    // received, not a whole frame yet
	ready bool      // logged in, if that was wanted
	last  time.Time // when something was sent, or the connection began
	wants requests
}

func newText(s *session) *text { return &text{s: s} }

// requests are new for each connection. Raw, what is typed may hold any ID but
// one that nobody can guess.
func (t *text) requests() requests {
	if t.s.opts.Raw {
		return requests{prefix: "sync-" + rand.Text()[:16] + "-"}
	}
	return requests{prefix: "c"}
}

func (t *text) begin() {
	if !t.s.opts.AskPassword || t.s.opts.Password != "" {
		t.s.connect()
		return
	}
	t.s.askPassword(func(password string) {
		t.s.opts.Password = password
		t.s.connect()
	})
}

func (t *text) connected() {
	t.kept, t.wants, t.last = nil, t.requests(), time.Now()
	t.ready = t.s.opts.Name == ""
	switch {
	case t.ready:
	case t.s.opts.Password != "":
		t.request(introduction, textwire.Append(nil, "login", t.s.opts.Name, t.s.opts.Password))
	default:
		t.request(introduction, textwire.Append(nil, "guest", t.s.opts.Name))
	}
}

// request sends data under an ID of our own.
func (t *text) request(p purpose, data []byte) {
	id := t.wants.add(p, time.Now())
	t.frame(append([]byte("req,"+id+","), data...))
}

// frame queues one frame with data as it is.
func (t *text) frame(data []byte) {
	t.last = time.Now()
	b := binary.BigEndian.AppendUint32(make([]byte, 0, textwire.HeaderSize+len(data)), uint32(len(data)))
	t.s.send(append(append(b, 0), data...))
}

func (t *text) asks() (prompt string, ok bool) {
	if !t.ready || !t.s.person && t.wants.open() >= mostOpen {
		return "", false
	}
	return "> ", true
}

func (t *text) typed(in input) {
	if in.err != nil {
		t.end()
		return
	}
	if t.s.opts.Raw {
		t.bare(in.text)
		return
	}
	line := in.text
	if behind, ok := strings.CutPrefix(line, slashMark); ok {
		var err error
		if line, err = slashed(behind); err != nil {
			t.s.refuse(fmt.Sprintf("not sent: %v", err))
			return
		}
	}
	switch line {
	case "":
	case menuWord:
		t.s.show(textMenu)
	case exitWord:
		t.end()
	default:
		t.command(line)
	}
}

// command sends the data of a request.
func (t *text) command(data string) {
	fields, err := textwire.Parse([]byte(data), mostFields)
	switch {
	case errors.Is(err, textwire.ErrNotUTF8), errors.Is(err, textwire.ErrLoneBackslash):
		t.s.refuse(fmt.Sprintf("not sent: %v", err))
	case under(fields)[0] == returnWord:
		t.bare(data)
	case fields[0] == "req" && len(fields) > 1:
		t.wants.addTyped(fields[1], time.Now())
		t.frame([]byte(data))
	default:
		t.request(wrapped, []byte(data))
	}
}

// bare sends data as it is, when nothing will tell whether it was answered: raw,
// and a return, which has no answer. Since answers come in order, the answer to a
// nop behind a number of requests tells that they are all served.
func (t *text) bare(data string) {
	t.frame([]byte(data))
	if t.s.person && t.s.opts.Raw {
		return // who sees all there is
	}
	t.wants.bare++
	if t.wants.bare >= mostOpen {
		t.serveBare()
	}
}

func (t *text) serveBare() {
	t.request(hidden, []byte("nop"))
	t.wants.bare = 0
}

// end ends the session once everything is answered.
func (t *text) end() {
	t.s.inputOver = true
	if t.s.person {
		t.s.leave()
	}
	if t.wants.bare > 0 {
		t.serveBare()
	}
	t.settle()
}

// settle ends the session if nothing is wanted any more.
func (t *text) settle() {
	if t.s.inputOver && t.wants.open() == 0 {
		t.s.finish(t.s.verdict())
	}
}

func (t *text) gone() bool {
	if t.s.person {
		return t.s.inputOver
	}
	return t.s.inputOver && t.wants.open() == 0
}

func (t *text) tick(now time.Time) time.Time {
	var next time.Time
	if wait := t.s.opts.Timeout; wait > 0 && !t.s.person {
		if oldest := t.wants.oldest(); !oldest.IsZero() {
			next = oldest.Add(wait)
			if !now.Before(next) {
				t.s.late()
				return time.Time{}
			}
		}
	}
	if t.s.opts.Raw || !t.ready || t.s.inputOver {
		return next
	}
	if !now.Before(t.last.Add(keepalive)) {
		t.request(hidden, []byte("nop"))
	}
	return sooner(next, t.last.Add(keepalive))
}

func (t *text) received(chunk []byte) {
	t.kept = append(t.kept, chunk...)
	for !t.s.over {
		data, size, err := textwire.Next(t.kept, longestFrame)
		if err != nil {
			t.s.notice("what the server sends is not the text protocol; if it is a server of the line protocol, write line://")
			t.s.finish(ExitUnreachable)
			return
		}
		if size == 0 {
			return // the rest has not come yet
		}
		t.frameIn(data)
		t.kept = t.kept[size:]
	}
}

// frameIn takes the data of one frame.
func (t *text) frameIn(data []byte) {
	fields, err := textwire.Parse(data, mostFields)
	if err != nil {
		t.s.show(escapeControls(string(data)))
		return
	}
	if fields[0] == "req" && len(fields) > 1 {
		if p, ok := t.wants.answered(fields[1]); ok {
			t.answer(p, fields)
			t.settle()
			return
		}
	}
	isError := under(fields)[0] == "error"
	if isError {
		t.s.failed = true
		if isBrokenFrame(fields) {
			t.wants.fatal()
		}
	}
	switch {
	case !t.s.person || t.s.opts.Raw:
		t.s.show(Escaped(fields))
	case isError:
		t.s.show(answerLines(fields))
	default:
		t.s.show(pushLines(fields))
	}
}

// isBrokenFrame tells whether an error without an ID is the answer to a frame
// that the server could not read. Other fatal errors answer nothing.
func isBrokenFrame(fields []string) bool {
	if len(fields) < 3 || fields[1] != "fatal" {
		return false
	}
	return fields[2] == "request_too_long" || fields[2] == "syntax"
}

// under gives what is inside req.
func under(fields []string) []string {
	for len(fields) > 2 && fields[0] == "req" {
		fields = fields[2:]
	}
	return fields
}

// answer takes the answer to one of our requests.
func (t *text) answer(p purpose, fields []string) {
	body := fields[2:]
	failed := len(body) > 0 && under(body)[0] == "error"
	switch p {
	case hidden:
		return
	case introduction:
		t.introduced(body, failed)
		return
	case asTyped:
		body = fields
	}
	t.s.failed = t.s.failed || failed
	if t.s.person {
		t.s.show(answerLines(body))
	} else {
		t.s.show(Escaped(body))
	}
}

// introduced takes the answer to login or guest.
func (t *text) introduced(body []string, failed bool) {
	t.ready = true
	if !failed {
		if t.s.person {
			t.s.notice("you are " + shown(t.s.opts.Name))
		}
		return
	}
	t.s.notice(fmt.Sprintf("the server did not let %s in: %s", shown(t.s.opts.Name), Escaped(body)))
	if !t.s.person {
		t.s.finish(ExitError)
	}
}
