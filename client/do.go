package client

import (
	"context"
	"fmt"
	"unicode/utf8"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/wire/textwire"
)

// longestID is how long the IDs of our requests can become: 64 bits in base 36.
const longestID = 13

// Do sends a command of any name and gives the values of its answer: none for nop, "ok"
// and what stands behind it for most, the values alone for a command of a program. What
// the client does for its own methods it does here too: a room joined with Do is joined
// again after a lost connection.
func (c *Client) Do(ctx context.Context, command string, args ...string) ([]string, error) {
	return c.do(ctx, newRequest(command, args...))
}

// do sends a request, on the connection that there is or the next one, and waits for
// its answer.
func (c *Client) do(ctx context.Context, r *request) ([]string, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, notSent(ctx, r)
	}
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, notSent(ctx, r)
	}
	r.client, r.got = c, make(chan reply, 1)
	if err := c.begin(ctx, r); err != nil {
		<-c.slots
		return nil, err
	}
	select {
	case got := <-r.got:
		return got.values, got.err
	case <-ctx.Done():
		c.giveUp(r)
		return nil, fmt.Errorf("client: %s was sent and is not answered: %w", r.command(), ctx.Err())
	}
}

func notSent(ctx context.Context, r *request) error {
	return fmt.Errorf("client: %s was not sent: %w", r.command(), ctx.Err())
}

// limits are those that the client keeps to. An operator may have set others for frames;
// the server tells then.
var limits = parley.DefaultLimits()

// check refuses what the server would refuse without telling which request it was, or by
// ending the connection.
func (r *request) check() error {
	fields := r.fields[2:]
	for _, f := range fields {
		if !utf8.ValidString(f) {
			return parley.Errorf(parley.CodeSyntax, "an argument is not UTF-8; send text")
		}
	}
	if len(r.fields) > limits.Fields {
		return parley.Errorf(parley.CodeSyntax, "a request has at most %d arguments", limits.Fields-3)
	}
	if textwire.Size(fields...)+len("req,,")+longestID > limits.Frame {
		return parley.Errorf(parley.CodeRequestTooLong, "a request has at most %d bytes", limits.Frame-len("req,,")-longestID)
	}
	return nil
}

// begin sends a request as soon as there is a connection.
func (c *Client) begin(ctx context.Context, r *request) error {
	for {
		c.mu.Lock()
		ready, cn, err := c.ready, c.conn, c.err
		if cn != nil {
			e := effects[r.command()]
			if r.then = e.after; e.before != nil {
				e.before(c, cn, r)
			}
			if r.again {
				r.kept = !cn.start(r)
				c.mu.Unlock()
				return nil
			}
		}
		c.mu.Unlock()
		switch {
		case cn != nil:
			if !cn.start(r) {
				r.finish(nil, cn.why())
			}
			return nil
		case err != nil:
			return err
		}
		select {
		case <-ready:
		case <-ctx.Done():
			return notSent(ctx, r)
		}
	}
}

// keep tells whether a request waits for the next connection, now that its own is over.
func (r *request) keep() bool {
	if !r.again {
		return false
	}
	c := r.client
	c.mu.Lock()
	defer c.mu.Unlock()
	_, r.kept = c.posts[r]
	return r.kept
}

// giveUp lets a request go that nobody waits for any more. It keeps its place among the
// requests until it is answered, so that those given up are not without bound.
func (c *Client) giveUp(r *request) {
	if !r.again {
		return
	}
	c.mu.Lock()
	_, posted := c.posts[r]
	delete(c.posts, r)
	free := posted && r.kept
	c.mu.Unlock()
	if free {
		<-c.slots
	}
}
