package command

import (
	"context"
)

var register = &Command{
	Name:  "register",
	Args:  "user,password",
	Least: 2,
	Most:  2,
	Help:  "makes an account; log in with it afterwards",
	Work: func(ctx context.Context, r *Request) ([]string, error) {
		if err := r.Session.Register(ctx, r.Args[0], r.Args[1]); err != nil {
			return nil, err
		}
		return ok, nil
	},
}
