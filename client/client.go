package client

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley"
)

// mostRequests is how many requests of a client may be unanswered. Further ones wait.
const mostRequests = 1024

// A Client is a session with a server: over one connection, or, when that is lost, over
// one after the other. Its methods may be called by any goroutine at once. Close must be
// called when it is not needed any more.
//
// The methods that are commands of the server answer with a [*parley.Error] when the
// server refuses, a [*ConnError] when the connection ended first, the error of the
// context when that ended first, and [ErrClosed] after Close.
type Client struct {
	// Fixed after newClient.
	set    settings
	dial   dialer
	events *queue
	calls  *calls
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	slots  chan struct{} // of size mostRequests: one for each that is not answered
	ended  chan struct{} // closed when run has ended
	self   atomic.Pointer[string]

	// Of run alone.
	pause time.Duration // the next one before connecting again, at most
	since time.Time     // the latest connection was made

	mu    sync.Mutex    // guards what follows; taken before the locks of queue and conn
	conn  *conn         // nil: none that is ready
	ready chan struct{} // closed when conn is set or the client has ended
	err   error         // why it has ended
	state state
	rooms rooms
	posts map[*request]struct{} // to be sent again when the connection is lost
	last  uint64                // number of the latest of them
}

// A state is what a connection must be told to be as the one before it.
type state struct {
	who    identity
	copies bool
	offers map[string][]string // the arguments of the latest provide of each command
}

// Dial connects to the text door of a server: text://host:port, texts://host:port with
// TLS, or text+unix:///path. It comes in as [Login] or [Guest] says, and as nobody
// without them. The context is for the connecting alone. A refused login is a
// [*parley.Error].
func Dial(ctx context.Context, url string, options ...Option) (*Client, error) {
	set := newSettings(options)
	dial, err := parseURL(url, set.tls)
	if err != nil {
		return nil, err
	}
	return newClient(ctx, set, dial)
}

// newClient makes a client with its first connection. Three goroutines are its own: run
// and the queue's are ended and waited for by Close, those of the connection by run.
func newClient(ctx context.Context, set settings, dial dialer) (*Client, error) {
	c := &Client{
		set: set, dial: dial, slots: make(chan struct{}, mostRequests),
		ended: make(chan struct{}), ready: make(chan struct{}),
		state: state{who: set.who, offers: map[string][]string{}}, posts: map[*request]struct{}{},
	}
	c.pause, c.since = set.pause, time.Now()
	c.rooms.clear()
	c.setSelf(set.who.name)
	c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	c.calls = newCalls()
	c.events = newQueue(c.roomy)
	cn, _, err := c.establish(ctx)
	if err != nil {
		c.cancel()
		c.events.stop()
		return nil, err
	}
	c.use(cn)
	go c.run(cn)
	return c, nil
}

// Close ends the connection, what was asked on it, and the channel of events. It waits
// for calls that are being answered; so a [Handler] must not call it. It may be called
// twice.
func (c *Client) Close() {
	c.cancel()
	<-c.ended
	c.events.stop()
	c.calls.wait()
}

// Done is closed when the client has ended: by Close, because a connection was lost and
// is not made again, or, under a server, because the server wants it to finish.
func (c *Client) Done() <-chan struct{} { return c.ended }

// Err tells why the client has ended: ErrClosed when it was in good order, else a
// *ConnError. It is nil before.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Events gives the channel of what the server tells. It is closed when the client has
// ended and all was read. Every call gives the same channel.
func (c *Client) Events() <-chan parley.Event { return c.events.out }

// run waits for connections to end, and replaces them.
func (c *Client) run(cn *conn) {
	defer close(c.ended)
	for {
		c.watch(cn)
		if err := c.lost(cn.why()); err != nil {
			c.end(err)
			return
		}
		var failed error
		if cn, failed = c.again(); failed != nil {
			c.end(failed)
			return
		}
	}
}

// watch returns when the connection has ended. It ends it when the client is closed, or
// when the server is silent and does not answer.
func (c *Client) watch(cn *conn) {
	tick := time.NewTicker(c.set.silence)
	defer tick.Stop()
	var heard uint64
	asked := false
	for {
		select {
		case <-cn.gone:
			return
		case <-c.ctx.Done():
			cn.end(&ConnError{Err: ErrClosed})
			<-cn.gone
			return
		case <-tick.C:
		}
		switch now := cn.heard.Load(); {
		case now != heard:
			heard, asked = now, false
		case asked:
			cn.end(&ConnError{Err: errSilent})
		default:
			cn.start(newRequest("nop"))
			asked = true
		}
	}
}

// lost notes that the connection has ended. An error is why there will be no other one.
func (c *Client) lost(why *ConnError) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		c.conn, c.ready = nil, make(chan struct{})
	}
	c.rooms.lost()
	switch {
	case c.ctx.Err() != nil:
		return ErrClosed
	case c.set.stdio && (errors.Is(why, io.EOF) || why.Reason != nil && why.Reason.Code == parley.CodeUnavailable):
		return ErrClosed // it is to finish
	}
	c.events.tell(Lost{Err: why})
	if c.set.once {
		return why
	}
	return nil
}

// use makes a connection that of all requests.
func (c *Client) use(cn *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn = cn
	close(c.ready)
}

// end fails what still waits.
func (c *Client) end(err error) {
	c.mu.Lock()
	c.err = err
	close(c.ready)
	posts := c.posts
	c.posts = nil
	c.mu.Unlock()
	for r := range posts {
		r.finish(nil, err)
	}
	c.cancel()
	c.events.finish()
}

// push takes what the server says without being asked. It is the reader's call.
func (c *Client) push(cn *conn, fields []string) error {
	if fields[0] == "call" {
		c.called(cn, fields)
		return nil
	}
	switch e := decodePush(*c.self.Load(), fields).(type) {
	case nil:
	case parley.Said:
		c.said(e)
	default:
		c.gone(e)
		c.tell(e, sizeOf(fields))
	}
	return nil
}

func sizeOf(fields []string) (size int) {
	for _, f := range fields {
		size += len(f)
	}
	return size
}

// gone forgets a room when the session is not in it any more.
func (c *Client) gone(e parley.Event) {
	var room parley.Name
	switch e := e.(type) {
	case parley.RoomDeleted:
		room = e.Room
	case parley.Left:
		if e.User.Key() == name(*c.self.Load()).Key() {
			room = e.Room
		}
	}
	if room.IsZero() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rooms.forget(room.Key())
}

// tell queues an event that no history can tell later.
func (c *Client) tell(e parley.Event, size int) {
	if !c.events.put(e, size) {
		c.events.miss()
	}
}

// roomy goes on with what waited for the program to read its events.
func (c *Client) roomy() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		c.readUp(c.conn)
	}
}

func (c *Client) setSelf(name string) { c.self.Store(&name) }
