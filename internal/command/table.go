package command

import (
	"errors"
	"fmt"
	"strings"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
	"github.com/parley-chat/parley/wire/textwire"
)

// Table finds commands by name.
type Table struct {
	Modules Modules // what "modules" asks: set before the table is used
	rows    []*Command
	byName  map[string]*Command
}

// NewTable makes the table of the commands that every server has.
func NewTable() *Table {
	t := &Table{Modules: noModules{}, byName: map[string]*Command{}, rows: []*Command{
		req, register, login, whoami, send, nop,
		help, guest, logout, passwd, users, rooms, members, myrooms,
		newRoom, join, leave, topic, say, tell, post, copies, history,
		ask, provide, withdraw, returnCall, modules,
	}}
	for _, c := range t.rows {
		t.byName[c.Name] = c
	}
	return t
}

// Rows lists the commands in the order of the documents.
func (t *Table) Rows() []*Command { return t.rows }

// Call is what a message asks for.
type Call struct {
	Prefix  []string // "req", ID, for each request ID around the command
	Command *Command // nil when there is none
	Args    []string
	Err     error // why there is nothing to run
}

// Find takes a message apart: the request IDs around it, the command, and
// whether it is there, has as many arguments as it wants, and may be used by
// the session.
func (t *Table) Find(fields []string, s *hub.Session, limits *parley.Limits) Call {
	call := Call{}
	for nesting := 0; fields[0] == req.Name; nesting++ {
		switch {
		case len(fields) < 2:
			call.Err = usage(req)
			return call
		case nesting == limits.Nesting:
			call.Err = parley.Errorf(parley.CodeSyntax, "req may stand inside req %d times", limits.Nesting)
			return call
		}
		call.Prefix = append(call.Prefix, fields[:2]...)
		if fields = fields[2:]; len(fields) == 0 {
			call.Err = usage(req)
			return call
		}
	}
	c, args := t.find(fields[0], s), fields[1:]
	switch {
	case c == nil:
		call.Err = errNoCommand(fields[0])
	case len(args) < c.Least || c.Most >= 0 && len(args) > c.Most:
		call.Err = usage(c)
	default:
		call.Err = c.allows(s)
	}
	call.Command, call.Args = c, args
	return call
}

// find finds a command of the server, or of a program.
func (t *Table) find(name string, s *hub.Session) *Command {
	if c := t.byName[name]; c != nil {
		return c
	}
	if o, ok := s.Offered(name); ok {
		return provided(o)
	}
	return nil
}

func usage(c *Command) *parley.Error {
	return parley.Errorf(parley.CodeSyntax, "usage: %s", c.Usage())
}

func errNoCommand(name string) *parley.Error {
	const most = 64
	if runes := []rune(name); len(runes) > most {
		name = string(runes[:most]) + "…"
	}
	return parley.Errorf(parley.CodeCommandNotFound, "there is no command %s; help lists them", strings.Trim(fmt.Sprintf("%q", name), `"`))
}

// Reply gives the fields of the answer: the values, or the error, behind the
// prefix of the call. An error that is no refusal shows no detail.
func (c *Call) Reply(values []string, err error) []string {
	fields := append(make([]string, 0, len(c.Prefix)+max(len(values), 4)), c.Prefix...)
	if err == nil {
		return append(fields, values...)
	}
	return append(fields, ErrorFields("nonfatal", err)...)
}

// ErrorFields gives the fields of an error response: fatality, type, info.
func ErrorFields(fatality string, err error) []string {
	var refusal *parley.Error
	if !errors.As(err, &refusal) {
		refusal = parley.ErrUnhandled
	}
	return []string{"error", fatality, Type(refusal.Code), refusal.Message}
}

// Type gives the type of an error on the wire. A program's own stays what it is.
func Type(code parley.Code) string {
	if known, ok := Types[code]; ok {
		return known
	}
	return string(code)
}

// Types is the text protocol's table of errors: each code's type on the wire.
var Types = map[parley.Code]string{
	parley.CodeUnhandled:           "unhandled",
	parley.CodeRequestTooLong:      "request_too_long",
	parley.CodeTimeout:             "timeout",
	parley.CodeCommandNotFound:     "command_not_found",
	parley.CodeSyntax:              "syntax",
	parley.CodeNameTooShort:        "name_too_short",
	parley.CodeInvalidName:         "invalid_name",
	parley.CodeWrongUserOrPassword: "wrong_user_or_password",
	parley.CodeNotLoggedIn:         "not_logged_in",
	parley.CodeNameTaken:           "name_taken",
	parley.CodeWeakPassword:        "weak_password",
	parley.CodeUserNotFound:        "user_not_found",
	parley.CodeUserOffline:         "user_offline",
	parley.CodeRoomNotFound:        "room_not_found",
	parley.CodeRoomExists:          "room_exists",
	parley.CodeNotAMember:          "not_a_member",
	parley.CodeForbidden:           "forbidden",
	parley.CodeRateLimited:         "rate_limited",
	parley.CodeTooMany:             "too_many",
	parley.CodeUnavailable:         "unavailable",
	parley.CodeSlowConsumer:        "slow_consumer",
}

// longestReply bounds the answers that are no lists: ids, times and the infos
// of errors.
const longestReply = 1024

// RoomFor tells how many bytes the values of an answer may take, or refuses a
// call whose request IDs leave no room for any answer in a frame.
func (c *Call) RoomFor(limits *parley.Limits) (int, error) {
	room := limits.Frame - textwire.Size(c.Prefix...) - 1
	if room < longestReply && len(c.Prefix) > 0 && (c.Command == nil || !c.Command.Mute) {
		return 0, parley.Errorf(parley.CodeRequestTooLong, "the request IDs leave no room for an answer")
	}
	return room, nil
}
