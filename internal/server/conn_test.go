package server_test

import "github.com/parley-chat/parley/internal/memnet"

// conn is one end of a connection in memory.
type conn struct{ *memnet.Conn }

// newPipe makes a connection. The buffer of each direction holds so many bytes.
func newPipe(buffer int) (a, b *conn) {
	one, two := memnet.Pipe(buffer)
	return &conn{one}, &conn{two}
}

// waitTaken waits until the other end has read what was written, or cannot.
func (c *conn) waitTaken() { c.WaitTaken() }

// untaken tells how many bytes of what was written the other end has not read.
func (c *conn) untaken() int { return c.Untaken() }
