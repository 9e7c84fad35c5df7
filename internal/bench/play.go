package bench

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// A load is one way of sending.
type load struct {
	window int     // messages outstanding; 0: an open loop
	rate   float64 // messages a second in an open loop
}

// name is what tables call the load: w16, or r50.
func (l load) name() string {
	if l.window > 0 {
		return "w" + strconv.Itoa(l.window)
	}
	return "r" + strconv.FormatFloat(l.rate, 'f', -1, 64)
}

// A span is how long a load goes on: for so many messages if that is set, else
// for so long.
type span struct {
	messages int
	time     time.Duration
}

// sending is the state of one load under way.
type sending struct {
	load  load
	count int   // messages at most
	until int64 // no more after this; 0: until the count is reached
	begun int64
	sent  int
	owed  int64 // deliveries that follow from what was sent
	done0 int64 // deliveries before
}

// got is how many of the owed deliveries have come.
func (p *sending) got(e *engine) int64 { return e.delivered - p.done0 }

// play sends for a span, over all streams in turn, and waits for every delivery.
// It returns the time until the last delivery.
func (e *engine) play(ctx context.Context, l load, s span, seen func(share float64)) (time.Duration, error) {
	p := &sending{load: l, count: s.messages, begun: e.clock(), done0: e.delivered}
	if p.count == 0 {
		p.count = 1 << 62
		if l.rate > 0 {
			p.count = max(int(l.rate*s.time.Seconds()), 1)
		} else {
			p.until = p.begun + int64(s.time)
		}
	}
	if e.acksRun { // a ring as long as what can wait
		e.remember(max(l.window, min(p.count, mostWaiting)))
	}
	e.progress = p.begun
	for {
		now := e.clock()
		wait := p.step(e, now)
		seen(p.share(s, now))
		if p.over(now) && p.got(e) >= p.owed {
			e.flush()
			return time.Duration(e.clock() - p.begun), e.verdict("sending")
		}
		e.round(ctx, wait)
		if e.err != nil || e.tally.bad() {
			e.drain(ctx)
			return 0, e.verdict("sending")
		}
		if idle := time.Duration(e.clock() - e.progress); idle > e.stall+wait {
			e.tally.Lost += p.owed - p.got(e)
			return 0, fmt.Errorf("sending: nothing has come for %v, after %d of %d deliveries: %v", e.stall, p.got(e), p.owed, e.tally)
		}
	}
}

// mostWaiting bounds the messages of one client that wait for their answers.
const mostWaiting = 1 << 16

// over tells whether everything has been sent.
func (p *sending) over(now int64) bool { return p.sent >= p.count || p.until > 0 && now >= p.until }

// share is how much of the load is done, for people.
func (p *sending) share(s span, now int64) float64 {
	if p.until > 0 {
		return min(float64(now-p.begun)/float64(s.time), 1)
	}
	return float64(p.sent) / float64(p.count)
}

// step sends what may be sent now, and returns for how long nothing more will be
// due.
func (p *sending) step(e *engine, now int64) time.Duration {
	if p.load.window > 0 {
		p.refill(e)
		return time.Second
	}
	for ; p.sent < p.count; p.send(e, p.due()) {
		if due := p.due(); due > now {
			return time.Duration(due - now)
		}
	}
	return time.Second
}

// refill keeps the window full: as many deliveries may be owed as so many
// messages cause.
func (p *sending) refill(e *engine) {
	most := int64(p.load.window) * e.perMessage()
	for p.owed-p.got(e) < most {
		now := e.clock()
		if p.over(now) {
			return
		}
		p.send(e, now)
	}
}

// due is when the next message of an open loop is due.
func (p *sending) due() int64 { return p.begun + int64(float64(p.sent)*1e9/p.load.rate) }

func (p *sending) send(e *engine, at int64) {
	e.post(e.turn, at)
	e.turn = (e.turn + 1) % len(e.streams)
	p.owed += e.perMessage()
	p.sent++
}

// perMessage is how many deliveries follow from one message: every room is of one
// size.
func (e *engine) perMessage() int64 {
	if e.acksRun {
		return 1
	}
	return int64(e.streams[0].receivers)
}

// drain takes what is still under way after a fault, so that the tally can tell
// what was lost from what was late.
func (e *engine) drain(ctx context.Context) {
	if ctx.Err() == nil {
		e.quiet(ctx, 2*time.Second) // from the first fault on
	}
}

// verdict is the error of a load: what a client met, and the tally.
func (e *engine) verdict(what string) error {
	switch {
	case e.err != nil && e.tally.bad():
		return fmt.Errorf("%s: %w (%v)", what, e.err, e.tally)
	case e.err != nil:
		return fmt.Errorf("%s: %w", what, e.err)
	case e.tally.bad():
		return fmt.Errorf("%s: %v", what, e.tally)
	}
	return nil
}

// settle waits until everything said is answered, and a moment more for what
// should not come, and tells whether all is well.
func (e *engine) settle(ctx context.Context, private bool) error {
	if e.dialect.answers(private) {
		if err := e.await(ctx, "waiting for the senders' answers", func() bool { return e.acked >= e.said }); err != nil {
			return err
		}
	}
	e.quiet(ctx, time.Second)
	return e.verdict("after the last delivery")
}
