package proof

import (
	"errors"
	"fmt"
	"net"
	"sync"
)

// ErrOver is the error of a [Reply] that never came: the connection is over.
var ErrOver = errors.New("the connection ended before the answer came")

// client is what the clients of both protocols share. One goroutine reads, and
// writes into the log what comes, in its order; it is started by the client's
// maker and ends with the connection. Close waits for it.
type client struct {
	// Fixed.
	Session string // what the log calls the connection
	log     *Log
	conn    net.Conn
	over    chan struct{} // closed when the reader has ended

	sending sync.Mutex // held while a request is registered and written

	mu      sync.Mutex // guards what follows; held for moments
	user    string
	waiting []*Reply // in the order of the requests
	ended   bool
	why     string // the last words of the server
}

// A Reply is the answer to one request.
type Reply struct {
	call   Call
	match  []string // the line protocol: what the answer begins with
	done   chan struct{}
	fields []string
	err    error
}

// Wait gives the answer: on the line door it is one line. ErrOver: none will come.
func (r *Reply) Wait() ([]string, error) {
	<-r.done
	return r.fields, r.err
}

// end hands the answer over. The log has it before.
func (r *Reply) end(fields []string, err error) {
	r.fields, r.err = fields, err
	close(r.done)
}

// become makes the client speak as a user, once.
func (c *client) become(user string, send func(begin func() Call) *Reply) error {
	c.mu.Lock()
	was := c.user
	if was == "" {
		c.user = user // before the answer: what is pushed before it is for this user
	}
	c.mu.Unlock()
	if was != "" {
		return fmt.Errorf("%s speaks as %s already; begin another client", c.Session, was)
	}
	_, err := send(func() Call { return c.log.Become(c.Session, user) }).Wait()
	if err != nil {
		c.mu.Lock()
		c.user = ""
		c.mu.Unlock()
	}
	return err
}

// lastWords notes why the server ends the connection.
func (c *client) lastWords(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.why = why
}

// User tells who the client speaks as.
func (c *client) User() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.user
}

// Why gives the last words of the server, if it said any.
func (c *client) Why() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.why
}

// Over is closed when the connection is over and all is logged.
func (c *client) Over() <-chan struct{} { return c.over }

// Close ends the connection, if it has not ended, and waits for its reader.
func (c *client) Close() {
	c.conn.Close()
	<-c.over
}

// send writes a request whose answer is waited for. One request after the other
// is logged, registered and written: the log has them in the order in which they
// are sent, and the answers are given to the right ones.
func (c *client) send(begin func() Call, request []byte, match ...string) *Reply {
	r := &Reply{match: match, done: make(chan struct{})}
	c.sending.Lock()
	defer c.sending.Unlock()
	r.call = begin()
	c.mu.Lock()
	ended := c.ended
	if !ended {
		c.waiting = append(c.waiting, r)
	}
	c.mu.Unlock()
	if ended {
		r.end(nil, ErrOver)
		return r
	}
	// An error here is the end, which the reader sees too.
	_, _ = c.conn.Write(request)
	return r
}

// finish tells everybody who waits that the connection is over.
func (c *client) finish() {
	c.mu.Lock()
	c.ended = true
	left := c.waiting
	c.waiting = nil
	c.mu.Unlock()
	c.conn.Close()
	c.log.Ended(c.Session)
	for _, r := range left {
		r.end(nil, ErrOver)
	}
	close(c.over)
}

// next takes the reply that the oldest request waits for.
func (c *client) next() *Reply {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) == 0 {
		return nil
	}
	r := c.waiting[0]
	c.waiting = c.waiting[1:]
	return r
}
