package command

import (
	"context"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
)

// Need says who may use a command.
type Need int

// Who may use a command.
const (
	Anybody Need = iota
	Named        // with any name: guests and accounts
	Account      // logged in
)

// Command is one row of the table. One of Now, Work, Post, Call and Take does the
// work; which one it is tells the door how to run it. All but Take give the values
// of the answer, or an error. Only req has none of them: Table.Find takes it apart.
type Command struct {
	Name  string
	Args  string // as the help shows them: "room,[text]"
	Least int    // arguments
	Most  int    // arguments; below zero: as many as fit
	Needs Need
	Help  string // one line: what it does
	Mute  bool   // its answer holds no values
	// Now answers at once and must not wait.
	Now func(*Request) ([]string, error)
	// Work may wait for the disk or for a password hash.
	Work func(context.Context, *Request) ([]string, error)
	// Post makes a draft for the journal, and then the values for its receipt.
	Post func(*Request) (hub.Draft, func(hub.Receipt) []string, error)
	// Call makes a call of a program, whose values are the answer.
	Call func(*Request) (hub.Call, error)
	// Take is at once, whatever the session waits for, and has no answer.
	Take func(*Request)
}

// Request is one call of a command.
type Request struct {
	Hub      *hub.Hub
	Session  *hub.Session
	Limits   *parley.Limits
	Table    *Table
	Args     []string
	Listener Listener
	// Room is how many bytes the values of the answer may take when encoded.
	Room int
}

// Listener is how a session listens.
type Listener interface {
	// Copies chooses how it is told of private messages.
	Copies(on bool)
}

// ok is the answer of a command that has nothing else to say.
var ok = []string{"ok"}

// arg gives an argument that may be missing.
func (r *Request) arg(i int) string {
	if i < len(r.Args) {
		return r.Args[i]
	}
	return ""
}

// Usage gives what to type.
func (c *Command) Usage() string {
	if c.Args == "" {
		return c.Name
	}
	return c.Name + "," + c.Args
}

// allows tells whether the session may use the command.
func (c *Command) allows(s *hub.Session) error {
	u, named := s.User()
	switch {
	case c.Needs >= Named && !named:
		return parley.ErrNotLoggedIn
	case c.Needs == Account && !u.IsAccount():
		return parley.Errorf(parley.CodeForbidden, "only registered users may do this; register a name and log in")
	}
	return nil
}
