package command

import (
	"context"
)

var newRoom = &Command{
	Name:  "new",
	Args:  "room",
	Least: 1,
	Most:  1,
	Needs: Named,
	Help:  "makes an open room; join it to be in it",
	Work: func(ctx context.Context, r *Request) ([]string, error) {
		if err := r.Session.NewRoom(ctx, r.Args[0]); err != nil {
			return nil, err
		}
		return ok, nil
	},
}
