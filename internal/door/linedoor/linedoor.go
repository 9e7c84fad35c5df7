package linedoor

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/door"
	"github.com/parley-chat/parley/internal/hub"
	"github.com/parley-chat/parley/wire/linewire"
)

// Door makes the line protocol of each connection.
type Door struct {
	hub     *hub.Hub
	dialect *hub.Dialect
	kill    func(by *hub.Session, from string) error
}

// New makes a door into the hub. Kill ends the server for a session that asks from
// an address, or says that it will not.
func New(h *hub.Hub, kill func(by *hub.Session, from string) error) *Door {
	limit := h.Limits().Line
	return &Door{hub: h, kill: kill, dialect: &hub.Dialect{Name: "line", Append: func(dst []byte, e parley.Event) []byte {
		return appendEvent(dst, e, limit)
	}}}
}

// appendEvent shows what the seed has words for; everything else is silent here.
func appendEvent(dst []byte, e parley.Event, limit int) []byte {
	switch e := e.(type) {
	case parley.Said:
		return linewire.AppendSays(dst, e.SenderName, e.Room.String(), e.Text, limit)
	case parley.Told:
		return linewire.AppendWhisper(dst, e.SenderName, e.Text, limit)
	case parley.Closing:
		return linewire.AppendError(dst, e.Why.Message, limit)
	case parley.ToldCopy, parley.Sent, parley.Called, parley.Joined, parley.Left, parley.TopicSet, parley.RoomDeleted:
		return dst
	}
	panic("an event that the line protocol does not know")
}

// Open begins the protocol on a connection.
func (d *Door) Open(c *door.Conn) door.Protocol {
	max := c.Limits().Line
	l := &line{
		door: d, conn: c, session: d.hub.Attach(c, d.dialect),
		lines: linewire.Lines{Max: max}, chunks: linewire.Chunks{Max: max},
		nameBy: time.Now().Add(c.Limits().Naming),
	}
	l.setDeadline()
	return l
}

// line is one connection. All of it is the driver's.
type line struct {
	door    *Door
	conn    *door.Conn
	session *hub.Session

	mode   mode
	lines  linewire.Lines
	chunks linewire.Chunks
	queue  []message // read in chunk mode, not served yet
	tooBig bool      // in line mode: a message that was too long is to be answered
	nameBy time.Time // when a client that has said no name is closed; zero: it has said one
	restBy time.Time // when the message held in chunk mode is complete; zero: none is
}

// mode says what a message is; the first read decides.
type mode int

const (
	undecided mode = iota
	lineMode
	chunkMode
)

// message is what one client message was, or why it cannot be served.
type message struct {
	text string
	err  error
}

// Feed serves the messages that are there.
func (l *line) Feed(c *door.Conn, in []byte, fresh int) (used int) {
	if l.mode == undecided && len(in) > 0 {
		l.mode = chunkMode
		if bytes.IndexByte(in, '\n') >= 0 {
			l.mode = lineMode
		}
	}
	switch l.mode {
	case lineMode:
		return l.feedLines(in)
	case chunkMode:
		return l.feedChunk(in, fresh)
	}
	return 0
}

func (l *line) feedLines(in []byte) (used int) {
	for !l.conn.Waiting() {
		if l.tooBig {
			if !l.conn.Settled() {
				return used
			}
			l.tooBig = false
			l.serve(message{err: linewire.ErrTooLong})
			continue
		}
		msg, took, ok, err := l.lines.Next(in[used:])
		if took == 0 {
			return used + l.feedLastLine(in[used:])
		}
		l.tooBig = err != nil
		if ok && !l.serve(message{text: string(msg)}) {
			return used
		}
		used += took
	}
	return used
}

// feedLastLine serves what the end of the input left of a line.
func (l *line) feedLastLine(rest []byte) (used int) {
	if !l.conn.InputEnded() {
		return 0
	}
	msg, ok, err := l.lines.Rest(rest)
	if err != nil {
		l.tooBig = true
		return len(rest) + l.feedLines(nil)
	}
	if ok && !l.serve(message{text: string(msg)}) {
		return 0
	}
	return len(rest)
}

// feedChunk takes everything at once, whatever the connection waits for: bytes
// that are read late would run together with others.
func (l *line) feedChunk(in []byte, fresh int) (used int) {
	switch {
	case fresh > 0:
		l.chunks.Push(in, l.enqueue)
		l.restBy = time.Time{}
		if l.chunks.Holding() {
			l.restBy = time.Now().Add(l.conn.Limits().ChunkRest)
		}
		l.setDeadline()
	case l.conn.InputEnded():
		l.chunks.Flush(l.enqueue)
	}
	l.serveQueue()
	return len(in)
}

func (l *line) enqueue(msg []byte, err error) {
	l.queue = append(l.queue, message{text: string(msg), err: err})
}

func (l *line) serveQueue() {
	for len(l.queue) > 0 && !l.conn.Waiting() && l.serve(l.queue[0]) {
		l.queue = l.queue[1:]
	}
	if len(l.queue) == 0 {
		l.queue = nil
	}
}

// ReadsAhead is on in chunk mode while the queue has room: see feedChunk.
func (l *line) ReadsAhead(c *door.Conn) bool {
	return l.mode == chunkMode && len(l.queue) < c.Limits().LineQueue
}

// InputOver changes nothing: what was read is still served.
func (l *line) InputOver(*door.Conn) {}

// setDeadline asks for the earlier of the two deadlines: of the name, and of
// the message that is held in chunk mode.
func (l *line) setDeadline() {
	at := l.nameBy
	if !l.restBy.IsZero() && (at.IsZero() || l.restBy.Before(at)) {
		at = l.restBy
	}
	l.conn.SetDeadline(at)
}

// Deadline serves what was held in chunk mode, or closes a client that has not
// said its name in time.
func (l *line) Deadline(c *door.Conn) {
	now := time.Now()
	if !l.restBy.IsZero() && !now.Before(l.restBy) {
		l.restBy = time.Time{}
		l.chunks.Flush(l.enqueue)
		l.serveQueue()
	}
	if !l.nameBy.IsZero() && !now.Before(l.nameBy) {
		c.Close()
		return
	}
	l.setDeadline()
}

// Farewell tells a client that has a name why the connection ends.
func (l *line) Farewell(c *door.Conn, why *parley.Error) {
	if _, named := l.session.User(); named {
		c.Answer(appendEvent(nil, parley.Closing{Why: why}, c.Limits().Line))
	}
}

// End takes the session out of the hub: its name is free.
func (l *line) End(*door.Conn) { l.session.End("connection closed") }

// serve answers one message. It is false when earlier posts must be answered
// first: then the message comes again.
func (l *line) serve(m message) bool {
	if _, named := l.session.User(); !named {
		l.name(m)
		return true
	}
	if m.err == nil && !utf8.ValidString(m.text) {
		m.err = parley.Errorf(parley.CodeSyntax, "messages must be UTF-8")
	}
	cmd, rest := find(m)
	if cmd != nil && cmd.post != nil {
		drafts, answer, err := cmd.post(l, rest)
		if err == nil {
			for _, d := range drafts {
				l.conn.Post(l.session, d, len(m.text), func(r hub.Receipt, err error) []byte {
					if err != nil {
						return l.refusal(err)
					}
					return answer(r)
				})
			}
			return true
		}
		m.err = err
	}
	switch {
	case !l.conn.Settled():
		return false
	case m.err != nil:
		l.conn.Answer(l.refusal(m.err))
	case cmd == nil:
		l.conn.Answer(linewire.AppendMessage(nil, linewire.Verified))
	case cmd.now != nil:
		l.conn.Answer(cmd.now(l))
	default:
		l.park(cmd, rest)
	}
	return true
}

// find finds the command of a message; nil: it has none, or the message is at
// fault.
func find(m message) (*command, string) {
	if m.err != nil {
		return nil, ""
	}
	word, rest := linewire.Cut(m.text)
	for i := range commands {
		if c := &commands[i]; c.word == word && (!c.alone || strings.Trim(rest, " ") == "") {
			return c, rest
		}
	}
	return nil, ""
}

func (l *line) park(cmd *command, rest string) {
	l.conn.Park(func(ctx context.Context) func() {
		answer, err := cmd.work(ctx, l, rest)
		return func() {
			switch {
			case l.conn.Unknown(err):
			case err != nil:
				l.conn.Answer(l.refusal(err))
			default:
				l.conn.Answer(answer)
			}
		}
	})
}

// refusal gives the error message for an error. One that is no refusal is
// logged and shows no detail.
func (l *line) refusal(err error) []byte {
	limits := l.conn.Limits()
	if errors.Is(err, linewire.ErrTooLong) {
		err = parley.Errorf(parley.CodeRequestTooLong, "message longer than %d bytes", limits.Line)
	}
	var refusal *parley.Error
	if !errors.As(err, &refusal) {
		refusal = parley.ErrUnhandled
	}
	if door.IsFault(err) {
		l.conn.Log().Error("a command failed", "err", err)
	}
	return linewire.AppendError(nil, refusal.Message, limits.Line)
}
