package hub

import (
	"context"
	"errors"
	"sync"

	"github.com/parley-chat/parley"
)

// journal is the one writer of the store. Its goroutine takes all that is
// there, commits it in one transaction (so that many messages share one fsync),
// delivers it, and then tells those who asked.
type journal struct {
	// Fixed after newJournal.
	hub    *Hub
	broken func(error)
	wake   chan struct{} // size 1: something is there, or the end has come
	ended  chan struct{} // closed when the goroutine has ended

	refused bool // the goroutine's: the last write was, and it is logged

	mu      sync.Mutex // guards what follows; held for moments, no other lock is taken under it
	waiting []entry
	bytes   int
	closed  bool
	failed  bool // the store is broken: nothing is committed any more
}

// entry is something that the journal commits.
type entry interface {
	prepare(ctx context.Context) (durable bool) // by what is true when it is taken
	write(tx Tx) error                          // in the transaction, if it is durable
	fail(err error)                             // nothing was kept
	publish(out *delivery)                      // after the commit, also when failed
	finished()                                  // last: tell who asked
	size() int
}

// batchMost bounds the entries of a transaction, so that the first of them does
// not wait for the last for long.
const batchMost = 4096

func newJournal(h *Hub, broken func(error)) *journal {
	j := &journal{hub: h, broken: broken, wake: make(chan struct{}, 1), ended: make(chan struct{})}
	go j.run() // stopped and waited for by close
	return j
}

// add queues an entry and begins with it.
func (j *journal) add(e entry) {
	j.queue(e)
	j.begin()
}

// queue queues an entry. It never waits: who adds more than its share is slowed
// where it reads.
func (j *journal) queue(e entry) {
	j.mu.Lock()
	closed := j.closed
	if !closed {
		j.waiting = append(j.waiting, e)
		j.bytes += e.size()
	}
	j.mu.Unlock()
	if closed {
		e.fail(parley.ErrShuttingDown)
		e.finished()
	}
}

// begin lets the journal look at what is queued.
func (j *journal) begin() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// Flush lets the journal begin with all that was gathered, by any session.
func (s *Session) Flush() { s.hub.journal.begin() }

// Crowded tells whether the journal holds as much as it should: then a
// connection ought to wait for its own posts before it posts again.
func (s *Session) Crowded() bool {
	j := s.hub.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.bytes > j.hub.limits.JournalBytes
}

// close lets the journal commit what it holds, and waits for it.
func (j *journal) close() {
	j.mu.Lock()
	j.closed = true
	j.mu.Unlock()
	j.begin()
	<-j.ended
}

func (j *journal) run() {
	defer close(j.ended)
	for range j.wake {
		for {
			batch, closed := j.take()
			if len(batch) > 0 {
				j.handle(batch)
				continue
			}
			if closed {
				return
			}
			break
		}
	}
}

// take gives what is there, up to the size of a transaction.
func (j *journal) take() (batch []entry, closed bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := min(len(j.waiting), batchMost)
	batch = j.waiting[:n:n]
	if j.waiting = j.waiting[n:]; len(j.waiting) == 0 {
		j.waiting = nil
	}
	return batch, j.closed
}

func (j *journal) handle(batch []entry) {
	ctx := context.Background() // a commit is never cut short
	var durable []entry
	for _, e := range batch {
		if e.prepare(ctx) {
			durable = append(durable, e)
		}
	}
	if len(durable) > 0 {
		if err := j.commit(ctx, durable); err != nil {
			for _, e := range durable {
				e.fail(err)
			}
		}
	}
	out := delivery{hub: j.hub}
	for _, e := range batch {
		e.publish(&out)
	}
	out.flush()
	size := 0
	for _, e := range batch {
		e.finished()
		size += e.size()
	}
	j.mu.Lock()
	j.bytes -= size
	j.mu.Unlock()
}

// commit writes the entries in one transaction. A refusal is the entry's own;
// any other error is everybody's.
func (j *journal) commit(ctx context.Context, batch []entry) error {
	if j.failed {
		return parley.ErrUnavailable
	}
	err := j.hub.store.Commit(ctx, func(tx Tx) error {
		for _, e := range batch {
			err := e.write(tx)
			if err == nil {
				continue
			}
			var refusal *parley.Error
			if !errors.As(err, &refusal) || errors.Is(err, parley.ErrUnavailable) {
				return err
			}
			e.fail(refusal)
		}
		return nil
	})
	switch {
	case err == nil:
		if j.refused {
			j.hub.log.Info("the store writes again")
		}
		j.refused = false
		return nil
	case errors.Is(err, ErrBroken):
		j.failed = true
		j.hub.log.Error("the store is broken; nothing more is accepted", "err", err)
		if j.broken != nil {
			j.broken(err)
		}
		return ErrUnknown
	case errors.Is(err, parley.ErrUnavailable):
		if !j.refused {
			j.hub.log.Warn("the store refuses to write; it is tried again with each request", "err", err)
		}
		j.refused = true
		return parley.ErrUnavailable
	}
	j.hub.log.Error("a commit failed", "err", err)
	return parley.ErrUnhandled
}

// do commits one change and waits until it is durable and applied.
func (j *journal) do(ctx context.Context, c *change) error {
	c.ended = make(chan struct{})
	j.add(c)
	select {
	case <-c.ended:
		return c.err
	case <-ctx.Done():
		// It may still be committed; the client has gone away and cannot be told.
		return ctx.Err()
	}
}

// change is an entry that is no message: an account, a room, a membership.
type change struct {
	check func() error   // refuses it when the journal takes it; may be nil
	store func(Tx) error // in the transaction
	apply func()         // after the commit: changes the live state; may be nil

	err   error
	ended chan struct{} // closed when err is final
}

func (c *change) prepare(context.Context) bool {
	if c.check != nil {
		c.err = c.check()
	}
	return c.err == nil
}

func (c *change) write(tx Tx) error { return c.store(tx) }
func (c *change) fail(err error)    { c.err = err }
func (c *change) finished()         { close(c.ended) }
func (c *change) size() int         { return 0 }

// publish applies the change where it stands in the order of commits: what was
// said in a room before it is delivered first.
func (c *change) publish(out *delivery) {
	if c.err == nil && c.apply != nil {
		out.flush()
		c.apply()
	}
}

// delivery gathers the messages of a batch: one run for each room.
type delivery struct {
	hub  *Hub
	runs []roomRun
	at   map[*room]int
}

type roomRun struct {
	room *room
	run  *Run
}

func (d *delivery) add(r *room, e parley.Event, doer *Session) {
	at, ok := d.at[r]
	if !ok {
		if d.at == nil {
			d.at = map[*room]int{}
		}
		at = len(d.runs)
		d.at[r] = at
		d.runs = append(d.runs, roomRun{room: r, run: d.hub.newRun()})
	}
	d.runs[at].run.add(e, doer)
}

// flush publishes what has been gathered.
func (d *delivery) flush() {
	for _, rr := range d.runs {
		rr.room.mu.Lock()
		rr.room.publish(rr.run)
		rr.room.mu.Unlock()
	}
	d.runs, d.at = nil, nil
}
