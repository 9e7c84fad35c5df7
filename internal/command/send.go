package command

import (
	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
	"github.com/parley-chat/parley/wire/textwire"
)

var send = &Command{
	Name:  "send",
	Args:  "user,command,[args]",
	Least: 2,
	Most:  -1,
	Needs: Named,
	Help:  "sends a command to the user's programs; text with one argument is a private message",
	Post: func(r *Request) (hub.Draft, func(hub.Receipt) []string, error) {
		if r.Args[1] == "" {
			return hub.Draft{}, nil, parley.Errorf(parley.CodeSyntax, "the command for the user's programs is empty")
		}
		d := hub.Draft{To: r.Args[0], Private: true}
		if r.Args[1] == "text" && len(r.Args) == 3 {
			d.Text = r.Args[2]
		} else {
			d.Command, d.Args = r.Args[1], r.Args[2:]
		}
		// The push names the sender in place of the receiver, and must fit too.
		u, _ := r.Session.User()
		if d.Command != "" && textwire.Size(append([]string{"send", u.Name.String()}, r.Args[1:]...)...) > r.Limits.Frame {
			return d, nil, parley.Errorf(parley.CodeRequestTooLong, "what would be sent is longer than %d bytes", r.Limits.Frame)
		}
		return d, func(hub.Receipt) []string { return ok }, nil
	},
}
