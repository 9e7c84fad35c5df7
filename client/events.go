package client

import (
	"sync"

	"github.com/parley-chat/parley"
)

const (
	// mostEvents is how many bytes of events wait for the program, as the server keeps for
	// a connection (Limits.Outbox).
	mostEvents = 4 << 20
	// perEvent is what an event takes besides its text.
	perEvent = 200
	// handedOut is how many events stand in the channel itself, besides.
	handedOut = 64
)

// Lost is the event that the connection ended. Unless the client ends with it, Back
// follows once there is another one.
type Lost struct {
	Err *ConnError
	ours
}

// Back is the event that there is a connection again, with everything as before it
// was lost. Behind it comes what was said in the rooms meanwhile.
type Back struct {
	// Err tells what is not as it was: rooms that are gone, or that the client may not
	// join any more, and commands that it may not offer any more. It is nil mostly.
	Err error
	ours
}

// Missed is the event that the program did not read its events, and so this many were
// dropped here: what others sent to it, and who came and went. It is no message of a room,
// for those are in the history, and come when there is room for them.
type Missed struct {
	Events int
	ours
}

// ours makes an event of this package one of parley's, which are a closed set elsewhere.
type ours struct{ parley.Event }

// A queue is the way of events from the connection to the program. Its goroutine, pump,
// is started by newQueue, stopped by stop or by finish, and waited for by stop.
type queue struct {
	out     chan parley.Event // of size handedOut, since events come in bursts; pump closes it
	wake    chan struct{}     // size 1: events wait, or finished is true
	stopped chan struct{}     // closed when the program wants no more
	once    sync.Once
	ended   chan struct{}
	roomy   func() // called by the pump when there is room again that was wanted

	mu       sync.Mutex // guards what follows
	waiting  []waiting
	bytes    int
	pumping  bool // the pump has an event in hand
	closed   bool
	finished bool
	wanted   bool // somebody waits for room
}

type waiting struct {
	event parley.Event
	bytes int
}

func newQueue(roomy func()) *queue {
	q := &queue{
		out: make(chan parley.Event, handedOut), wake: make(chan struct{}, 1),
		stopped: make(chan struct{}), ended: make(chan struct{}), roomy: roomy,
	}
	go q.pump()
	return q
}

// put queues an event with a text of so many bytes, if there is room for it.
func (q *queue) put(e parley.Event, bytes int) bool {
	bytes += perEvent
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.direct(e) {
		return true
	}
	if q.bytes > 0 && q.bytes+bytes > mostEvents {
		q.wanted = true
		return false
	}
	q.add(e, bytes)
	return true
}

// miss notes in the queue that an event would stand there for which there was no room.
func (q *queue) miss() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.missed()
}

func (q *queue) missed() {
	if last := len(q.waiting) - 1; last >= 0 {
		if m, ok := q.waiting[last].event.(Missed); ok {
			q.waiting[last].event = Missed{Events: m.Events + 1}
			return
		}
	}
	if !q.closed {
		q.add(Missed{Events: 1}, perEvent)
	}
}

// tell queues an event of the client itself, for which there is room but for a program
// that never reads any.
func (q *queue) tell(e parley.Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.direct(e):
	case q.bytes > 2*mostEvents:
		q.missed()
	default:
		q.add(e, perEvent)
	}
}

// direct hands an event out without the pump, if it would be next. It is called under mu.
func (q *queue) direct(e parley.Event) bool {
	if q.closed {
		return true // nobody reads it
	}
	if q.pumping || len(q.waiting) > 0 {
		return false
	}
	select {
	case q.out <- e:
		return true
	default:
		return false
	}
}

func (q *queue) add(e parley.Event, bytes int) {
	q.waiting = append(q.waiting, waiting{e, bytes})
	q.bytes += bytes
	q.nudge()
}

func (q *queue) nudge() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// crowded tells whether so much waits that nothing should be asked for.
func (q *queue) crowded() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.wanted = q.wanted || q.bytes > mostEvents/2
	return q.bytes > mostEvents/2
}

// finish lets the channel be closed behind what waits.
func (q *queue) finish() {
	q.mu.Lock()
	q.finished = true
	q.mu.Unlock()
	q.nudge()
}

// stop closes the channel now, and waits until that is done.
func (q *queue) stop() {
	q.once.Do(func() { close(q.stopped) })
	<-q.ended
}

// pump hands out what waits.
func (q *queue) pump() {
	defer close(q.ended)
	defer q.close()
	for {
		select {
		case <-q.wake:
		case <-q.stopped:
			return
		}
		for {
			e, roomy, more := q.next()
			if roomy {
				q.roomy()
			}
			if e == nil {
				if more {
					break
				}
				return
			}
			select {
			case q.out <- e:
			case <-q.stopped:
				return
			}
		}
	}
}

// next takes the first event that waits; nil when there is none, and then more tells
// whether there can be. roomy tells that there is room again that was wanted.
func (q *queue) next() (e parley.Event, roomy, more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.pumping, q.waiting = false, nil
		return nil, false, !q.finished
	}
	first := q.waiting[0]
	q.waiting[0] = waiting{}
	q.waiting = q.waiting[1:]
	q.bytes -= first.bytes
	q.pumping = true
	if roomy = q.wanted && q.bytes <= mostEvents/2; roomy {
		q.wanted = false
	}
	return first.event, roomy, true
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed, q.waiting, q.bytes = true, nil, 0
	close(q.out)
}
