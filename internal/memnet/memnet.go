// Package memnet is connections in memory, for tests. They have what net.Pipe
// lacks and a socket has: a buffer of a certain size, an end of one direction
// alone, and a reset. They work on the clock of a bubble of testing/synctest.
package memnet

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Conn is one end of a connection in memory. Its methods may be called from any
// goroutine; whoever waits in them is durably blocked.
type Conn struct{ in, out *stream }

var _ net.Conn = (*Conn)(nil)

// stream is one direction of a connection.
type stream struct {
	mu      sync.Mutex
	changed *sync.Cond
	buf     []byte
	size    int   // bytes that wait at most
	ended   bool  // nothing is written any more
	deaf    error // why nothing is read any more

	readBy, writeBy alarm
}

// alarm is a deadline that wakes whoever waits at the stream.
type alarm struct {
	at    time.Time
	timer *time.Timer // only while somebody waits: most deadlines are put off before
}

// Pipe makes a connection. The buffer of each direction holds so many bytes.
func Pipe(buffer int) (a, b *Conn) {
	one, two := newStream(buffer), newStream(buffer)
	return &Conn{in: one, out: two}, &Conn{in: two, out: one}
}

func newStream(size int) *stream {
	s := &stream{size: size}
	s.changed = sync.NewCond(&s.mu)
	return s
}

// do changes the stream and wakes everybody who waits for a change.
func (s *stream) do(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	s.changed.Broadcast()
}

func (s *stream) set(a *alarm, at time.Time) {
	s.do(func() {
		if a.timer != nil {
			a.timer.Stop()
		}
		*a = alarm{at: at}
	})
}

func (a *alarm) rang() bool { return !a.at.IsZero() && !time.Now().Before(a.at) }

// wait waits for a change, or for the deadline. The caller holds the lock, and
// has looked whether the deadline rang.
func (s *stream) wait(a *alarm) {
	if !a.at.IsZero() && a.timer == nil {
		// No timer for what is past: under the race detector, timers that are
		// due when they are made crash Go 1.26 inside a bubble (golang/go#78156).
		a.timer = time.AfterFunc(max(time.Until(a.at), 1), func() { s.do(func() {}) })
	}
	s.changed.Wait()
}

// Read gives what has come. It waits when there is nothing.
func (c *Conn) Read(b []byte) (int, error) {
	s := c.in
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.deaf != nil:
			return 0, s.deaf
		case s.readBy.rang():
			return 0, os.ErrDeadlineExceeded
		case len(s.buf) > 0:
			n := copy(b, s.buf)
			s.buf = s.buf[n:]
			s.changed.Broadcast()
			return n, nil
		case s.ended:
			return 0, io.EOF
		}
		s.wait(&s.readBy)
	}
}

// Write puts bytes into the buffer. It waits while that is full.
func (c *Conn) Write(b []byte) (n int, err error) {
	s := c.out
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch room := s.size - len(s.buf); {
		case s.ended:
			return n, net.ErrClosed
		case s.deaf != nil:
			return n, syscall.EPIPE
		case len(b) == 0:
			return n, nil
		case s.writeBy.rang():
			return n, os.ErrDeadlineExceeded
		case room > 0:
			now := b[:min(room, len(b))]
			s.buf = append(s.buf, now...)
			n, b = n+len(now), b[len(now):]
			s.changed.Broadcast()
			continue
		}
		s.wait(&s.writeBy)
	}
}

// CloseWrite ends what this end says; it can still be told.
func (c *Conn) CloseWrite() error {
	c.out.do(func() { c.out.ended = true })
	return nil
}

// Close ends both directions. The other end still reads what was written.
func (c *Conn) Close() error {
	c.out.do(func() { c.out.ended = true })
	c.in.do(func() { c.in.deaf = net.ErrClosed })
	return nil
}

// Reset ends the connection at both ends, with what is under way.
func (c *Conn) Reset() {
	for _, s := range []*stream{c.in, c.out} {
		s.do(func() { s.buf, s.deaf = nil, syscall.ECONNRESET })
	}
}

// WaitTaken waits until the other end has read what was written, or cannot.
func (c *Conn) WaitTaken() {
	s := c.out
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.buf) > 0 && s.deaf == nil && !s.writeBy.rang() {
		s.wait(&s.writeBy)
	}
}

// Untaken tells how many bytes of what was written the other end has not read.
func (c *Conn) Untaken() int {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return len(c.out.buf)
}

// LocalAddr is the same for every connection in memory.
func (c *Conn) LocalAddr() net.Addr { return memory{} }

// RemoteAddr is the same for every connection in memory.
func (c *Conn) RemoteAddr() net.Addr { return memory{} }

// SetDeadline bounds reading and writing.
func (c *Conn) SetDeadline(t time.Time) error {
	c.in.set(&c.in.readBy, t)
	c.out.set(&c.out.writeBy, t)
	return nil
}

// SetReadDeadline bounds reading.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.in.set(&c.in.readBy, t)
	return nil
}

// SetWriteDeadline bounds writing.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.out.set(&c.out.writeBy, t)
	return nil
}

// memory is the address of every connection in memory.
type memory struct{}

func (memory) Network() string { return "memory" }
func (memory) String() string  { return "memory" }
