package command

import (
	"context"
)

var members = &Command{
	Name:  "members",
	Args:  "room,[after]",
	Least: 1,
	Most:  2,
	Needs: Named,
	Help:  "lists who is in a room, from the first name behind after",
	Work: func(ctx context.Context, r *Request) ([]string, error) {
		names, err := r.Session.Members(r.Args[0], r.arg(1))
		if err != nil {
			return nil, err
		}
		return r.page("members", names)
	},
}
