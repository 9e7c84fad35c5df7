package command

import (
	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
)

var say = &Command{
	Name:  "say",
	Args:  "room,text",
	Least: 2,
	Most:  2,
	Needs: Named,
	Help:  "says a text in a room; answers with its id and time once it is stored",
	Post: func(r *Request) (hub.Draft, func(hub.Receipt) []string, error) {
		return hub.Draft{To: r.Args[0], Text: r.Args[1]}, posted, nil
	},
}

// posted is the answer to a message: its id, empty if it was only passed on,
// and its time.
func posted(receipt hub.Receipt) []string {
	return []string{"ok", receipt.Message.ID(), parley.FormatTime(receipt.Message.Time)}
}
