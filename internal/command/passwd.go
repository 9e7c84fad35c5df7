package command

import (
	"context"
)

var passwd = &Command{
	Name:  "passwd",
	Args:  "old,new",
	Least: 2,
	Most:  2,
	Needs: Account,
	Help:  "changes the password",
	Work: func(ctx context.Context, r *Request) ([]string, error) {
		if err := r.Session.SetPassword(ctx, r.Args[0], r.Args[1]); err != nil {
			return nil, err
		}
		return ok, nil
	},
}
