package command

import (
	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
)

var ask = &Command{
	Name:  "ask",
	Args:  "user,command,[args]",
	Least: 2,
	Most:  -1,
	Needs: Named,
	Help:  "calls a command of the user's newest program, and gives what it returns",
	Call: func(r *Request) (hub.Call, error) {
		if r.Args[1] == "" {
			return hub.Call{}, parley.Errorf(parley.CodeSyntax, "the command for the user's program is empty")
		}
		return r.call(hub.Call{To: r.Args[0], Command: r.Args[1], Args: r.Args[2:]})
	},
}
