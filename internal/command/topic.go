package command

import (
	"context"
)

var topic = &Command{
	Name:  "topic",
	Args:  "room,[text]",
	Least: 1,
	Most:  2,
	Needs: Named,
	Help:  "tells a room's topic, or sets it; an empty text clears it",
	Work: func(ctx context.Context, r *Request) ([]string, error) {
		if len(r.Args) == 1 {
			text, err := r.Session.Topic(r.Args[0])
			if err != nil {
				return nil, err
			}
			return []string{"topic", text}, nil
		}
		if err := r.Session.SetTopic(ctx, r.Args[0], r.Args[1]); err != nil {
			return nil, err
		}
		return ok, nil
	},
}
