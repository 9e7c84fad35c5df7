package command

import (
	"strconv"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
)

var provide = &Command{
	Name:  "provide",
	Args:  "command,least,most,help",
	Least: 4,
	Most:  4,
	Needs: Named,
	Help:  "offers a command to everyone, which this session serves",
	Now: func(r *Request) ([]string, error) {
		if r.Table.byName[r.Args[0]] != nil {
			return nil, parley.Errorf(parley.CodeNameTaken, "the server has a command %s of its own; choose another name", r.Args[0])
		}
		least, errLeast := strconv.Atoi(r.Args[1])
		most, errMost := strconv.Atoi(r.Args[2])
		if errLeast != nil || errMost != nil || most < anyNumber {
			return nil, usage(r.Table.byName["provide"])
		}
		return ok, r.Session.Provide(hub.Offer{Command: r.Args[0], Least: least, Most: most, Help: r.Args[3]})
	},
}

// anyNumber is the most arguments of a command that takes as many as fit.
const anyNumber = -1
