package door

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley"
)

// Listener accepts the connections of one door and drives them until they end.
type Listener struct {
	Name   string // for logs
	Open   func(*Conn) Protocol
	Limits *parley.Limits
	Log    *slog.Logger
	Pool   *Pool
	Loops  *Loops // drives plain sockets; nil: each has a goroutine

	last atomic.Int64   // number of the last connection
	all  sync.WaitGroup // Serve and the connections

	mu      sync.Mutex
	accepts []io.Closer // what Serve accepts from
	conns   map[*Conn]struct{}
	most    int // connections, since memory was given back
	closing bool
}

// Serve accepts until the listener is closed, by Shutdown or otherwise.
func (l *Listener) Serve(from net.Listener) {
	accept, also := l.acceptor(from)
	if !l.accepting(from, also) {
		return
	}
	defer l.all.Done()
	const first, most = 10 * time.Millisecond, time.Second
	for pause := first; ; {
		err := accept()
		switch {
		case err == nil:
			pause = first
		case errors.Is(err, net.ErrClosed):
			return
		default:
			// Out of descriptors, most likely: others are served meanwhile.
			l.Log.Warn("no connection can be accepted now", "door", l.Name, "err", err, "again_in", pause)
			time.Sleep(pause)
			pause = min(2*pause, most)
		}
	}
}

// accepting counts an accept loop in, or refuses it.
func (l *Listener) accepting(from ...io.Closer) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range from {
		if c != nil && l.closing {
			c.Close()
		} else if c != nil {
			l.accepts = append(l.accepts, c)
		}
	}
	if l.closing {
		return false
	}
	l.all.Add(1)
	return true
}

// acceptor gives what accepts one connection: for a loop, where there are any
// and they can drive it. What else is open for that is closed by StopAccepting.
func (l *Listener) acceptor(from net.Listener) (accept func() error, also io.Closer) {
	if l.Loops != nil {
		if accept, also = l.Loops.acceptor(l, from); accept != nil {
			return accept, also
		}
	}
	return func() error {
		conn, err := from.Accept()
		if err == nil {
			l.Drive(conn)
		}
		return err
	}, nil
}

// Drive takes a connection and serves it in a goroutine, which ends when the
// connection does; Shutdown waits for it.
func (l *Listener) Drive(conn net.Conn) {
	p := newPump(conn)
	if !l.admit(p.conn) {
		conn.Close()
		return
	}
	go func() {
		p.serve(l.Open)
		l.gone(p.conn)
	}()
}

// DriveSocket takes a socket and serves it, on a loop where there are any.
func (l *Listener) DriveSocket(socket *os.File) error {
	defer socket.Close() // both ways take a descriptor of their own
	if l.Loops != nil {
		return l.Loops.driveFile(l, socket)
	}
	conn, err := net.FileConn(socket)
	if err == nil {
		l.Drive(conn)
	}
	return err
}

// admit counts a connection in, or refuses it. Whoever drives it calls gone in
// the end.
func (l *Listener) admit(c *Conn) bool {
	c.limits, c.door, c.number, c.began = l.Limits, l, l.last.Add(1), time.Now()
	if !l.count(c) {
		return false
	}
	if l.Log.Enabled(context.Background(), slog.LevelDebug) {
		c.Log().Debug("connected", "from", c.Remote())
	}
	return true
}

func (l *Listener) count(c *Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing || len(l.conns) >= l.Limits.Connections {
		return false
	}
	if l.conns == nil {
		l.conns = map[*Conn]struct{}{}
	}
	l.conns[c] = struct{}{}
	l.most = max(l.most, len(l.conns))
	l.all.Add(1)
	return true
}

func (l *Listener) gone(c *Conn) {
	if l.Log.Enabled(context.Background(), slog.LevelDebug) {
		c.Log().Debug("disconnected")
	}
	l.mu.Lock()
	delete(l.conns, c)
	if l.most >= crowd && len(l.conns) <= l.most/2 && !l.closing {
		l.most = len(l.conns)
		l.all.Go(debug.FreeOSMemory)
	}
	l.mu.Unlock()
	l.all.Done()
}

// crowd is from how many connections on it is worth giving memory back when half
// of them have gone: a server where little is said would keep it for minutes.
const crowd = 1000

// StopAccepting closes the listening sockets; connections go on.
func (l *Listener) StopAccepting() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closing = true
	for _, c := range l.accepts {
		c.Close()
	}
}

// Shutdown stops accepting, answers what was asked, tells every peer why, and
// waits for the connections to end. When ctx ends they are closed by force.
func (l *Listener) Shutdown(ctx context.Context, why *parley.Error) {
	l.StopAccepting()
	l.mu.Lock()
	for c := range l.conns {
		c.Cut(why)
	}
	l.mu.Unlock()
	ended := make(chan struct{})
	go func() { // ends with the connections, which are closed below at the latest
		l.all.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return
	case <-ctx.Done():
	}
	l.mu.Lock()
	for c := range l.conns {
		c.driver.kill()
	}
	l.mu.Unlock()
	<-ended
}
