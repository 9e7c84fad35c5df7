package command

import (
	"context"
)

var myrooms = &Command{
	Name:  "myrooms",
	Args:  "[after]",
	Most:  1,
	Needs: Account,
	Help:  "lists the rooms that the account is a member of",
	Work: func(ctx context.Context, r *Request) ([]string, error) {
		names, err := r.Session.MyRooms(ctx, r.arg(0))
		if err != nil {
			return nil, err
		}
		return r.page("myrooms", names)
	},
}
