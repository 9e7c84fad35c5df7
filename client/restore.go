package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/parley-chat/parley"
)

const (
	// attemptTime is how long one attempt to connect and to restore may take.
	attemptTime = 30 * time.Second
	// settled is how long a connection must last for the next pause to be the first again.
	settled = 10 * time.Second
)

// establish makes a connection that is as the one before, and tells what could not be
// restored. An error that is a refusal says that there can be no such connection now.
func (c *Client) establish(ctx context.Context) (cn *conn, missing error, err error) {
	wire, err := c.dial(ctx)
	if err != nil {
		return nil, nil, err
	}
	cn = newConn(c.ctx, wire, c.push)
	missing, err = c.restore(ctx, cn)
	if err != nil {
		cn.end(&ConnError{Err: err})
		<-cn.gone
		return nil, nil, err
	}
	return cn, missing, nil
}

// restore tells a connection what the one before it was told. All of it is sent at
// once, and the answers are awaited then.
func (c *Client) restore(ctx context.Context, cn *conn) (missing, err error) {
	c.mu.Lock()
	login, copies := c.state.who.login(), c.state.copies
	offers := slices.SortedFunc(maps.Values(c.state.offers), slices.Compare)
	joins := slices.SortedFunc(maps.Values(c.rooms.all), func(a, b *room) int {
		return strings.Compare(a.name.Key(), b.name.Key())
	})
	c.mu.Unlock()
	if login != nil && !c.set.stdio {
		if _, err := cn.ask(ctx, login); err != nil {
			return nil, err
		}
	}
	steps := c.steps(copies, offers, joins)
	for _, s := range steps {
		s.request.got = make(chan reply, 1)
		if !cn.start(s.request) {
			return nil, cn.why()
		}
	}
	for _, s := range steps {
		var got reply
		select {
		case got = <-s.request.got:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		var refused *parley.Error
		switch {
		case errors.As(got.err, &refused) && lasting(refused):
			missing = errors.Join(missing, fmt.Errorf("%s %s: %w", s.request.command(), s.request.args()[0], refused))
			s.refused(c)
		case got.err != nil:
			return nil, got.err
		}
	}
	return missing, nil
}

// A step is one request that restores, and what to do when it is refused for good.
type step struct {
	request *request
	refused func(c *Client)
}

func (c *Client) steps(copies bool, offers [][]string, joins []*room) []step {
	var steps []step
	if copies {
		steps = append(steps, step{newRequest("copies", "on"), func(*Client) {}})
	}
	for _, args := range offers {
		steps = append(steps, step{newRequest("provide", args...), func(c *Client) {
			c.mu.Lock()
			defer c.mu.Unlock()
			delete(c.state.offers, args[0])
		}})
	}
	for _, r := range joins {
		steps = append(steps, step{newRequest("join", r.name.String()), func(c *Client) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.rooms.forget(r.name.Key())
		}})
	}
	return steps
}

// lasting tells whether a refusal will be the same when it is asked again soon.
func lasting(e *parley.Error) bool {
	switch e.Code {
	case parley.CodeUnavailable, parley.CodeRateLimited, parley.CodeUnhandled, parley.CodeTimeout, parley.CodeTooMany:
		return false
	}
	return true
}

// again makes another connection, as often as it takes. An error is why there will be
// none.
func (c *Client) again() (*conn, error) {
	if time.Since(c.since) > settled {
		c.pause = c.set.pause
	}
	for {
		// Anything up to the pause, so that the clients of a server do not all come at once.
		wait := time.NewTimer(rand.N(c.pause))
		c.pause = min(2*c.pause, c.set.longest)
		select {
		case <-wait.C:
		case <-c.ctx.Done():
			wait.Stop()
			return nil, ErrClosed
		}
		ctx, cancel := context.WithTimeout(c.ctx, attemptTime)
		cn, missing, err := c.establish(ctx)
		cancel()
		switch {
		case err == nil:
			c.since = time.Now()
			c.resume(cn, missing)
			return cn, nil
		case c.ctx.Err() != nil:
			return nil, ErrClosed
		}
		if refused := forGood(err); refused != nil {
			return nil, &ConnError{Reason: refused}
		}
	}
}

// forGood gives the refusal of a login that will be refused again, or nil. A guest's name
// may still be that of the connection that was lost.
func forGood(err error) *parley.Error {
	var refused *parley.Error
	if errors.As(err, &refused) && lasting(refused) && refused.Code != parley.CodeNameTaken {
		return refused
	}
	return nil
}

// resume lets a connection be used: the posts that were not answered are said again
// first, then comes what was said meanwhile.
func (c *Client) resume(cn *conn, missing error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range slices.SortedFunc(maps.Keys(c.posts), func(a, b *request) int { return cmp.Compare(a.number, b.number) }) {
		r.kept = !cn.start(r)
	}
	for _, r := range c.rooms.all {
		if r.known {
			c.rooms.behind = append(c.rooms.behind, r)
			continue
		}
		r.live = true
		missing = errors.Join(missing, fmt.Errorf("history %s: it is not known what was said last", r.name))
	}
	c.events.tell(Back{Err: missing})
	c.conn = cn
	close(c.ready)
	c.readUp(cn)
}
