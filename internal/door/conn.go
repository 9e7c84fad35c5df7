package door

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
)

// Conn is a connection as its protocol sees it. Put and Cut may be called by
// anybody; everything else only in the connection's turn.
type Conn struct {
	// Fixed.
	began  time.Time
	limits *parley.Limits
	driver driver
	door   *Listener
	number int64 // among the connections of the door

	// The driver's: read and written in the connection's turn.
	protocol   Protocol
	rest       []byte // read, not used yet
	parked     bool   // work is under way
	posts      int32  // posts under way
	calls      []*called
	underWay   int32 // bytes of the posts and calls
	settling   bool  // nothing is fed before the posts and calls are done
	gone       bool  // the peer cannot be written to any more
	hasty      bool  // its calls are not waited for at the end
	held       bool  // the protocol was told to wait: it is to be fed again
	closing    bool  // nothing is fed any more
	stopped    bool  // nothing is answered any more
	inputEnded bool
	deadline   time.Time

	active atomic.Int64 // when bytes last came or went: time.Duration since began
	outbox outbox       // shared, with a lock of its own
}

// driver is the half of a connection that moves bytes.
type driver interface {
	// wake sees to it that completions run and bytes leave, soon.
	wake()
	// alarm sees to it that the protocol's Deadline is called then; never, if
	// the time is zero.
	alarm(at time.Time)
	// interrupt ends waiting for the peer: the connection is to be closed.
	interrupt()
	// kill ends the connection at once, without a word.
	kill()
	// gathers tells whether the driver will call Flush of the session itself,
	// when it has fed what else there is.
	gathers(s *hub.Session) bool
	// follow notes a call by the connection of another driver, in its turn: it may
	// be well to be near to it.
	follow(by driver)
	// remote gives the peer's address.
	remote() string
}

// Log gives the logger of this connection. It is made when it is needed, which
// for most connections is never.
func (c *Conn) Log() *slog.Logger { return c.door.Log.With("door", c.door.Name, "conn", c.number) }

// Remote gives the peer's address, for logs.
func (c *Conn) Remote() string { return c.driver.remote() }

// Answer queues bytes for this peer. They leave with everything else of this
// round in one write. The bytes are the connection's from now on.
func (c *Conn) Answer(b []byte) { c.outbox.answer(b) }

// Put queues what others cause; see hub.Sink. A peer that does not keep up is
// cut.
func (c *Conn) Put(b []byte) {
	start, full := c.outbox.push(b, c.limits.Outbox)
	if full {
		c.driver.interrupt()
	}
	if start {
		c.driver.wake()
	}
}

// Follow notes that another session calls this one; see hub.Follower.
func (c *Conn) Follow(by hub.Sink) {
	if other, ok := by.(*Conn); ok {
		c.driver.follow(other.driver)
	}
}

// Cut ends the connection: what it asked is answered, unless it does not read,
// then it is told why.
func (c *Conn) Cut(why *parley.Error) {
	if c.outbox.cut(why) {
		c.driver.interrupt()
	}
}

// Unknown tells whether an error is hub.ErrUnknown: nobody knows what became of
// the request. Then the connection ends, and nothing more is answered.
func (c *Conn) Unknown(err error) bool {
	if !errors.Is(err, hub.ErrUnknown) {
		return false
	}
	c.outbox.abandon(parley.ErrDiskFailed)
	c.driver.interrupt()
	return true
}

// IsFault tells whether an error has to be logged by who gets it: it is no
// refusal, the journal has not logged it, and the server did not give up waiting.
func IsFault(err error) bool {
	if err == nil || errors.Is(err, hub.ErrUnknown) || errors.Is(err, context.Canceled) {
		return false
	}
	var refusal *parley.Error
	return !errors.As(err, &refusal)
}

// Close ends the connection once what has been answered has left. Nothing is
// fed any more.
func (c *Conn) Close() { c.closing = true }

// Waiting tells that Feed must stop here and will be called again. That holds
// even if what it waits for is over a moment later: answers leave in nobody's
// turn.
func (c *Conn) Waiting() bool {
	waits := c.waits()
	c.held = c.held || waits
	return waits
}

func (c *Conn) waits() bool {
	return c.parked || c.settling || c.closing ||
		int(c.posts) >= c.limits.PostsInFlight || len(c.calls) >= c.limits.CallsInFlight || int(c.underWay) >= c.limits.PostBytesInFlight ||
		c.outbox.answersOver(c.limits.Answers)
}

// Settled tells whether nothing of this connection is under way. If it is not,
// the connection waits until then: any request but posts and calls begins with
// this.
func (c *Conn) Settled() bool { return c.settled(c.posts == 0 && len(c.calls) == 0) }

// PostsSettled is Settled for a call: calls may overlap, but not with posts.
func (c *Conn) PostsSettled() bool { return c.settled(c.posts == 0) }

// CallsSettled is Settled for a post.
func (c *Conn) CallsSettled() bool { return c.settled(len(c.calls) == 0) }

func (c *Conn) settled(is bool) bool {
	c.settling = !is
	return !c.Waiting()
}

// Busy tells whether the peer waits for us: for work, for posts, or until it is
// read again.
func (c *Conn) Busy() bool { return c.posts > 0 || len(c.calls) > 0 || c.waits() }

// InputEnded tells that the peer sends nothing more.
func (c *Conn) InputEnded() bool { return c.inputEnded }

// SetDeadline asks for a call of Protocol.Deadline then, in place of the one
// asked for before. The zero time asks for none.
func (c *Conn) SetDeadline(at time.Time) {
	if !c.deadline.Equal(at) {
		c.deadline = at
		c.driver.alarm(at)
	}
}

// Idle tells since when nothing has come or gone. It has a monotonic reading.
func (c *Conn) Idle() time.Time { return c.began.Add(time.Duration(c.active.Load())) }

// stir notes that bytes came or went just now.
func (c *Conn) stir(now time.Time) { c.active.Store(int64(now.Sub(c.began))) }

// Limits gives the bounds of the server.
func (c *Conn) Limits() *parley.Limits { return c.limits }

// Post posts a draft. The answer is queued when the draft is done, in the order
// of the posts. Size is that of the request in bytes, all of which is held until
// then.
func (c *Conn) Post(s *hub.Session, d hub.Draft, size int, answer func(hub.Receipt, error) []byte) {
	r, later, err := s.Post(d, c.posts == 0)
	if later == nil {
		c.Answer(answer(r, err))
		return
	}
	c.posts++
	c.underWay += int32(size)
	later.Queue(func(r hub.Receipt, err error) {
		c.complete(func() {
			c.posts--
			c.done(size)
			if !c.Unknown(err) {
				c.Answer(answer(r, err))
			}
		})
	})
	if !c.driver.gathers(s) {
		s.Flush()
	}
	if s.Crowded() {
		c.settling = true
	}
}

// done notes that a post or a call is over.
func (c *Conn) done(size int) {
	c.underWay -= int32(size)
	if c.posts == 0 && len(c.calls) == 0 {
		c.settling = false
	}
}

// called is a call under way, or one that waits for its turn to be answered.
type called struct {
	answer []byte
	over   bool
}

// Call begins what another peer is to answer: begin is given what is called once
// with the answer, from any goroutine, which makes it in the connection's turn.
// Answers are queued in the order of the calls. Size is as for Post. A peer that
// goes is not waited for.
func (c *Conn) Call(size int, begin func(done func(answer func() []byte))) {
	one := &called{}
	c.calls = append(c.calls, one)
	c.underWay += int32(size)
	begin(func(answer func() []byte) {
		c.complete(func() {
			defer c.returned(size) // also if the answer cannot be made
			one.over = true
			one.answer = answer()
		})
	})
}

// returned answers the calls that are over, as far as none before them is open.
func (c *Conn) returned(size int) {
	for len(c.calls) > 0 && c.calls[0].over {
		if !c.stopped {
			c.Answer(c.calls[0].answer)
		}
		c.calls[0] = nil
		c.calls = c.calls[1:]
	}
	if len(c.calls) == 0 {
		c.calls = nil // a connection that waits for nothing holds nothing
	}
	c.done(size)
}

// Hasten lets the end of the connection not wait for its calls.
func (c *Conn) Hasten() { c.hasty = true }

// Park runs work that may wait on the pool. The connection waits meanwhile,
// then the function that work returned runs in its turn. The context ends when
// the connection is cut off by force.
func (c *Conn) Park(work func(ctx context.Context) func()) {
	c.parked = true
	c.door.Pool.Go(func(ctx context.Context) {
		then := c.guarded(ctx, work)
		if ctx.Err() != nil { // nobody knows what became of it, nor waits for it
			then = c.Close // what was asked next would be answered in its place
		}
		c.complete(func() {
			c.parked = false
			then()
		})
	})
}

// guarded turns a panic of parked work into the end of its connection.
func (c *Conn) guarded(ctx context.Context, work func(context.Context) func()) (then func()) {
	defer func() {
		if fault := recover(); fault != nil {
			c.panicked(fault)
			then = c.Close // what was asked next would be answered in its place
		}
	}()
	return work(ctx)
}

func (c *Conn) panicked(fault any) {
	c.Log().Error("a connection's handler panicked", "err", fault, "stack", string(debug.Stack()))
	c.Cut(parley.ErrUnhandled)
}

// complete runs f in the connection's turn, soon.
func (c *Conn) complete(f func()) {
	if c.outbox.complete(f) {
		c.driver.wake()
	}
}

// feed gives the protocol its input. A panic costs the connection.
func (c *Conn) feed(in []byte, fresh int) (used int) {
	defer func() {
		if fault := recover(); fault != nil {
			c.panicked(fault)
			c.closing = true
			used = len(in)
		}
	}()
	return c.protocol.Feed(c, in, fresh)
}

// What follows is the drivers' too, in the connection's turn.

// mayFeed tells whether Feed stopped for something that is over.
func (c *Conn) mayFeed() bool { return c.held && !c.waits() }

// mayRead tells whether the peer is listened to now.
func (c *Conn) mayRead() bool { return !c.waits() || c.protocol.ReadsAhead(c) }

// Kept tells how many bytes were read and not used.
func (c *Conn) Kept() int { return len(c.rest) }

// Behind tells whether the peer does not read its answers: more of them wait than
// it may leave waiting.
func (c *Conn) Behind() bool { return c.outbox.answersOver(c.limits.Answers) }

// catchUp hands the results over, and feeds what waited for them. It gives back
// the room in which it held the results.
func (c *Conn) catchUp(room []func()) []func() {
	results := c.outbox.takeResults(room)
	for _, result := range results {
		c.hand(result)
	}
	clear(results) // or whoever keeps the room would keep them
	if c.mayFeed() {
		c.take(nil)
	}
	return results[:0]
}

// endInput lets the protocol use up what was read before the peer stopped
// sending.
func (c *Conn) endInput() {
	c.inputEnded, c.held = true, true
	if c.mayFeed() || c.protocol.ReadsAhead(c) {
		c.take(nil)
	}
	c.inputOver()
}

// inputOver tells the protocol that nothing more is read.
func (c *Conn) inputOver() { c.hand(func() { c.protocol.InputOver(c) }) }

// stop tells whether all that was read is answered, or cannot be. Then nothing
// more begins.
func (c *Conn) stop() bool {
	served := !c.held || c.closing || c.outbox.hasGap()
	awaits := len(c.calls) > 0 && !c.gone && !c.hasty && !c.outbox.hasGap()
	if c.parked || c.posts > 0 || awaits || !served {
		return false
	}
	c.closing, c.stopped = true, true
	return true
}

// farewell lets the protocol say why the connection is cut, if it is.
func (c *Conn) farewell() (said bool) {
	why := c.outbox.cutFor()
	if why == nil {
		return false
	}
	c.outbox.lastWords()
	c.hand(func() { c.protocol.Farewell(c, why) })
	return true
}

// take feeds what was kept and what is fresh, and keeps what is not used.
func (c *Conn) take(fresh []byte) {
	in := fresh
	if len(c.rest) > 0 {
		c.rest = append(c.rest, fresh...)
		in = c.rest
	}
	c.held = false
	used := c.feed(in, len(fresh))
	switch left := in[used:]; {
	case len(left) == 0:
		c.rest = nil
	case len(c.rest) > 0 && len(left) > little:
		c.rest = left // copied for each request that waits, it would be copied often
	case used > 0 || len(c.rest) == 0:
		c.rest = append([]byte(nil), left...)
	}
}

// little is how many bytes are better copied than kept where more lay before them.
const little = 4 << 10

// hand runs one result, or a method of the protocol. A panic costs the
// connection.
func (c *Conn) hand(result func()) {
	defer func() {
		if fault := recover(); fault != nil {
			c.panicked(fault)
			c.closing = true
		}
	}()
	result()
}
