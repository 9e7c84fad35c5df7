package command

var req = &Command{
	Name:  "req",
	Args:  "ID,command,[args]",
	Least: 1,
	Most:  -1,
	Help:  "runs a command; its answer comes behind the same ID",
}
