package command

import "github.com/parley-chat/parley"

var whoami = &Command{
	Name:  "whoami",
	Needs: Named,
	Help:  "tells which user this session speaks as",
	Now: func(r *Request) ([]string, error) {
		u, named := r.Session.User()
		if !named { // a login took the guest's name a moment ago
			return nil, parley.ErrNotLoggedIn
		}
		return []string{"user", u.Name.String()}, nil
	},
}
