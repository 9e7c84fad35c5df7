package command

import "github.com/parley-chat/parley/wire/textwire"

var help = &Command{
	Name: "help",
	Args: "[command]",
	Most: 1,
	Help: "explains a command, or every command that this session may use",
	Now: func(r *Request) ([]string, error) {
		values := []string{"help"}
		if len(r.Args) == 1 {
			c := r.Table.find(r.Args[0], r.Session)
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
		return append(values, r.helpOfPrograms(values)...), nil
	},
}

// line is what the help shows of a command.
func (c *Command) line() string { return c.Usage() + ": " + c.Help }

// helpOfPrograms explains the commands of programs, as far as the answer has
// room for them behind the others.
func (r *Request) helpOfPrograms(others []string) (lines []string) {
	left := r.pageBytes() - textwire.Size(others...)
	for _, o := range r.Hub.Offers() {
		line := provided(o).line()
		if left -= 1 + textwire.Size(line); left < 0 {
			break
		}
		lines = append(lines, line)
	}
	return lines
}
