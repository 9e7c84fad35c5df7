package command

var nop = &Command{
	Name: "nop",
	Mute: true,
	Help: "does nothing; keeps the connection alive",
	Now: func(r *Request) ([]string, error) {
		return nil, nil
	},
}
