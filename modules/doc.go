// Package modules holds three programs that add commands to a server, each a
// single file that needs no library: dice.py, reminder/reminder.go and poll.sh.
// They are there to be run and to be copied from; docs/modules.md says how.
// Here are only their tests.
package modules
