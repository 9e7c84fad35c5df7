package server_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/command"
	"github.com/parley-chat/parley/internal/hub"
)

// mined makes every handler of a command panic until the test has ended.
func mined(t *testing.T, c *command.Command) {
	was := *c
	t.Cleanup(func() { *c = was })
	fault := "a mine in " + c.Name
	switch {
	case c.Now != nil:
		c.Now = func(*command.Request) ([]string, error) { panic(fault) }
	case c.Work != nil:
		c.Work = func(context.Context, *command.Request) ([]string, error) { panic(fault) }
	case c.Post != nil:
		c.Post = func(*command.Request) (hub.Draft, func(hub.Receipt) []string, error) { panic(fault) }
	case c.Call != nil:
		c.Call = func(*command.Request) (hub.Call, error) { panic(fault) }
	case c.Take != nil:
		c.Take = func(*command.Request) { panic(fault) }
	}
}

// bystanders are others, on both doors, whom nothing may disturb.
type bystanders struct {
	text *textClient
	line *lineClient
}

func newBystanders(h *host) bystanders {
	b := bystanders{text: h.guest("bytext"), line: h.line("byline")}
	b.text.ok("join", "lobby")
	b.line.send("join lobby")
	b.line.want("Joined lobby (ok)")
	b.text.want("joined", "lobby", "byline")
	return b
}

// undisturbed wants both to be served, and to have heard nothing.
func (b bystanders) undisturbed() {
	b.text.t.Helper()
	b.text.send("frobnicate")
	b.text.want("error", "nonfatal", "command_not_found", "*")
	b.line.send("frobnicate")
	b.line.want("Verified")
}

// T13: a panic in any command is that request's, and nobody else's; §1.3:
// it is logged with a stack.
func TestPanicInEveryCommand(t *testing.T) {
	h := start(t, mayFail)
	others := newBystanders(h)
	for _, c := range command.NewTable().Rows() {
		if c.Name == "req" {
			continue // it has no handler
		}
		t.Run(c.Name, func(t *testing.T) {
			alice, before := h.account("alice"), len(h.log.errors())
			mined(t, c)
			request := append([]string{"req", "1", c.Name}, strings.Fields(strings.Repeat("x ", c.Least))...)
			alice.send(request...)
			if c.Take == nil { // which has no answer
				alice.want("req", "1", "error", "nonfatal", "unhandled", parley.ErrUnhandled.Message)
			}
			alice.send("frobnicate") // the session lives on
			alice.want("error", "nonfatal", "command_not_found", "*")
			others.undisturbed()
			errs := h.log.errors()[before:]
			if len(errs) != 1 || !strings.Contains(errs[0], "a mine in "+c.Name) || !strings.Contains(errs[0], "panic_test.go") {
				t.Errorf("the log holds %q, want one panic with its stack", errs)
			}
		})
	}
}

// A fault in an answer to a message costs the connection, for the answer would
// be missing; the message was said.
func TestPanicInAnswerToPost(t *testing.T) {
	h := start(t, mayFail)
	others, alice := newBystanders(h), h.account("alice")
	for _, c := range command.NewTable().Rows() {
		if c.Name == "say" {
			was := *c
			t.Cleanup(func() { *c = was })
			c.Post = func(r *command.Request) (hub.Draft, func(hub.Receipt) []string, error) {
				draft, _, err := was.Post(r)
				return draft, func(hub.Receipt) []string { panic("a mine in the answer") }, err
			}
		}
	}
	alice.send("say", "lobby", "hi")
	alice.fatal("unhandled")
	others.text.want("room", "lobby", "alice", "*", "*", "hi")
	others.line.want("alice says in room lobby hi")
	others.undisturbed()
	if n := h.log.panics(); n != 1 {
		t.Errorf("%d panics were logged, want 1: %q", n, h.log.errors())
	}
}

// minedStore panics when it is asked for the name of somebody whom it does not
// like, or for a history.
type minedStore struct{ hub.Store }

func (s minedStore) Named(ctx context.Context, name parley.Name) ([]hub.Account, error) {
	if strings.HasPrefix(name.Key(), "mine") {
		panic("a mine in the store")
	}
	return s.Store.Named(ctx, name)
}

func (s minedStore) History(context.Context, hub.HistoryQuery) ([]parley.Message, error) {
	panic("a mine in the store")
}

// The same below the handlers, on both doors.
func TestPanicInTheStore(t *testing.T) {
	h := start(t, mayFail, func(s *setup) {
		s.opts.Store = func(kept hub.Store) hub.Store { return minedStore{kept} }
	})
	others, alice := newBystanders(h), h.account("alice")
	for i, request := range [][]string{{"guest", "mine"}, {"login", "mine", "x"}, {"history", "lobby"}, {"history", "@mine"}} {
		if got := alice.ask(request...); !like(got, []string{"error", "nonfatal", "unhandled", "*"}) {
			t.Errorf("%q: got %q, want the error unhandled", request, got)
		}
		if n := h.log.panics(); n != i+1 {
			t.Errorf("%q: %d panics were logged so far, want %d", request, n, i+1)
		}
	}
	if got := alice.ask("whoami"); !like(got, []string{"user", "alice"}) {
		t.Errorf("whoami afterwards: %q", got)
	}
	for _, name := range []string{"mine", "mine secret"} {
		c := h.line("")
		c.send(name)
		c.ended() // who has no name cannot be told
	}
	others.undisturbed()
	for i := range 3 { // and a name is not held by who failed to get it
		h.line(fmt.Sprintf("other%d", i))
	}
	if got := alice.ask("users"); !like(got, []string{"users", "alice", "byline", "bytext", "other0", "other1", "other2"}) {
		t.Errorf("users: %q", got)
	}
}
