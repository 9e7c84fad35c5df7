package door

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/parley-chat/parley"
)

// parrot says back what it hears. All of it must be in the connection's turn.
type parrot struct{ conn *Conn }

func (p *parrot) Feed(c *Conn, in []byte, _ int) int {
	c.Answer(append([]byte(nil), in...))
	return len(in)
}
func (*parrot) ReadsAhead(*Conn) bool         { return false }
func (*parrot) InputOver(*Conn)               {}
func (*parrot) Deadline(*Conn)                {}
func (*parrot) Farewell(*Conn, *parley.Error) {}
func (*parrot) End(*Conn)                     {}

// drivenPair gives our end of a socket, and the server's, driven by a loop.
func drivenPair(t *testing.T, l *Listener) (net.Conn, *socket) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	opened := make(chan *Conn, 1)
	l.Open = func(c *Conn) Protocol {
		opened <- c
		return &parrot{c}
	}
	if err := l.DriveSocket(os.NewFile(uintptr(fds[1]), "server")); err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fds[0]), "client")
	ours, err := net.FileConn(file)
	file.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close() })
	return ours, (<-opened).driver.(*socket)
}

// TestCalledSocketMoves pulls a socket from loop to loop while it is spoken with, told
// things and given a deadline: it goes where it is pulled, and nothing is lost.
func TestCalledSocketMoves(t *testing.T) {
	loops := &Loops{}
	for range 2 {
		l, err := newLoop()
		if err != nil {
			t.Fatal(err)
		}
		loops.all = append(loops.all, l)
		loops.done.Go(l.run)
	}
	limits := parley.DefaultLimits()
	listener := &Listener{Name: "test", Limits: &limits, Log: slog.New(slog.DiscardHandler), Pool: NewPool(1), Loops: loops}
	ours, called := drivenPair(t, listener)
	_, one := drivenPair(t, listener)
	_, two := drivenPair(t, listener)
	if one.home.Load() == two.home.Load() {
		t.Fatal("both callers are on one loop")
	}

	var talk sync.WaitGroup
	stop := make(chan struct{})
	talk.Go(func() { // what is said comes back, in order
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			said := fmt.Sprintf("%08d", n)
			if _, err := io.WriteString(ours, said); err != nil {
				t.Errorf("write: %v", err)
				return
			}
			heard := make([]byte, len(said))
			ours.SetReadDeadline(time.Now().Add(time.Minute))
			if _, err := io.ReadFull(ours, heard); err != nil || string(heard) != said {
				t.Errorf("said %s, heard %s, %v", said, heard, err)
				return
			}
		}
	})
	for n := range 200 {
		caller := []*socket{one, two}[n%2]
		for deadline := time.Now().Add(time.Minute); called.home.Load() != caller.home.Load(); {
			called.conn.Follow(&caller.conn)
			called.conn.complete(func() { called.conn.SetDeadline(time.Now().Add(time.Hour)) })
			if time.Now().After(deadline) {
				t.Fatal("it does not move")
			}
		}
	}
	close(stop)
	talk.Wait()
	ctx := t.Context()
	listener.Shutdown(ctx, parley.ErrShuttingDown)
	loops.Close()
	listener.Pool.Close()
}
