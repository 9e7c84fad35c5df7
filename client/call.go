package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"sync"
	"unicode/utf8"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/wire/textwire"
)

const (
	// mostHandling is how many calls are handled at once. Further ones wait.
	mostHandling = 64
	// mostCalls is how many calls wait: more than our server lets wait. Those before
	// them it has given up, and nobody waits for their answers.
	mostCalls = 1024
)

// A Call is a command that somebody gave this program: with ask, or by its name when the
// program provides it.
type Call struct {
	Command string
	Caller  parley.Name // written by the server; zero for a session without a name
	Args    []string
}

// A Handler answers calls. It returns the values of the answer: none, if it was done and
// there is nothing to tell. A *parley.Error goes to the caller as it is, so its code
// must be of a–z, 0–9 and _. Any other error, and a panic, are "unhandled" to the caller,
// without a word of why; package slog logs them. Handlers run at the same time, up to 64
// of them. The context ends when the answer would reach nobody any more, because the
// connection has ended; the server gives up earlier, after 5 seconds usually.
type Handler func(ctx context.Context, call Call) ([]string, error)

// calls are the handlers, and what waits for them. The workers are goroutines that end
// when nothing waits; wait waits for them.
type calls struct {
	workers sync.WaitGroup

	mu       sync.Mutex // guards what follows
	handlers map[string]Handler
	waiting  []call
	working  int
	starting bool // a worker was started and has not taken anything yet
}

// A call is one that waits.
type call struct {
	Call
	conn   *conn // that it came from, and that alone can return it
	number string
}

func newCalls() *calls { return &calls{handlers: map[string]Handler{}} }

func (cs *calls) wait() { cs.workers.Wait() }

// set sets the handler of a command, or takes it away, and gives the earlier one.
func (cs *calls) set(command string, h Handler) (earlier Handler) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	earlier = cs.handlers[command]
	if h == nil {
		delete(cs.handlers, command)
	} else {
		cs.handlers[command] = h
	}
	return earlier
}

// Handle lets a handler answer what others ask of this program with ask,<user>,<command>.
// A handler of nil takes it away. Without one the answer is command_not_found.
func (c *Client) Handle(command string, handler Handler) { c.calls.set(command, handler) }

// Provide offers a command to everyone, with least to most arguments (a most of -1 is as
// many as fit) and one line of help. It needs the right to provide, which the operator
// grants to accounts and modules. The handler answers what is asked under this name, too.
func (c *Client) Provide(ctx context.Context, command string, least, most int, help string, handler Handler) error {
	earlier := c.calls.set(command, handler) // calls may come before the answer
	_, err := c.Do(ctx, "provide", command, strconv.Itoa(least), strconv.Itoa(most), help)
	var refused *parley.Error
	if errors.As(err, &refused) {
		c.calls.set(command, earlier)
	}
	return err
}

// Withdraw takes back what Provide offered. What was called already is answered.
func (c *Client) Withdraw(ctx context.Context, command string) error {
	_, err := c.Do(ctx, "withdraw", command)
	return err
}

// called takes call,<n>,<command>,<caller>,<arguments>. It is the reader's.
func (c *Client) called(cn *conn, fields []string) {
	if len(fields) < 4 {
		return
	}
	next := call{conn: cn, number: fields[1], Call: Call{Command: fields[2], Caller: name(fields[3]), Args: fields[4:]}}
	cs := c.calls
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if len(cs.waiting) == mostCalls {
		cs.waiting[0] = call{}
		cs.waiting = cs.waiting[1:]
	}
	cs.waiting = append(cs.waiting, next)
	cs.hire()
}

// hire starts a worker for what waits, one after the other: the next one when this one
// has begun. Handlers that return at once so need few of them, and those that take long
// get as many as there may be. It is called under mu.
func (cs *calls) hire() {
	if len(cs.waiting) > 0 && !cs.starting && cs.working < mostHandling {
		cs.starting = true
		cs.working++
		cs.workers.Go(cs.work)
	}
}

// work handles calls until none waits.
func (cs *calls) work() {
	for first := true; ; first = false {
		cs.mu.Lock()
		if first {
			cs.starting = false
		}
		if len(cs.waiting) == 0 {
			cs.working--
			cs.waiting = nil
			cs.mu.Unlock()
			return
		}
		next := cs.waiting[0]
		cs.waiting[0] = call{}
		cs.waiting = cs.waiting[1:]
		cs.hire()
		h := cs.handlers[next.Command]
		cs.mu.Unlock()
		next.answer(h, cs.any)
	}
}

// any tells whether calls wait.
func (cs *calls) any() bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return len(cs.waiting) > 0
}

// answer handles a call and returns what its handler gives.
func (cl *call) answer(h Handler, more func() bool) {
	values, err := cl.handle(h)
	if cl.conn.ctx.Err() != nil {
		return // to nobody
	}
	if err == nil && len(values) > 0 && values[0] == "error" {
		err = errors.New("its answer begins with error; return an error instead")
	}
	var refused *parley.Error
	if errors.As(err, &refused) {
		values, err = []string{"error", "nonfatal", string(refused.Code), cmp.Or(refused.Message, string(refused.Code))}, nil
	}
	if err == nil {
		err = checkReturn(values)
	}
	if err != nil {
		slog.Error("a call was not handled", "command", cl.Command, "err", err)
		values = []string{"error", "nonfatal", string(parley.CodeUnhandled), "the program failed; its log tells why"}
	}
	cl.conn.send(append(append(make([]string, 0, len(values)+2), "return", cl.number), values...), more())
}

// checkReturn refuses what would end our connection, or be no return at all.
func checkReturn(values []string) error {
	for _, v := range values {
		if !utf8.ValidString(v) {
			return errors.New("its answer is not UTF-8")
		}
	}
	if len(values)+2 > limits.Fields {
		return fmt.Errorf("its answer has %d values", len(values))
	}
	if size := textwire.Size(values...); size+len("return,,")+longestID > limits.Frame {
		return fmt.Errorf("its answer has %d bytes", size)
	}
	return nil
}

// handle calls the handler. Its panic is an error.
func (cl *call) handle(h Handler) (values []string, err error) {
	if h == nil {
		return nil, parley.Errorf(parley.CodeCommandNotFound, "this program has no such command")
	}
	if cl.conn.ctx.Err() != nil {
		return nil, cl.conn.ctx.Err()
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the handler panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return h(cl.conn.ctx, cl.Call)
}
