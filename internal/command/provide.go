package command

import (
	"slices"
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
		if !r.Session.May(hub.Provide) {
			return nil, hub.ErrMayNotProvide
		}
		if name := r.Args[0]; r.Table.byName[name] != nil || slices.Contains(answers[:], name) || slices.Contains(pushes[:], name) {
			return nil, parley.Errorf(parley.CodeNameTaken, "%s is a word of the server's own; choose another name", name)
		}
		least, errLeast := strconv.Atoi(r.Args[1])
		most, errMost := strconv.Atoi(r.Args[2])
		if errLeast != nil || errMost != nil || most < anyNumber {
			return nil, usage(r.Table.byName["provide"])
		}
		return ok, r.Session.Provide(hub.Offer{Command: r.Args[0], Least: least, Most: most, Help: r.Args[3]})
	},
}

// answers lists words that begin an answer, and are no commands (1.2.9).
var answers = [...]string{"ok", "error", "user"}

// anyNumber is the most arguments of a command that takes as many as fit.
const anyNumber = -1
