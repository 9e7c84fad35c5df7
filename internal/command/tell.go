package command

import (
	"github.com/parley-chat/parley/internal/hub"
)

var tell = &Command{
	Name:  "tell",
	Args:  "user,text",
	Least: 2,
	Most:  2,
	Needs: Named,
	Help:  "tells a user a text in private; answers with its id, if it is stored, and time",
	Post: func(r *Request) (hub.Draft, func(hub.Receipt) []string, error) {
		return hub.Draft{To: r.Args[0], Private: true, Text: r.Args[1]}, posted, nil
	},
}
