package door

import (
	"errors"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
)

// socket drives one connection on a loop. All of it but home, pull, marked and
// killed is the loop's: the loop is the connection's turn.
type socket struct {
	conn Conn
	home atomic.Pointer[loop] // changed by itself alone: see emigrate
	pull atomic.Pointer[pull] // nil: it was never called
	fd   int

	stage   stage
	events  uint32 // what the loop waits for at the descriptor
	full    bool   // the peer does not take what leaving holds
	leaving [][]byte
	stuck   time.Time // since when the peer takes nothing
	until   time.Time // when lingering ends

	due   time.Time // when the loop rings
	place int       // in the loop's alarms

	marked bool // guarded by the home's mu
	killed atomic.Bool
}

// stage is how far a connection has come.
type stage uint8

const (
	arriving  stage = iota // the protocol has not begun
	talking                // reading and feeding
	draining               // what was asked is answered, nothing is read
	flushing               // the last words leave
	lingering              // until the peer has read them
	closed
)

// on gives the loop that drives the socket, in its turn.
func (s *socket) on() *loop { return s.home.Load() }

// mark asks the loop for a visit, whichever drives the socket.
func (s *socket) mark() {
	for !s.home.Load().mark(s) {
	}
}

func (s *socket) wake()           { s.mark() }
func (s *socket) interrupt()      { s.mark() }
func (s *socket) alarm(time.Time) { s.schedule() }

// gathers lets the loop flush once for all of a round.
func (s *socket) gathers(posted *hub.Session) bool {
	s.on().posted = posted
	return true
}

// kill ends the connection at once, without a word.
func (s *socket) kill() {
	s.killed.Store(true)
	s.mark()
}

// begin registers the socket and opens the protocol.
func (s *socket) begin() {
	c := &s.conn
	s.stage = talking
	s.on().put(s.fd, s)
	s.watchFor(input)
	c.hand(func() { c.protocol = c.door.Open(c) })
	if c.protocol == nil {
		s.conn.gone, s.stage = true, lingering
		s.close()
	}
}

// What a descriptor is watched for: something to read or the end of it, and
// room to write.
const (
	input  = unix.EPOLLIN | unix.EPOLLRDHUP
	output = unix.EPOLLOUT
)

// watchFor tells the system what to say of the descriptor. Watched for nothing
// it is not known to the loop at all, for some events come unasked.
func (s *socket) watchFor(events uint32) {
	op := unix.EPOLL_CTL_MOD
	switch {
	case events == s.events:
		return
	case s.events == 0:
		op = unix.EPOLL_CTL_ADD
	case events == 0:
		op = unix.EPOLL_CTL_DEL
	}
	s.events = events
	err := unix.EpollCtl(s.on().epoll, op, s.fd, &unix.EpollEvent{Events: events, Fd: int32(s.fd)})
	if err != nil {
		s.conn.Log().Error("a connection cannot be watched", "err", os.NewSyscallError("epoll_ctl", err))
		s.conn.gone = true
	}
}

// ready handles what the system says of the descriptor.
func (s *socket) ready(events uint32) {
	if events&output != 0 {
		s.full = false
	}
	if events&^output != 0 {
		s.read()
	}
	s.on().again = append(s.on().again, s) // it is visited in this round
}

// reads tells whether the peer is listened to now.
func (s *socket) reads() bool {
	c := &s.conn
	return s.stage == lingering || s.stage == talking && !c.inputEnded && c.mayRead()
}

// read reads once, and feeds what has come.
func (s *socket) read() {
	if !s.reads() {
		s.watchFor(s.events &^ input) // until visit finds that it is listened to again
		return
	}
	n, err := recv(s.fd, s.on().buf)
	switch {
	case n > 0 && s.stage == talking:
		s.conn.stir(s.on().now)
		s.conn.take(s.on().buf[:n])
	case n > 0: // nobody listens any more
	case err == nil:
		s.inputEnded()
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
	case s.stage == lingering:
		s.close()
	default:
		s.conn.gone = true
	}
}

// inputEnded lets the protocol use up what was read before.
func (s *socket) inputEnded() {
	if s.stage == lingering {
		s.close()
		return
	}
	s.watchFor(s.events &^ input)
	s.conn.endInput()
}

// visit does what waits, and moves the connection on.
func (s *socket) visit() {
	switch {
	case s.stage == closed:
		return
	case s.stage == arriving:
		s.begin()
	case s.emigrate():
		return // the other loop visits it
	}
	if s.stage == closed {
		return
	}
	if s.killed.Load() {
		s.conn.gone = true
	}
	if !s.full || s.conn.gone {
		s.work()
	}
	for s.move() {
	}
	if s.stage != closed {
		s.watch()
		s.schedule()
	}
}

// work hands the results over, feeds what waited for them, and writes all that
// there is, once.
func (s *socket) work() {
	c := &s.conn
	if s.conn.gone {
		s.forget()
	}
	if len(s.leaving) > 0 && !s.write(s.leaving) {
		return
	}
	s.on().results = c.catchUp(s.on().results)
	queue, more := c.outbox.takeBytes(s.on().bytes[:0])
	if len(queue) > 0 {
		done := s.write(queue)
		clear(queue) // or the loop would hold the bytes
		s.on().bytes = queue[:0]
		if !done {
			return
		}
		more = c.outbox.written()
	}
	if c.mayFeed() {
		c.outbox.claim() // it waited for answers to leave
		more = true
	}
	if more {
		s.on().again = append(s.on().again, s)
	}
}

// forget drops what waits for a peer that is gone.
func (s *socket) forget() {
	s.conn.outbox.drop()
	s.leaving, s.full, s.stuck = nil, false, time.Time{}
}

// write writes in as few system calls as the system allows, and keeps what the
// peer does not take yet: then done is false.
func (s *socket) write(queue [][]byte) (done bool) {
	for len(queue) > 0 {
		n, err := s.writeSome(queue)
		switch {
		case err == nil:
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		default:
			s.conn.gone = true
			s.forget()
			return true
		}
		full := err != nil
		if n > 0 {
			s.conn.stir(s.on().now)
			if !s.stuck.IsZero() && s.conn.outbox.cutFor() == nil {
				s.stuck = time.Time{}
			}
		}
		for n > 0 && n >= len(queue[0]) {
			n -= len(queue[0])
			queue[0] = nil
			queue = queue[1:]
		}
		if n > 0 {
			queue[0] = queue[0][n:]
			full = true
		}
		if full && len(queue) > 0 {
			s.keep(queue)
			return false
		}
	}
	s.leaving, s.stuck = nil, time.Time{}
	return true
}

func (s *socket) writeSome(queue [][]byte) (int, error) {
	if len(queue) == 1 {
		return send(s.fd, queue[0])
	}
	return sendAll(s.fd, queue, s.on().vectors)
}

// keep notes what did not leave, and since when.
func (s *socket) keep(queue [][]byte) {
	s.full = true
	if s.stuck.IsZero() {
		s.stuck = s.on().now
	}
	s.leaving = append([][]byte(nil), queue...)
}

// move brings the connection to its next stage, and tells whether it did.
func (s *socket) move() bool {
	c := &s.conn
	switch s.stage {
	case talking:
		cut := c.outbox.cutFor() != nil
		if !s.conn.gone && !c.closing && !cut && (!c.inputEnded || c.held) {
			return false
		}
		if s.conn.gone {
			s.forget()
		}
		c.inputOver()
		s.stage = draining
	case draining:
		if !c.stop() {
			return false
		}
		s.stage = flushing
		if !s.conn.gone && c.farewell() && !s.full {
			s.work()
		}
	case flushing:
		if len(s.leaving) > 0 || !c.outbox.idle() {
			return false
		}
		c.hand(func() { c.protocol.End(c) }) // before we linger: a name is free at once
		c.outbox.close()
		s.stage = lingering
		s.until = s.on().now.Add(c.limits.Linger)
		if s.conn.gone || unix.Shutdown(s.fd, unix.SHUT_WR) != nil {
			s.close()
		}
	default:
		return false
	}
	return true
}

// close gives the descriptor back. Nothing of the connection is left.
func (s *socket) close() {
	s.stage = closed
	s.schedule()
	s.on().put(s.fd, nil)
	unix.Close(s.fd)
	s.conn.rest, s.leaving = nil, nil
	s.conn.door.gone(&s.conn)
}

// watch waits for what the connection needs. It goes on to be told of input
// while it does not listen, until there is some: most peers wait for their answer.
func (s *socket) watch() {
	want := s.events &^ output
	if s.full {
		want |= output
	}
	if s.reads() {
		want |= input
	}
	s.watchFor(want)
}

// schedule sets the loop's alarm to the connection's next deadline.
func (s *socket) schedule() {
	var due time.Time
	sooner := func(at time.Time) {
		if !at.IsZero() && (due.IsZero() || at.Before(due)) {
			due = at
		}
	}
	switch {
	case s.stage == closed:
	case s.stage == lingering:
		sooner(s.until)
	default:
		if !s.conn.closing {
			sooner(s.conn.deadline)
		}
		if !s.stuck.IsZero() {
			sooner(s.stuck.Add(s.conn.limits.Write))
		}
	}
	s.on().alarm(s, due)
}

// ring does what is due.
func (s *socket) ring() {
	c, now := &s.conn, s.on().now
	switch {
	case s.stage == lingering:
		s.close()
		return
	case !s.stuck.IsZero() && !now.Before(s.stuck.Add(c.limits.Write)):
		c.Cut(parley.ErrSlowConsumer)
		s.conn.gone = true
	case !c.deadline.IsZero() && !c.closing && !now.Before(c.deadline):
		c.deadline = time.Time{}
		c.hand(func() { c.protocol.Deadline(c) })
	}
	s.mark()
}
