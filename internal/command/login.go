package command

import (
	"context"
)

var login = &Command{
	Name:  "login",
	Args:  "user,password",
	Least: 2,
	Most:  2,
	Help:  "speaks as an account from now on",
	Work: func(ctx context.Context, r *Request) ([]string, error) {
		if err := r.Session.Login(ctx, r.Args[0], r.Args[1]); err != nil {
			return nil, err
		}
		return ok, nil
	},
}
