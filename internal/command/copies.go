package command

import (
	"github.com/parley-chat/parley"
)

var copies = &Command{
	Name:  "copies",
	Args:  "on or off",
	Least: 1,
	Most:  1,
	Needs: Named,
	Help:  "chooses whether private messages, and copies of one's own, come as told with id and time",
	Now: func(r *Request) ([]string, error) {
		switch r.Args[0] {
		case "on", "off":
			r.Listener.Copies(r.Args[0] == "on")
			return ok, nil
		}
		return nil, parley.Errorf(parley.CodeSyntax, "say copies,on or copies,off")
	},
}
