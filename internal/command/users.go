package command

import (
	"context"
)

var users = &Command{
	Name: "users",
	Args: "[after]",
	Most: 1,
	Help: "lists who is online, from the first name behind after",
	Work: func(ctx context.Context, r *Request) ([]string, error) {
		return r.page("users", r.Hub.Users(r.arg(0)))
	},
}
