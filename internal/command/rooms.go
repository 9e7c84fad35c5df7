package command

import (
	"context"
)

var rooms = &Command{
	Name: "rooms",
	Args: "[after]",
	Most: 1,
	Help: "lists the rooms, from the first name behind after",
	Work: func(ctx context.Context, r *Request) ([]string, error) {
		return r.page("rooms", r.Hub.Rooms(r.arg(0)))
	},
}
