package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// ErrUnreachable is a server that nobody could connect to.
var ErrUnreachable = errors.New("not reachable")

// engine plays all clients of one run against one server. One goroutine, locked
// to its thread, calls everything here.
type engine struct {
	// Fixed.
	dialect dialect
	tag     string
	size    int           // of a payload
	stall   time.Duration // without any progress before a run is given up
	calm    time.Duration // without anything coming before it counts as quiet
	base    time.Time
	tick    func() // called some ten times a second
	acksRun bool   // the scenario counts own messages as deliveries

	sockets *sockets
	clients []*client
	rooms   []string
	streams []stream
	pad     []byte // what follows the stamp of every payload
	payload []byte // the next message's
	dirty   []*client

	now       int64 // ns since base at the read that is being scanned
	ticked    int64
	progress  int64 // when anything last went on
	connected int
	nAccepted int
	nEntered  int
	nGone     int
	notices   int64
	turn      int   // the stream whose turn it is to send
	said      int64 // messages
	acked     int64 // of them, answered or seen as a copy
	delivered int64
	reads     int64
	tally     Tally
	err       error // the first thing that went wrong
	hist      *hdrhistogram.Histogram

	onAccepted func(*client) // nil: none
}

// longest is the longest latency that the histogram holds apart, in ns; its
// values are within one hundredth of the true ones.
const longest = int64(10 * time.Minute)

// readSize is what one read may take. A read that fills it leaves the rest for
// the next round.
const readSize = 256 << 10

func newEngine(o *Options, t *target, tag string, tick func()) (*engine, error) {
	e := &engine{
		dialect: t.dialect, tag: tag, size: o.Size, stall: o.Stall, calm: o.calm, base: time.Now(), tick: tick,
		pad: filler(o.Size), payload: make([]byte, o.Size), hist: hdrhistogram.New(1, longest, 2),
	}
	copy(e.payload[stampSize:], e.pad)
	var err error
	e.sockets, err = newSockets(t.address, o.brief)
	return e, err
}

// close ends every connection with a reset, so that none lingers.
func (e *engine) close() {
	for _, c := range e.clients {
		e.sockets.drop(c)
	}
	e.sockets.close()
}

func (e *engine) clock() int64 { return int64(time.Since(e.base)) }

// fail notes what a client met. The first is what the run fails with.
func (e *engine) fail(c *client, format string, args ...any) {
	if e.err == nil {
		e.err = fmt.Errorf("client %s: %w", c.name, fmt.Errorf(format, args...))
	}
}

// accepted notes that the server has taken the client's name.
func (e *engine) accepted(c *client) {
	if c.state != hello {
		return
	}
	c.state = named
	e.nAccepted++
	e.progress = e.now
	if e.onAccepted != nil {
		e.onAccepted(c)
	}
}

// entered notes one answer on the way into a room.
func (e *engine) entered(c *client) {
	if c.answers == 0 {
		return
	}
	e.progress = e.now
	if c.answers--; c.answers == 0 {
		c.state = inside
		e.nEntered++
	}
}

// notice notes a message that tells of others, such as a join. Once somebody is to
// speak, a server does not get on with its work by such news.
func (e *engine) notice() {
	e.notices++
	if len(e.streams) == 0 {
		e.progress = e.now
	}
}

// reply sends what the server asked for.
func (e *engine) reply(c *client, answer []byte) {
	c.out = append(c.out, answer...)
	e.touch(c)
}

// touch has the client's bytes written at the end of this round.
func (e *engine) touch(c *client) {
	if !c.dirty {
		c.dirty = true
		e.dirty = append(e.dirty, c)
	}
}

// answered notes that the server has taken a client's message. Ids, where the
// server gives them, must grow.
func (e *engine) answered(c *client, id []byte) {
	if c.acked == c.said {
		e.fail(c, "an answer to nothing that it said")
		return
	}
	c.acked++
	e.acked++
	e.progress = e.now
	if !e.acksRun {
		return
	}
	if len(id) > 0 {
		switch bytes.Compare(id, c.lastID) {
		case 0:
			e.tally.Repeated++
		case -1:
			e.tally.Reordered++
		}
		c.lastID = append(c.lastID[:0], id...)
	}
	e.count(c.posted[(c.acked-1)%uint32(len(c.posted))])
}

// count accounts one good delivery.
func (e *engine) count(at int64) {
	e.delivered++
	e.progress = e.now
	e.hist.RecordValue(min(max(e.now-at, 1), longest)) // cannot be out of range
}

// message takes a frame if a payload ends it, and checks it. False: it is a
// frame of another kind.
func (e *engine) message(c *client, frame []byte) bool {
	at := len(frame) - e.size
	if at < 0 {
		return false
	}
	payload := frame[at:]
	s, ok := readStamp(payload)
	if !ok {
		return false
	}
	if int(s.stream) >= len(e.streams) || s.number > e.streams[s.stream].sent || s.number == 0 {
		e.tally.Stray++
		e.fail(c, "it was sent %.200q, which nobody said", frame)
		return true
	}
	if !bytes.Equal(payload[stampSize:], e.pad) {
		e.tally.Damaged++
		e.fail(c, "it was sent %.200q, which was said otherwise", frame)
		return true
	}
	from := &e.streams[s.stream]
	if from.from == c {
		e.ownCopy(c, from, s, frame)
		return true
	}
	if c.room != from.room || !from.push.matches(frame[:at]) {
		e.tally.Stray++
		e.fail(c, "it was sent %.200q, which is not for it, or not from whom it says", frame)
		return true
	}
	if e.see(c, &c.heard[from.place], from, s) {
		e.count(s.at)
	}
	return true
}

// ownCopy takes what a client hears of itself.
func (e *engine) ownCopy(c *client, from *stream, s stamp, frame []byte) {
	if from.copy.begins == nil || !from.copy.matches(frame[:len(frame)-e.size]) {
		e.tally.Stray++
		e.fail(c, "it was sent its own message back as %.200q", frame)
		return
	}
	if !e.see(c, &c.own, from, s) {
		return
	}
	c.acked++
	e.acked++
	e.progress = e.now
	if e.acksRun {
		e.count(s.at)
	}
}

// see checks a number, and says in words what is wrong with the first bad one.
func (e *engine) see(c *client, f *flow, from *stream, s stamp) bool {
	due := f.last + 1
	fresh := f.see(s.number, &e.tally)
	if s.number != due {
		e.fail(c, "message %d of %s came when %d was due", s.number, from.from.name, due)
	}
	return fresh
}

// post adds the next message of a stream to what its client sends.
func (e *engine) post(i int, at int64) {
	s := &e.streams[i]
	c := s.from
	s.sent++
	stamp{uint32(i), s.sent, at}.put(e.payload)
	if s.private {
		c.out = e.dialect.tell(c.out, s.to, e.payload)
	} else {
		c.out = e.dialect.say(c.out, s.to, e.payload)
	}
	if len(c.posted) > 0 {
		if c.said-c.acked >= uint32(len(c.posted)) {
			e.fail(c, "%d of its messages wait for an answer", len(c.posted))
		}
		c.posted[c.said%uint32(len(c.posted))] = at
	}
	c.said++
	e.said++
	e.touch(c)
}

// flush writes what the round has put together.
func (e *engine) flush() {
	for _, c := range e.dirty {
		c.dirty = false
		if !c.pending {
			e.sockets.write(e, c)
		}
	}
	e.dirty = e.dirty[:0]
}

// round writes, waits at most so long for something to come, and takes it.
func (e *engine) round(ctx context.Context, wait time.Duration) int {
	e.flush()
	n := e.sockets.poll(e, min(wait, 100*time.Millisecond))
	e.flush()
	if err := ctx.Err(); err != nil && e.err == nil {
		e.err = err
	}
	if now := e.clock(); now-e.ticked > int64(100*time.Millisecond) {
		e.ticked = now
		e.tick()
	}
	return n
}

// await plays rounds until done. It fails when a client has met a fault, or when
// nothing has gone on for too long.
func (e *engine) await(ctx context.Context, what string, done func() bool) error {
	e.progress = e.clock()
	for !done() {
		e.round(ctx, time.Second)
		if e.err != nil {
			return fmt.Errorf("%s: %w", what, e.err)
		}
		if e.clock()-e.progress > int64(e.stall) {
			return fmt.Errorf("%s: nothing has happened for %v (%s)", what, e.stall, e.where())
		}
	}
	return nil
}

// where says how far the run has come.
func (e *engine) where() string {
	return fmt.Sprintf("%d connected, %d accepted, %d in a room, %d deliveries", e.connected, e.nAccepted, e.nEntered, e.delivered)
}

// quiet plays rounds until nothing has come for a while, but no longer than most,
// and not after a first fault.
func (e *engine) quiet(ctx context.Context, most time.Duration) {
	begun, before := e.clock(), e.err == nil
	for last := begun; e.clock()-last < int64(e.calm) && e.clock()-begun < int64(most) && (e.err == nil) == before; {
		if e.round(ctx, e.calm/4) > 0 {
			last = e.clock()
		}
	}
}

// pass plays rounds for so long.
func (e *engine) pass(ctx context.Context, d time.Duration) {
	for end := e.clock() + int64(d); e.clock() < end && ctx.Err() == nil; {
		e.round(ctx, time.Duration(end-e.clock()))
	}
}
