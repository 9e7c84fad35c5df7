package door

import (
	"sync"

	"github.com/parley-chat/parley"
)

// outbox is what waits for a connection: bytes for its peer, and results for
// its protocol. One worker at a time empties it; whoever fills an outbox that
// has no worker must start one.
type outbox struct {
	mu      sync.Mutex
	queue   [][]byte
	few     [2][]byte // what queue begins in: most are emptied before they hold more
	own     bool      // the last of queue is ours to append to
	queued  weight    // of queue
	leaving weight    // of what the worker is writing
	results []func()
	single  [1]func()     // what results begins in
	working bool          // there is a worker
	why     *parley.Error // why the connection is cut; nil: it is not
	gap     bool          // something is missing: only last words are taken
	last    bool          // they are said: nothing is pushed behind them
	dropped bool          // no bytes are taken any more
	over    bool          // nor results
}

// weight is bytes, by who caused them.
type weight struct{ answers, pushes int }

// reference is what a piece of the queue weighs besides its bytes, which many
// queues share.
const reference = 24

// answer takes bytes over into the queue. It starts no worker: the round does.
func (o *outbox) answer(b []byte) {
	if len(b) == 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.dropped || o.gap {
		return
	}
	o.queued.answers += len(b)
	if !o.own {
		o.append(b)
		o.own = true
		return
	}
	last := len(o.queue) - 1
	o.queue[last] = append(o.queue[last], b...)
}

// push queues shared bytes. Full means that more than most were waiting before
// these came: what is queued is dropped and the connection is cut, in one go, so
// that nothing is said behind the gap. Start means that there is no worker.
func (o *outbox) push(b []byte, most int) (start, full bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.dropped || o.gap || o.last {
		return false, false
	}
	if o.queued.pushes+o.leaving.pushes > most {
		o.clear()
		o.queued = weight{}
		o.gap = true
		if o.why == nil {
			o.why = parley.ErrSlowConsumer
		}
		return false, true
	}
	if o.append(b) {
		o.queued.pushes += reference
	}
	o.own = false
	o.queued.pushes += len(b)
	return o.start(), false
}

// complete queues a result.
func (o *outbox) complete(f func()) (start bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over {
		return false
	}
	if o.results == nil {
		o.results = o.single[:0]
	}
	o.results = append(o.results, f)
	return o.start()
}

// start claims the worker's place, if it is free.
func (o *outbox) start() bool {
	if o.working {
		return false
	}
	o.working = true
	return true
}

// cut notes why the connection ends; false when it is ending already.
func (o *outbox) cut(why *parley.Error) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.why != nil {
		return false
	}
	o.why = why
	return true
}

// abandon cuts, and takes nothing more but the last words.
func (o *outbox) abandon(why *parley.Error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.why, o.gap = why, true
}

func (o *outbox) cutFor() *parley.Error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.why
}

// lastWords lets answers in again: those that tell why, behind a gap.
func (o *outbox) lastWords() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.gap, o.last = false, true
}

func (o *outbox) hasGap() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.gap
}

// drop forgets the bytes, now and from now on: the peer is gone.
func (o *outbox) drop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.clear()
	o.dropped, o.queued, o.leaving = true, weight{}, weight{}
}

// close forgets the results too: nobody is there to hand them to. Only calls can
// be under way then.
func (o *outbox) close() {
	o.drop()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.over, o.results = true, nil
}

// tryStart claims the worker's place if there is work and nobody does it.
func (o *outbox) tryStart() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return (len(o.queue) > 0 || len(o.results) > 0) && o.start()
}

// claim claims the worker's place, for work that the outbox does not know of.
func (o *outbox) claim() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.start()
}

// takeResults gives the worker the results, behind those in list. Who calls it
// is the worker from now on.
func (o *outbox) takeResults(list []func()) []func() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.working = true
	list = append(list, o.results...)
	o.results, o.single = nil, [1]func(){}
	return list
}

// append adds to the queue, and tells whether that took another reference.
func (o *outbox) append(b []byte) bool {
	if o.queue == nil {
		o.queue = o.few[:0]
	}
	last := len(o.queue) - 1
	if last >= 0 && follows(o.queue[last], b) {
		o.queue[last] = o.queue[last][:len(o.queue[last])+len(b)]
		return false
	}
	o.queue = append(o.queue, b)
	return true
}

// follows tells whether b lies directly behind a, in the same stretch of memory.
func follows(a, b []byte) bool {
	return len(b) > 0 && cap(a) > len(a) && &a[:len(a)+1][len(a)] == &b[0]
}

// clear empties the queue, and lets go of all that it held.
func (o *outbox) clear() {
	o.few = [2][]byte{}
	o.queue, o.own = nil, false
}

// takeBytes gives the worker all bytes, behind those that it has. Without any,
// and without results, the worker has given up its place: more is false.
func (o *outbox) takeBytes(queue [][]byte) (_ [][]byte, more bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	queue = append(queue, o.queue...)
	o.clear()
	o.queued, o.leaving = weight{}, o.queued
	o.working = len(queue) > 0 || len(o.results) > 0
	return queue, o.working
}

// written tells that all that takeBytes gave has left. When nothing else is
// there, the worker has given up its place: more is false.
func (o *outbox) written() (more bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.leaving = weight{}
	o.working = len(o.queue) > 0 || len(o.results) > 0
	return o.working
}

// answersOver tells whether more bytes of answers wait than most, or none are
// taken any more.
func (o *outbox) answersOver(most int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.gap || o.queued.answers+o.leaving.answers > most
}

// idle tells whether there is neither work nor a worker.
func (o *outbox) idle() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return !o.working && len(o.queue) == 0 && len(o.results) == 0
}
