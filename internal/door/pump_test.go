package door_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/door"
)

// drive serves one connection with a protocol until the test ends.
func drive(t *testing.T, conn net.Conn, open func(*door.Conn) door.Protocol, change ...func(*parley.Limits)) {
	t.Helper()
	limits := parley.DefaultLimits()
	for _, f := range change {
		f(&limits)
	}
	pool := door.NewPool(2)
	l := &door.Listener{Name: "test", Limits: &limits, Pool: pool, Log: slog.New(slog.DiscardHandler), Open: open}
	l.Drive(conn)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		l.Shutdown(ctx, parley.ErrShuttingDown)
		pool.Close()
	})
}

// gated is a connection whose first write waits for the gate to be opened.
type gated struct {
	net.Conn
	gate    chan struct{}
	writing chan struct{} // closed when the first write has begun
	once    sync.Once
}

func (g *gated) Write(b []byte) (int, error) {
	g.once.Do(func() { close(g.writing) })
	<-g.gate
	return g.Conn.Write(b)
}

// patient answers each character with ten bytes; p is answered by its deadline,
// so that the reader reads on. When it is told to wait it lets the answers leave
// first, and only then does as it was told.
type patient struct {
	echo
	gate chan struct{}
	open sync.Once
}

func (p *patient) Feed(c *door.Conn, in []byte, _ int) (used int) {
	for used < len(in) {
		if c.Waiting() {
			p.open.Do(func() {
				for close(p.gate); c.Waiting(); {
					runtime.Gosched()
				}
			})
			return used
		}
		if in[used] == 'p' {
			c.SetDeadline(time.Now())
		} else {
			c.Answer([]byte(strings.Repeat(string(in[used]), 10)))
		}
		used++
	}
	return used
}

func (p *patient) Deadline(c *door.Conn) { c.Answer([]byte("pppppppppp")) }

// A protocol that was told to wait is fed again, even if what it waited for was
// over before it had stopped.
func TestWaitThatIsOverAtOnce(t *testing.T) {
	ours, theirs := net.Pipe()
	g := &gated{Conn: theirs, gate: make(chan struct{}), writing: make(chan struct{})}
	drive(t, g, func(*door.Conn) door.Protocol {
		return &patient{echo: echo{mu: &sync.Mutex{}, ended: new(int)}, gate: g.gate}
	}, func(l *parley.Limits) { l.Answers = 15 })
	defer ours.Close()
	ours.SetDeadline(time.Now().Add(5 * time.Second))
	io.WriteString(ours, "p")
	<-g.writing // by the worker: the reader reads on
	io.WriteString(ours, "abc")
	got := make([]byte, 40)
	if n, err := io.ReadFull(ours, got); err != nil {
		t.Errorf("got %q, %v; want ten of each of pabc", got[:n], err)
	}
}

// hooked calls hook when it is told to wait for its peer no longer than until
// some time to come.
type hooked struct {
	*net.TCPConn
	hook func()
	once sync.Once
}

func (h *hooked) SetReadDeadline(at time.Time) error {
	err := h.TCPConn.SetReadDeadline(at)
	if time.Until(at) > 0 {
		h.once.Do(h.hook)
	}
	return err
}

// A connection that is cut while it lingers lingers on: closing early would
// lose its last words, for there are bytes of the peer that nobody has read.
func TestCutWhileLingering(t *testing.T) {
	from, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	ours, err := net.Dial("tcp", from.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	theirs, err := from.Accept()
	if err != nil {
		t.Fatal(err)
	}
	h := &hooked{TCPConn: theirs.(*net.TCPConn)}
	drive(t, h, func(c *door.Conn) door.Protocol {
		h.hook = func() { c.Cut(parley.ErrShuttingDown) }
		return &echo{mu: &sync.Mutex{}, ended: new(int)}
	}, func(l *parley.Limits) { l.Linger = 10 * time.Second })
	ours.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(ours, "close\n"+strings.Repeat("x", 8<<20)); err != nil {
		t.Fatalf("the peer was closed to while it sent: %v", err)
	}
	ours.(*net.TCPConn).CloseWrite()
	if all, err := io.ReadAll(ours); string(all) != "closing\n" || err != nil {
		t.Errorf("told %q, %v; want the last words", all, err)
	}
}

// T18: silence is measured by a clock that nobody sets.
func TestIdleIsMonotonic(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	idle := make(chan time.Time, 1)
	drive(t, theirs, func(c *door.Conn) door.Protocol {
		idle <- c.Idle()
		return &echo{mu: &sync.Mutex{}, ended: new(int)}
	})
	if got := <-idle; !strings.Contains(got.String(), " m=") {
		t.Errorf("Idle gives %v, want a time with a monotonic reading", got)
	}
}
