package command

import (
	"fmt"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
	"github.com/parley-chat/parley/wire/textwire"
)

// provided is the row of a program's command.
func provided(o hub.Offer) *Command {
	return &Command{
		Name: o.Command, Args: arguments(o.Least, o.Most), Least: o.Least, Most: o.Most, Help: o.Help,
		Call: func(r *Request) (hub.Call, error) {
			return r.call(hub.Call{Command: o.Command, Args: r.Args})
		},
	}
}

// call completes a call, if what the program will be told fits into a frame.
func (r *Request) call(c hub.Call) (hub.Call, error) {
	const number = "18446744073709551615" // the longest
	u, _ := r.Session.User()
	c.Size = textwire.Size("call", number, c.Command, u.Name.String())
	if len(c.Args) > 0 {
		c.Size += 1 + textwire.Size(c.Args...)
	}
	most := min(r.Limits.Frame, r.Limits.CallBytes)
	switch {
	case c.Size > most:
		return c, parley.Errorf(parley.CodeRequestTooLong, "what the program would be told is longer than %d bytes", most)
	case len(c.Args)+4 > r.Limits.Fields:
		return c, parley.Errorf(parley.CodeRequestTooLong, "what the program would be told has more than %d fields", r.Limits.Fields)
	}
	return c, nil
}

// arguments shows how many a program's command takes, of which nobody knows more.
func arguments(least, most int) string {
	switch {
	case most == 0:
		return ""
	case most < 0 && least == 0:
		return "[arguments]"
	case most < 0:
		return fmt.Sprintf("%d or more arguments", least)
	case least == most && most == 1:
		return "1 argument"
	case least == most:
		return fmt.Sprintf("%d arguments", most)
	}
	return fmt.Sprintf("%d to %d arguments", least, most)
}
