package hub

import (
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/parley-chat/parley"
)

// Dialect encodes events for one kind of client. There is one for each door
// and set of wishes of a client, and each is made once.
type Dialect struct {
	Name string
	// Append appends what such a client is told of the event. Nothing appended
	// means that it is silent here. It is called under a lock: it must not wait.
	Append func(dst []byte, e parley.Event) []byte
	// Calls tells whether such a client can be called.
	Calls bool
}

// Sink takes what is pushed to one session.
type Sink interface {
	// Put queues bytes, which are shared and must not be changed. It is called
	// under a lock and must not wait; a session that cannot keep up is the
	// sink's to end.
	Put(encoded []byte)
}

// Follower is a sink that may come nearer to those that call its session.
type Follower interface {
	// Follow notes a call. It must not wait.
	Follow(caller Sink)
}

// Run is consecutive events of one conversation. It is immutable once it is
// published, and encoded once for each dialect, however many receive it.
type Run struct {
	events  []parley.Event
	doers   []*Session // doers[i] is not told of events[i]; nil: all are
	encoded []encoding
	spools  *spools // of the room, for its events
	log     *slog.Logger

	// Where the lists begin: most runs hold one event, for one dialect.
	event [1]parley.Event
	doer  [1]*Session
	code  [1]encoding
	end   [1]int
}

type encoding struct {
	dialect *Dialect
	bytes   []byte
	ends    []int // ends[i] is where the bytes of events[i] end
}

// add appends an event, of which doer, if there is one, is not told.
func (r *Run) add(e parley.Event, doer *Session) {
	if r.events == nil {
		r.events, r.doers, r.encoded = r.event[:0], r.doer[:0], r.code[:0]
	}
	r.events = append(r.events, e)
	r.doers = append(r.doers, doer)
}

// put hands the run to one session, without what the session did itself, and
// tells whether that was anything. The caller holds the audience's lock.
func (r *Run) put(s *Session) bool {
	own := r.doneBy(s)
	if own == len(r.events) {
		return false // and perhaps nobody else needs it encoded
	}
	enc := r.encode(s.dialect.Load())
	if own == 0 {
		return s.putPiece(enc.bytes)
	}
	some, from, to := false, 0, 0
	for i, end := range enc.ends {
		if r.doers[i] == s {
			some = s.putPiece(enc.bytes[from:to]) || some
			from = end
		}
		to = end
	}
	return s.putPiece(enc.bytes[from:to]) || some
}

func (s *Session) putPiece(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	s.sink.Put(b)
	return true
}

// doneBy counts the events that the session did itself.
func (r *Run) doneBy(s *Session) (n int) {
	for _, doer := range r.doers {
		if doer == s {
			n++
		}
	}
	return n
}

// usualSize is what an event takes in bytes, so that the first guess is mostly
// enough.
const usualSize = 160

// encode gives the run's bytes in a dialect, making them at the first call.
func (r *Run) encode(d *Dialect) *encoding {
	for i := range r.encoded {
		if r.encoded[i].dialect == d {
			return &r.encoded[i]
		}
	}
	enc := encoding{dialect: d, ends: r.end[:]}
	if len(r.events) > 1 || len(r.encoded) > 0 {
		enc.ends = make([]int, len(r.events))
	}
	spool := r.spools.of(d)
	enc.bytes = spool.open(usualSize * len(r.events))
	for i, e := range r.events {
		enc.bytes = r.appendEvent(enc.bytes, d, e)
		enc.ends[i] = len(enc.bytes)
	}
	spool.close(enc.bytes)
	r.encoded = append(r.encoded, enc)
	return &r.encoded[len(r.encoded)-1]
}

// appendEvent shields the journal from a fault in an encoder: the event is
// silent there, and the log has it.
func (r *Run) appendEvent(dst []byte, d *Dialect, e parley.Event) (out []byte) {
	defer func() {
		if fault := recover(); fault != nil {
			r.log.Error("an encoder panicked", "dialect", d.Name, "event", fmt.Sprintf("%T", e), "err", fault, "stack", string(debug.Stack()))
			out = dst
		}
	}()
	return d.Append(dst, e)
}
