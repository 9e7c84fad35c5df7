package command

var logout = &Command{
	Name:  "logout",
	Needs: Named,
	Help:  "speaks as nobody again",
	Now: func(r *Request) ([]string, error) {
		if err := r.Session.Logout(); err != nil {
			return nil, err
		}
		return ok, nil
	},
}
