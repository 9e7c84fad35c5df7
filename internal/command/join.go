package command

import (
	"context"
)

var join = &Command{
	Name:  "join",
	Args:  "room",
	Least: 1,
	Most:  1,
	Needs: Named,
	Help:  "enters a room; from now on its messages are pushed",
	Work: func(ctx context.Context, r *Request) ([]string, error) {
		outcomes, err := r.Session.Join(ctx, r.Args[0])
		if err == nil {
			err = outcomes[0].Err
		}
		if err != nil {
			return nil, err
		}
		return ok, nil
	},
}
