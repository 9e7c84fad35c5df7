package command

import (
	"context"
)

var guest = &Command{
	Name:  "guest",
	Args:  "user",
	Least: 1,
	Most:  1,
	Help:  "speaks under an unused name until the session ends",
	Work: func(ctx context.Context, r *Request) ([]string, error) {
		if err := r.Session.Guest(ctx, r.Args[0]); err != nil {
			return nil, err
		}
		return ok, nil
	},
}
