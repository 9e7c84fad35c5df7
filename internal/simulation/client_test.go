package simulation

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/proof"
)

// client is a user at a program: it comes, does things, is cut off, comes again
// and repeats what it is not sure of. Its draws are its own.
type client struct {
	// Fixed.
	world   *world
	n       int
	rng     *rand.Rand
	user    string
	account bool
	turn    chan struct{} // of the user's sessions, to come into a room or leave
	others  []string      // users

	steps    int      // left
	dials    int      // so far
	sessions int      // so far
	texts    int      // so far
	unsure   []saying // posts whose answer did not come

	// Of the session.
	name   string
	door   string
	conn   net.Conn
	visits map[string]*visit // by room
	wire   *wire
	speaker
	text *proof.Text // the same as speaker; nil on the line door
}

// speaker is what a client of either protocol can do.
type speaker interface {
	Join(room string) error
	Leave(room string) error
	Say(room, text string) *proof.Reply
	Tell(user, text string) *proof.Reply
	Over() <-chan struct{}
	Why() string
	Close()
}

// saying is something said under a client id.
type saying struct{ to, id, text string }

// soon is how long a client waits before it comes again, at most; longer when
// it is refused.
const soon = 500 * time.Millisecond

// live runs the script to its end.
func (c *client) live() {
	pass(upTo(c.rng, soon))
	for wait := soon; c.steps > 0; wait = min(2*wait, time.Minute) {
		if c.enter() {
			c.session()
			wait = soon
		}
		pass(upTo(c.rng, wait))
	}
	// Others may be through only when everybody has said what there is to say.
	for tries := 0; len(c.unsure) > 0 && tries < 20; tries++ {
		if c.enter() {
			c.repeat()
			c.leaveSession()
		}
		pass(upTo(c.rng, soon<<min(tries, 6)))
	}
	c.world.note("client %d is done", c.n)
}

// enter connects and says who it is.
func (c *client) enter() bool {
	c.door = "text"
	if len(c.unsure) == 0 && c.rng.IntN(2) == 0 {
		c.door = "line"
	}
	name := fmt.Sprintf("%s %d.%d", c.user, c.n, c.sessions)
	c.dials++
	if c.conn, c.wire = c.world.dial(c.door, name, c.dials<<8|c.n); c.conn == nil {
		return false
	}
	c.sessions++
	c.name, c.visits = name, map[string]*visit{}
	c.text = nil
	var err error
	if c.door == "line" {
		line := proof.NewLine(c.world.log, name, c.conn)
		c.speaker = line
		proven := ""
		if c.account {
			proven = password
		}
		err = line.Name(c.user, proven)
	} else {
		c.text = proof.NewText(c.world.log, name, c.conn)
		c.speaker = c.text
		if c.account {
			err = c.text.Login(c.user, password)
		} else {
			err = c.text.Guest(c.user)
		}
	}
	c.said("comes by the %s door", err, c.door)
	if err != nil {
		c.Close()
		return false
	}
	c.world.live(c, true)
	return true
}

// said notes what became of a request, and looks whether it may be so.
func (c *client) said(format string, err error, args ...any) {
	what := fmt.Sprintf(format, args...)
	c.world.note("%s %s: %v", c.name, what, err)
	var refusal *proof.Refusal
	if !errors.As(err, &refusal) {
		return
	}
	c.world.count(func(s *stats) { s.refused++ })
	for _, never := range []string{"syntax", "command_not_found", "something is missing"} {
		if strings.Contains(refusal.Type, never) {
			c.world.fault("%s %s: %v", c.name, what, err)
		}
	}
	if refusal.Type == "unhandled" || refusal.Type == parley.ErrUnhandled.Message {
		c.world.fault("%s %s: %v", c.name, what, err)
	}
}

func (c *client) isOver() bool {
	select {
	case <-c.Over():
		return true
	default:
		return false
	}
}

// session does some steps, and ends the connection in some way.
func (c *client) session() {
	c.repeat()
	for left := 1 + c.rng.IntN(20); left > 0 && c.steps > 0 && !c.isOver(); left-- {
		c.steps--
		c.step()
		pass(upTo(c.rng, 100*time.Millisecond))
	}
	c.leaveSession()
}

// leaveSession ends the connection, with the last requests under way or not.
func (c *client) leaveSession() {
	switch c.rng.IntN(3) {
	case 0:
		c.lastWords()
	case 1:
		c.burst(nil) // and gone before it is answered
	}
	c.Close()
	c.world.live(c, false)
	for _, room := range roomNames {
		c.goOut(room)
	}
	if why := c.Why(); why != "" {
		c.world.note("%s was told %q", c.name, why)
		c.world.count(func(s *stats) { s.cut++ })
	}
}

// lastWords half-closes behind a burst: all of it must be answered, unless
// something else went wrong.
func (c *client) lastWords() {
	half, ok := c.conn.(interface{ CloseWrite() error })
	if !ok || c.isOver() {
		return
	}
	c.world.mu.Lock()
	l := c.world.now
	c.world.mu.Unlock()
	unanswered := 0
	c.burst(func(wait func()) {
		half.CloseWrite()
		<-c.Over()
		wait()
	}, &unanswered)
	c.world.mu.Lock()
	same := l != nil && c.world.now == l && !l.dead.Load()
	c.world.mu.Unlock()
	if unanswered > 0 && same && !c.wire.rough.Load() && c.Why() == "" {
		c.world.fault("%s half-closed, and %d of its requests were not answered", c.name, unanswered)
	}
}
