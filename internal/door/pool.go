package door

import (
	"context"
	"sync"
)

// Pool runs parked work on a bounded number of goroutines. What it does not run
// yet waits in a queue, of which each connection has at most one place.
type Pool struct {
	most   int
	ctx    context.Context
	cancel context.CancelFunc
	all    sync.WaitGroup // the workers

	mu      sync.Mutex
	queue   []func(context.Context)
	workers int
}

// NewPool makes a pool of at most so many goroutines. None runs while there is
// no work. Close ends it.
func NewPool(most int) *Pool {
	ctx, cancel := context.WithCancel(context.Background())
	return &Pool{most: most, ctx: ctx, cancel: cancel}
}

// Go runs work soon. Its context ends when the pool is cancelled.
func (p *Pool) Go(work func(context.Context)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue = append(p.queue, work)
	if p.workers < p.most {
		p.workers++
		p.all.Go(p.work) // ends when the queue is empty; Close waits
	}
}

func (p *Pool) work() {
	for {
		p.mu.Lock()
		if len(p.queue) == 0 {
			p.workers--
			p.mu.Unlock()
			return
		}
		work := p.queue[0]
		p.queue[0] = nil
		p.queue = p.queue[1:]
		p.mu.Unlock()
		work(p.ctx)
	}
}

// Cancel ends the context of all work, that which comes later too.
func (p *Pool) Cancel() { p.cancel() }

// Close waits for the work under way and ends the pool.
func (p *Pool) Close() {
	p.all.Wait()
	p.cancel()
}
