package door

import (
	"context"
	"errors"
	"log/slog"
	"net"
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

	last atomic.Int64   // number of the last connection
	all  sync.WaitGroup // Serve and the connections

	mu       sync.Mutex
	listener []net.Listener
	conns    map[*Conn]net.Conn
	closing  bool
}

// Serve accepts until the listener is closed, by Shutdown or otherwise.
func (l *Listener) Serve(from net.Listener) {
	l.mu.Lock()
	if l.closing {
		l.mu.Unlock()
		from.Close()
		return
	}
	l.listener = append(l.listener, from)
	l.all.Add(1)
	l.mu.Unlock()
	defer l.all.Done()
	const first, most = 10 * time.Millisecond, time.Second
	for pause := first; ; {
		conn, err := from.Accept()
		switch {
		case err == nil:
			pause = first
			l.Drive(conn)
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

// Drive takes a connection and serves it in a goroutine, which ends when the
// connection does; Shutdown waits for it.
func (l *Listener) Drive(conn net.Conn) {
	c := &Conn{Remote: remote(conn), began: time.Now(), limits: l.Limits, pool: l.Pool}
	c.Log = l.Log.With("door", l.Name, "conn", l.last.Add(1))
	p := &pump{conn: c, net: conn, resume: make(chan struct{}, 1)}
	c.driver = p
	l.mu.Lock()
	if l.closing || len(l.conns) >= l.Limits.Connections {
		l.mu.Unlock()
		conn.Close()
		return
	}
	if l.conns == nil {
		l.conns = map[*Conn]net.Conn{}
	}
	l.conns[c] = conn
	l.all.Add(1)
	l.mu.Unlock()
	go func() {
		defer l.all.Done()
		c.Log.Debug("connected", "from", c.Remote)
		p.serve(l.Open)
		c.Log.Debug("disconnected")
		l.mu.Lock()
		delete(l.conns, c)
		l.mu.Unlock()
	}()
}

func remote(conn net.Conn) string {
	if addr := conn.RemoteAddr(); addr != nil && addr.String() != "" {
		return addr.String()
	}
	return "local"
}

// StopAccepting closes the listening sockets; connections go on.
func (l *Listener) StopAccepting() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closing = true
	for _, listener := range l.listener {
		listener.Close()
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
	for _, conn := range l.conns {
		conn.Close()
	}
	l.mu.Unlock()
	<-ended
}
