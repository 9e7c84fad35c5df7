package command

import (
	"strings"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
)

var post = &Command{
	Name:  "post",
	Args:  "room or @user,client id,text",
	Least: 3,
	Most:  3,
	Needs: Named,
	Help:  "as say or tell, safe to repeat: the same client id says it once",
	Post: func(r *Request) (hub.Draft, func(hub.Receipt) []string, error) {
		if r.Args[1] == "" {
			return hub.Draft{}, nil, parley.Errorf(parley.CodeSyntax, "a client id has 1 to %d bytes", r.Limits.ClientID)
		}
		to, private := strings.CutPrefix(r.Args[0], "@")
		return hub.Draft{To: to, Private: private, ClientID: r.Args[1], Text: r.Args[2]}, posted, nil
	},
}
