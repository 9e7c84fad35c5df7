package server

import (
	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/door"
	"github.com/parley-chat/parley/internal/door/textdoor"
	"github.com/parley-chat/parley/internal/hub"
)

// seat is the session of a module that runs; see module.Seat.
type seat struct {
	listener *door.Listener // of this one connection

	opened  chan struct{} // closed when what follows is set
	conn    *door.Conn
	session *hub.Session // nil: it could not come in

	left  chan struct{} // closed when nothing more is said to the module
	ended chan struct{} // closed when its connection has ended
}

func newSeat() *seat {
	return &seat{opened: make(chan struct{}), left: make(chan struct{}), ended: make(chan struct{})}
}

// open begins the module's protocol. It is called once, by the driver.
func (s *seat) open(d *textdoor.Door, c *door.Conn, module parley.User) door.Protocol {
	defer close(s.opened)
	protocol, session := d.OpenModule(c, module)
	if session == nil {
		close(s.left)
		return nil
	}
	s.conn, s.session = c, session
	return &seated{Protocol: protocol, seat: s}
}

// seated notes the end of a module's protocol.
type seated struct {
	door.Protocol
	seat *seat
}

// End ends the protocol.
func (p *seated) End(c *door.Conn) {
	p.Protocol.End(c)
	close(p.seat.left)
}

// errStopped is the last thing that a module is told.
var errStopped = parley.Errorf(parley.CodeUnavailable, "the module is being stopped")

// Close answers what the module asked, tells it that it is being stopped, and
// ends its input.
func (s *seat) Close() { s.conn.Cut(errStopped) }

// Ended is closed when the connection has ended.
func (s *seat) Ended() <-chan struct{} { return s.ended }

// Drain lets no more calls be handed to the module.
func (s *seat) Drain() { s.session.Drain() }

// Calls tells how many calls it has in hand.
func (s *seat) Calls() int { return s.session.Calls() }

// Commands lists what it provides.
func (s *seat) Commands() []string { return s.session.Commands() }

// Hung is closed when it let a call pass and said nothing since it came.
func (s *seat) Hung() <-chan struct{} { return s.session.Hung() }
