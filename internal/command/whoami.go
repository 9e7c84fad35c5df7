package command

var whoami = &Command{
	Name:  "whoami",
	Needs: Named,
	Help:  "tells which user this session speaks as",
	Now: func(r *Request) ([]string, error) {
		u, _ := r.Session.User()
		return []string{"user", u.Name.String()}, nil
	},
}
