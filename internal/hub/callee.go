package hub

import (
	"container/list"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley"
)

// callee is a session as one that is called: what it offers, and the calls that
// it has in hand. Most sessions are never called, and have none.
type callee struct {
	limits *parley.Limits
	heard  atomic.Uint64 // how often the program has said something
	count  atomic.Int64  // of open

	mu       sync.Mutex // no lock but the program's is taken under it
	offers   []string
	program  *program // whose calls are counted; nil: it provided nothing yet
	last     uint64   // number of the latest call
	open     map[uint64]*list.Element
	order    *list.List // of *handed, the oldest first
	bytes    int
	timer    *time.Timer // runs while calls are open
	draining bool
	ended    bool
	hung     chan struct{} // closed when a call of what it offers was given up, and nothing was said since it came
	isHung   bool
}

// handed is a call in somebody's hands.
type handed struct {
	number uint64
	size   int
	asked  bool // of a user, who need not know the command
	began  time.Time
	heard  uint64 // the callee's, then
	done   func([]string, error)
}

// callee gives the session's, which is made when it is first wanted.
func (s *Session) callee() *callee {
	if c := s.called.Load(); c != nil {
		return c
	}
	c := &callee{limits: &s.hub.limits, open: map[uint64]*list.Element{}, order: list.New(), hung: make(chan struct{})}
	if !s.called.CompareAndSwap(nil, c) {
		return s.called.Load()
	}
	return c
}

// take gives a call its number. CodeRateLimited; ErrOffline when the session has
// ended, or takes no more.
func (c *callee) take(one *handed) (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.ended || c.draining:
		return 0, parley.ErrOffline
	case len(c.open) >= c.limits.Calls || c.bytes+one.size > c.limits.CallBytes:
		c.program.count(0, true)
		return 0, errBusy
	}
	c.last++
	one.number, one.began, one.heard = c.last, time.Now(), c.heard.Load()
	c.open[one.number] = c.order.PushBack(one)
	c.bytes += one.size
	c.count.Store(int64(len(c.open)))
	switch {
	case c.timer == nil:
		c.timer = time.AfterFunc(c.limits.Call, c.expire) // ends with the last call, or the session
	case len(c.open) == 1:
		c.timer.Reset(c.limits.Call)
	}
	return one.number, nil
}

var errBusy = parley.Errorf(parley.CodeRateLimited, "the program has too many calls in hand; try again later")

// Return ends a call that the session has in hand: with values, or with an
// error. It is false when there is none of this number.
func (s *Session) Return(number uint64, values []string, err *parley.Error) bool {
	c := s.called.Load()
	if c == nil {
		return false
	}
	c.mu.Lock()
	one := c.drop(c.open[number])
	program := c.program
	c.mu.Unlock()
	if one == nil {
		return false
	}
	program.count(time.Since(one.began), err != nil && err.Code == parley.CodeUnhandled)
	if err != nil {
		one.done(nil, err)
	} else {
		one.done(values, nil)
	}
	return true
}

// drop takes a call out; nil: it is not there. The caller holds the lock.
func (c *callee) drop(at *list.Element) *handed {
	if at == nil {
		return nil
	}
	one := c.order.Remove(at).(*handed)
	delete(c.open, one.number)
	c.bytes -= one.size
	c.count.Store(int64(len(c.open)))
	return one
}

// expire gives up the calls that took too long, and waits for the next one.
func (c *callee) expire() {
	var late []*handed
	c.mu.Lock()
	for at := c.order.Front(); at != nil; at = c.order.Front() {
		one := at.Value.(*handed)
		if wait := c.limits.Call - time.Since(one.began); wait > 0 {
			c.timer.Reset(wait)
			break
		}
		if one.heard == c.heard.Load() && !one.asked && !c.isHung {
			c.isHung = true
			close(c.hung)
		}
		late = append(late, c.drop(at))
	}
	program := c.program
	c.mu.Unlock()
	for _, one := range late {
		program.count(time.Since(one.began), true)
		one.done(nil, parley.Errorf(parley.CodeTimeout, "the program did not return within %v", c.limits.Call))
	}
}

// end fails the calls that are open.
func (c *callee) end() {
	c.mu.Lock()
	c.ended = true
	if c.timer != nil {
		c.timer.Stop()
	}
	var left []*handed
	for at := c.order.Front(); at != nil; at = c.order.Front() {
		left = append(left, c.drop(at))
	}
	program := c.program
	c.mu.Unlock()
	for _, one := range left {
		program.count(time.Since(one.began), true)
		one.done(nil, parley.Errorf(parley.CodeUnhandled, "the program ended before it returned"))
	}
}

// EndCalls fails the calls that the session has in hand, and takes back what it
// offers: the program says nothing any more.
func (s *Session) EndCalls() {
	s.deaf.Store(true)
	if c := s.called.Load(); c != nil {
		s.Drain()
		c.end()
	}
}

// Calls tells how many calls the session has in hand.
func (s *Session) Calls() int {
	if c := s.called.Load(); c != nil {
		return int(c.count.Load())
	}
	return 0
}

// Serves tells whether the session is one that provides commands or has calls in
// hand.
func (s *Session) Serves() bool {
	c := s.called.Load()
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.offers) > 0 || len(c.open) > 0
}

// Heard notes that the program has said something: it is alive.
func (s *Session) Heard() {
	if c := s.called.Load(); c != nil {
		c.heard.Add(1)
	}
}

// Hung is closed when the session let a call of what it provides pass, and has
// said nothing since it was handed over.
func (s *Session) Hung() <-chan struct{} { return s.callee().hung }

// Drain takes back what the session offers, for good: no call is handed to it
// any more.
func (s *Session) Drain() {
	c := s.callee()
	c.mu.Lock()
	c.draining = true
	c.mu.Unlock()
	s.withdrawAll()
}

func (s *Session) isDraining() bool {
	c := s.called.Load()
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.draining
}
