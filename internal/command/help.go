package command

var help = &Command{
	Name: "help",
	Args: "[command]",
	Most: 1,
	Help: "explains a command, or every command that this session may use",
	Now: func(r *Request) ([]string, error) {
		values := []string{"help"}
		if len(r.Args) == 1 {
			c := r.Table.byName[r.Args[0]]
			if c == nil {
				return nil, errNoCommand(r.Args[0])
			}
			return append(values, c.line()), nil
		}
		for _, c := range r.Table.Rows() {
			if c.allows(r.Session) == nil {
				values = append(values, c.line())
			}
		}
		return values, nil
	},
}

// line is what the help shows of a command.
func (c *Command) line() string { return c.Usage() + ": " + c.Help }
