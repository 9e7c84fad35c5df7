package command

var withdraw = &Command{
	Name:  "withdraw",
	Args:  "command",
	Least: 1,
	Most:  1,
	Needs: Named,
	Help:  "takes back what provide offered",
	Now: func(r *Request) ([]string, error) {
		return ok, r.Session.Withdraw(r.Args[0])
	},
}
