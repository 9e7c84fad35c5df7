package console

import "time"

// Without LF, what one write sends is one message only if the server reads it
// before the next write arrives. So a pace makes each write wait: at least
// shortGap, in which our server still takes what follows a long chunk for its
// rest, and then until something came from the server, which is most likely
// the answer, or longGap is over.
const (
	shortGap = 60 * time.Millisecond
	longGap  = 500 * time.Millisecond
)

// A pace says when the next write may be made. The zero value never waits.
type pace struct {
	on       bool
	last     time.Time // of the last write; zero: none
	answered bool      // something came since
}

func (p *pace) sent(now time.Time) { p.last, p.answered = now, false }
func (p *pace) heard()             { p.answered = true }

// next tells when a write may be made: zero when it may be made now.
func (p *pace) next(now time.Time) time.Time {
	if !p.on || p.last.IsZero() {
		return time.Time{}
	}
	at := p.last.Add(longGap)
	if p.answered {
		at = p.last.Add(shortGap)
	}
	if !now.Before(at) {
		return time.Time{}
	}
	return at
}

func (p *pace) ready(now time.Time) bool { return p.next(now).IsZero() }
