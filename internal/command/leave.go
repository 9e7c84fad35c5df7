package command

import (
	"context"
)

var leave = &Command{
	Name:  "leave",
	Args:  "room",
	Least: 1,
	Most:  1,
	Needs: Named,
	Help:  "leaves a room, with all sessions of the user",
	Work: func(ctx context.Context, r *Request) ([]string, error) {
		outcomes, err := r.Session.Leave(ctx, r.Args[0])
		if err == nil {
			err = outcomes[0].Err
		}
		if err != nil {
			return nil, err
		}
		return ok, nil
	},
}
