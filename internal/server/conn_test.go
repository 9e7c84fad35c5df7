package server_test

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"
)

// conn is one end of a connection in memory. It has what net.Pipe lacks and a
// socket has: a buffer of a certain size, an end of one direction alone, and a
// reset. It works on the clock of a bubble.
type conn struct{ in, out *stream }

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
	timer *time.Timer
}

func newPipe(buffer int) (a, b *conn) {
	one, two := newStream(buffer), newStream(buffer)
	return &conn{in: one, out: two}, &conn{in: two, out: one}
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
		// No timer for what is past: under the race detector, timers that are
		// due when they are made crash Go 1.26 inside a bubble (golang/go#78156).
		if wait := time.Until(at); wait > 0 {
			a.timer = time.AfterFunc(wait, func() { s.do(func() {}) })
		}
	})
}

func (a *alarm) rang() bool { return !a.at.IsZero() && !time.Now().Before(a.at) }

func (c *conn) Read(b []byte) (int, error) {
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
		s.changed.Wait()
	}
}

func (c *conn) Write(b []byte) (n int, err error) {
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
		s.changed.Wait()
	}
}

// CloseWrite ends what this end says; it can still be told.
func (c *conn) CloseWrite() error {
	c.out.do(func() { c.out.ended = true })
	return nil
}

func (c *conn) Close() error {
	c.out.do(func() { c.out.ended = true })
	c.in.do(func() { c.in.deaf = net.ErrClosed })
	return nil
}

// reset ends the connection in both directions, with what is under way.
func (c *conn) reset() {
	for _, s := range []*stream{c.in, c.out} {
		s.do(func() { s.buf, s.deaf = nil, syscall.ECONNRESET })
	}
}

// waitTaken waits until the other end has read what was written, or cannot.
func (c *conn) waitTaken() {
	s := c.out
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.buf) > 0 && s.deaf == nil && !s.writeBy.rang() {
		s.changed.Wait()
	}
}

// untaken tells how many bytes of what was written the other end has not read.
func (c *conn) untaken() int {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return len(c.out.buf)
}

func (c *conn) LocalAddr() net.Addr  { return memory{} }
func (c *conn) RemoteAddr() net.Addr { return memory{} }

func (c *conn) SetDeadline(t time.Time) error {
	c.in.set(&c.in.readBy, t)
	c.out.set(&c.out.writeBy, t)
	return nil
}

func (c *conn) SetReadDeadline(t time.Time) error {
	c.in.set(&c.in.readBy, t)
	return nil
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	c.out.set(&c.out.writeBy, t)
	return nil
}

// memory is the address of every connection in memory.
type memory struct{}

func (memory) Network() string { return "memory" }
func (memory) String() string  { return "memory" }

// TestPipe holds the double against what the doors rely on.
func TestPipe(t *testing.T) {
	a, b := newPipe(4)
	for _, want := range []string{"ab", "cd"} {
		if n, err := a.Write([]byte(want)); n != 2 || err != nil {
			t.Fatalf("Write(%q) = %d, %v", want, n, err)
		}
	}
	a.SetWriteDeadline(time.Unix(1, 0))
	if n, err := a.Write([]byte("e")); n != 0 || !os.IsTimeout(err) {
		t.Errorf("Write into a full buffer = %d, %v; want 0 and a timeout", n, err)
	}
	a.CloseWrite()
	if got, err := io.ReadAll(b); string(got) != "abcd" || err != nil {
		t.Errorf("read %q, %v; want abcd and the end", got, err)
	}
	if _, err := b.Write([]byte("f")); err != nil {
		t.Errorf("Write against a half-closed end: %v", err)
	}
	a.reset()
	if _, err := b.Write([]byte("g")); err == nil {
		t.Error("Write after a reset: no error")
	}
}
