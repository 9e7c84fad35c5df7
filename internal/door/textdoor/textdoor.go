package textdoor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/command"
	"github.com/parley-chat/parley/internal/door"
	"github.com/parley-chat/parley/internal/hub"
	"github.com/parley-chat/parley/wire/textwire"
)

// Door makes the text protocol of each connection.
type Door struct {
	hub    *hub.Hub
	table  *command.Table
	plain  *hub.Dialect // the pushes that every client gets
	copies *hub.Dialect // with private messages as "told"
}

// New makes a door into the hub, for the commands of the table.
func New(h *hub.Hub, table *command.Table) *Door {
	return &Door{hub: h, table: table, plain: dialect("text", false), copies: dialect("text+copies", true)}
}

func dialect(name string, copies bool) *hub.Dialect {
	return &hub.Dialect{Name: name, Calls: true, Append: func(dst []byte, e parley.Event) []byte {
		if fields := command.Push(e, copies); fields != nil {
			return textwire.AppendFrame(dst, fields...)
		}
		return dst
	}}
}

// Open begins the protocol on a connection.
func (d *Door) Open(c *door.Conn) door.Protocol {
	t := &text{door: d, conn: c, session: d.hub.Attach(c, d.plain)}
	t.setDeadline(c.Idle())
	return t
}

// OpenModule begins the protocol on the connection of a module, which speaks
// under its own name. It gives the session too; nil when it cannot be had.
func (d *Door) OpenModule(c *door.Conn, module parley.User) (door.Protocol, *hub.Session) {
	session, err := d.hub.AttachModule(c, d.plain, module)
	if err != nil {
		c.Log().Error("a module cannot come in", "user", module.Name.String(), "err", err)
		return nil, nil
	}
	c.Hasten() // what it calls may take longer than it is given to end
	t := &text{door: d, conn: c, session: session}
	t.setDeadline(c.Idle())
	return t, session
}

// text is one connection. All of it is the driver's.
type text struct {
	door    *Door
	conn    *door.Conn
	session *hub.Session
	begun   time.Time // when the frame that is not complete was begun; zero: there is none
	seen    int       // bytes of what waits in which returns have been looked for
}

// Feed serves the frames that are there, and of those that must wait the returns.
func (t *text) Feed(c *door.Conn, in []byte, fresh int) (used int) {
	if fresh > 0 {
		t.session.Heard()
	}
	used = t.serveAll(c, in)
	t.seen = max(t.seen-used, 0)
	t.serveReturns(in[used:])
	return used
}

// serveAll serves frames until it has to wait.
func (t *text) serveAll(c *door.Conn, in []byte) (used int) {
	for !c.Waiting() {
		data, size, err := textwire.Next(in[used:], c.Limits().Frame)
		switch {
		case err != nil:
			c.Cut(broken(err, c.Limits()))
			c.Close() // nothing behind it can be read
			return len(in)
		case size == 0:
			t.frameBegun(used > 0, len(in) > used)
			return used
		case !t.serve(data):
			t.frameBegun(true, false) // it is complete, and waits for us
			return used
		}
		used += size
	}
	t.frameBegun(true, false)
	return used
}

// broken tells the peer how its stream went wrong.
func broken(err error, limits *parley.Limits) *parley.Error {
	if errors.Is(err, textwire.ErrTooLong) {
		return parley.Errorf(parley.CodeRequestTooLong, "a request has at most %d bytes", limits.Frame)
	}
	return parley.Errorf(parley.CodeSyntax, "a frame is a length of four bytes, a null byte, and the data")
}

// frameBegun keeps the time by which a frame must be complete. Fresh means that
// an earlier frame was completed, so that this is another one.
func (t *text) frameBegun(fresh, begun bool) {
	switch {
	case begun && (fresh || t.begun.IsZero()):
		t.begun = time.Now()
	case !begun && !t.begun.IsZero():
		t.begun = time.Time{}
	default:
		return
	}
	t.setDeadline(t.conn.Idle())
}

// setDeadline asks for the earlier of the two deadlines: of the frame that has
// begun, and of the session that is silent since then.
func (t *text) setDeadline(since time.Time) {
	var at time.Time
	limits := t.conn.Limits()
	if limits.Session > 0 {
		at = since.Add(limits.Session)
	}
	if frame := t.begun.Add(limits.Request); !t.begun.IsZero() && (at.IsZero() || frame.Before(at)) {
		at = frame
	}
	t.conn.SetDeadline(at)
}

// Deadline ends the connection for a frame that took too long, or a session
// that was silent for too long.
func (t *text) Deadline(c *door.Conn) {
	limits, now := c.Limits(), time.Now()
	late := !t.begun.IsZero() && now.Sub(t.begun) >= limits.Request
	silent := limits.Session > 0 && now.Sub(c.Idle()) >= limits.Session
	switch {
	case late:
		c.Cut(parley.Errorf(parley.CodeTimeout, "the request was not complete within %v", limits.Request))
	case silent && (c.Busy() || t.session.Serves()): // it waits for us, or for calls: look again later
		t.setDeadline(now)
	case silent:
		c.Cut(parley.Errorf(parley.CodeTimeout, "nothing was said for %v; nop keeps a session alive", limits.Session))
	default:
		t.setDeadline(c.Idle())
	}
}

// Farewell sends the fatal error that the connection ends with.
func (t *text) Farewell(c *door.Conn, why *parley.Error) {
	c.Answer(textwire.AppendFrame(nil, command.Push(parley.Closing{Why: why}, false)...))
}

// End takes the session out of the hub.
func (t *text) End(*door.Conn) { t.session.End("connection closed") }

// serve runs the command of one message. It is false when earlier posts must be
// answered first: then the message comes again.
func (t *text) serve(data []byte) bool {
	call, request, err := t.read(data)
	switch {
	case err != nil && call.Command == nil && t.brokenReturn(data):
		return true
	case err != nil:
	case call.Command.Take != nil:
		t.take(call.Command, request)
		return true
	case call.Command.Post != nil:
		if !t.conn.CallsSettled() {
			return false
		}
		var draft hub.Draft
		var reply func(hub.Receipt) []string
		if draft, reply, err = t.draft(call.Command, request); err == nil {
			t.post(call, draft, len(data), reply)
			return true
		}
	case call.Command.Call != nil:
		if !t.conn.PostsSettled() {
			return false
		}
		var handed hub.Call
		if handed, err = t.makeCall(call.Command, request); err == nil {
			t.call(call, handed, len(data))
			return true
		}
	}
	switch {
	case !t.conn.Settled():
		return false
	case err != nil:
		t.answer(call, nil, err)
	case call.Command.Now != nil:
		values, err := t.guard(call.Command, func() ([]string, error) { return call.Command.Now(request) })
		t.answer(call, values, err)
	default:
		t.park(call, request)
	}
	return true
}

// read finds what a message asks for.
func (t *text) read(data []byte) (command.Call, *command.Request, error) {
	limits := t.conn.Limits()
	if len(data) == 0 {
		return command.Call{}, nil, parley.Errorf(parley.CodeSyntax, "the message is empty; it begins with a command")
	}
	fields, err := textwire.Parse(data, limits.Fields)
	if err != nil {
		return command.Call{}, nil, parley.Errorf(parley.CodeSyntax, "%v", err)
	}
	call := t.door.table.Find(fields, t.session, limits)
	room, err := call.RoomFor(limits)
	switch {
	case err != nil:
		return command.Call{}, nil, err // an answer behind these IDs would be too long
	case call.Err != nil:
		return call, nil, call.Err
	}
	return call, &command.Request{
		Hub: t.door.hub, Session: t.session, Limits: limits, Table: t.door.table,
		Args: call.Args, Room: room, Listener: t,
	}, nil
}

// Copies chooses the dialect; see command.Listener.
func (t *text) Copies(on bool) {
	if on {
		t.session.SetDialect(t.door.copies)
	} else {
		t.session.SetDialect(t.door.plain)
	}
}

func (t *text) draft(c *command.Command, r *command.Request) (d hub.Draft, reply func(hub.Receipt) []string, err error) {
	_, err = t.guard(c, func() (_ []string, err error) {
		d, reply, err = c.Post(r)
		return nil, err
	})
	return d, reply, err
}

func (t *text) post(call command.Call, d hub.Draft, size int, reply func(hub.Receipt) []string) {
	t.conn.Post(t.session, d, size, func(r hub.Receipt, err error) []byte {
		if err != nil {
			return frame(call.Reply(nil, err))
		}
		return frame(call.Reply(reply(r), nil))
	})
}

// park runs a command that may wait.
func (t *text) park(call command.Call, r *command.Request) {
	t.conn.Park(func(ctx context.Context) func() {
		values, err := t.guard(call.Command, func() ([]string, error) { return call.Command.Work(ctx, r) })
		return func() {
			if !t.conn.Unknown(err) {
				t.answer(call, values, err)
			}
		}
	})
}

func (t *text) answer(call command.Call, values []string, err error) {
	t.conn.Answer(t.reply(call, values, err))
}

// reply gives the frame of an answer, or of the refusal of one that is too long:
// behind its request IDs, if there is room for that.
func (t *text) reply(call command.Call, values []string, err error) []byte {
	fields := call.Reply(values, err)
	if !t.fits(fields) {
		fields = call.Reply(nil, errAnswerTooLong)
	}
	if !t.fits(fields) {
		fields = command.ErrorFields("nonfatal", errAnswerTooLong)
	}
	return frame(fields)
}

func (t *text) fits(fields []string) bool {
	limits := t.conn.Limits()
	return len(fields) <= limits.Fields && textwire.Size(fields...) <= limits.Frame
}

var errAnswerTooLong = parley.Errorf(parley.CodeRequestTooLong, "the answer would be longer than a frame may be")

func frame(fields []string) []byte {
	return textwire.AppendFrame(make([]byte, 0, textwire.HeaderSize+textwire.Size(fields...)), fields...)
}

// guard runs a command's handler. A panic costs the request; it and any other
// fault are logged here, once.
func (t *text) guard(c *command.Command, handler func() ([]string, error)) (values []string, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			t.conn.Log().Error("a command panicked", "command", c.Name, "err", fmt.Sprint(fault), "stack", string(debug.Stack()))
			values, err = nil, parley.ErrUnhandled
		}
	}()
	values, err = handler()
	if door.IsFault(err) {
		t.conn.Log().Log(context.Background(), slog.LevelError, "a command failed", "command", c.Name, "err", err)
	}
	return values, err
}
