package console

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// A call is how an attempt to connect ended.
type call struct {
	conn net.Conn
	err  error
}

// A caller makes connections without blocking the loop: each call has a
// goroutine, which ends by itself once the connection stands or failed. There
// is at most one. stop cancels and waits for it.
type caller struct {
	ctx  context.Context
	dial dialFunc
	wait time.Duration // 0: as long as the system tries

	made   chan call // nil: no call is being made
	cancel context.CancelFunc
	busy   sync.WaitGroup
}

// start begins to connect. The result comes from made.
func (c *caller) start(to target) {
	ctx, cancel := context.WithCancel(c.ctx)
	if c.wait > 0 {
		ctx, cancel = context.WithTimeout(c.ctx, c.wait)
	}
	// Size 1: the goroutine ends whether or not the loop still listens.
	made := make(chan call, 1)
	c.made, c.cancel = made, cancel
	c.busy.Go(func() {
		conn, err := c.dial(ctx, to.network, to.address)
		made <- call{conn, err}
	})
}

// finished forgets the call that was made.
func (c *caller) finished() {
	c.cancel()
	c.made, c.cancel = nil, nil
}

// stop gives up a call that is being made.
func (c *caller) stop() {
	if c.made == nil {
		return
	}
	c.cancel()
	c.busy.Wait()
	if made := <-c.made; made.conn != nil {
		made.conn.Close()
	}
	c.made = nil
}

// connect begins to connect, for the first time or again.
func (s *session) connect() { s.calls.start(s.to) }

// called takes the result of a call.
func (s *session) called(made call) {
	s.calls.finished()
	if s.calls.ctx.Err() != nil {
		if made.conn != nil {
			made.conn.Close()
		}
		s.finish(ExitInterrupted)
		return
	}
	if made.err != nil {
		s.unreachable(made.err)
		return
	}
	s.link = newLink(made.conn)
	s.pace = pace{on: s.opts.Chunks}
	s.reached = true
	if s.person {
		how := "; M shows the menu, exit ends"
		if s.opts.Raw {
			how = "; Ctrl-D ends"
		}
		s.notice("connected to " + shown(s.to.url) + how)
	}
	s.proto.connected()
}

// unreachable deals with a failed call. A person who was connected before may
// try again.
func (s *session) unreachable(err error) {
	what := fmt.Sprintf("cannot reach %s: %s", s.to.url, plainReason(err))
	if s.reached && s.person {
		s.offer(what, "Try again?")
		return
	}
	s.notice(shown(what) + "\nis the server running there, and is the address right?")
	s.finish(ExitUnreachable)
}

// plainReason says in few words why a connection failed.
func plainReason(err error) string {
	var dns *net.DNSError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nobody listens there"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "it did not answer in time"
	case errors.As(err, &dns) && dns.IsNotFound:
		return "no such host"
	}
	return err.Error()
}

// offer says what happened, and asks the person whether to connect again.
func (s *session) offer(what, ask string) {
	s.want(question{request: request{prompt: ask + " [Y/n] "}, before: shown(what), then: func(in input) {
		yes, understood := yesOrNo(in)
		switch {
		case !understood:
			s.offer("please answer y or n", ask)
		case yes:
			s.connect()
		default:
			s.finish(ExitUnreachable)
		}
	}})
}

func yesOrNo(in input) (yes, understood bool) {
	if in.err != nil {
		return false, true
	}
	switch strings.ToLower(strings.TrimSpace(in.text)) {
	case "", "y", "yes":
		return true, true
	case "n", "no":
		return false, true
	}
	return false, false
}
