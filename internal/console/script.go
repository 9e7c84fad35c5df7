package console

import (
	"crypto/rand"
	"strings"
	"time"

	"github.com/parley-chat/parley/wire/linewire"
)

// fenceEvery is the number of lines after which a script waits for the answers,
// so that what is on its way stays bounded.
const fenceEvery = 64

// A script makes sure that every line a pipe sends by the line protocol is
// answered, and in the end leaves orderly: a fence, then exit, then the server
// closes.
type script struct {
	l      *line
	fence  fence
	word   string    // what fences are made of: nothing that a server knows
	open   int       // lines sent since a fence was passed
	stands bool      // a fence does
	next   func()    // what to do behind it
	until  time.Time // when it is late; zero: never
	again  time.Time // when it gets one more word; zero: never
	exited bool      // exit was sent behind a fence
	killed bool      // kill was, and is not known to be refused
	error  bool      // and an error came since: a refusal, or a farewell
	dies   time.Time // zero: the server is not about to; else how long it may take
}

func newScript(l *line) script {
	return script{l: l, word: "sync-" + strings.ToLower(rand.Text()[:16])}
}

// reads tells whether the script may go on.
func (s *script) reads() bool {
	if !s.dies.IsZero() {
		return false
	}
	if s.open >= fenceEvery && s.fence.unsure == 0 && !s.stands {
		s.stand(nil)
	}
	return !s.stands
}

// say sends one line.
func (s *script) say(message string, kill bool) {
	if kill {
		s.stand(func() { s.kill(message) })
		return
	}
	s.open++
	s.fence.line(message)
	s.l.send(message)
}

// kill sends kill, and a fence behind it: the server ends the connection, or
// refuses and then answers the fence.
func (s *script) kill(message string) {
	s.killed, s.error = true, false
	s.l.send(message)
	s.stand(func() {
		if s.error {
			s.killed, s.l.s.failed = false, true
			return
		}
		// It answered and did not refuse: it is about to go.
		s.dies = time.Now().Add(dying)
	})
}

// refused notes an error.
func (s *script) refused() {
	if s.killed {
		s.error = true
		return
	}
	s.l.s.failed = true
}

// end leaves once all lines are answered.
func (s *script) end() {
	s.stand(func() {
		s.exited = true
		s.l.send(exitWord)
		s.l.s.leave()
	})
}

// stand begins a fence, behind which next is done.
func (s *script) stand(next func()) {
	s.l.spoke, s.stands, s.next = true, true, next
	for range s.fence.stand() {
		s.l.send(s.word)
	}
	if wait := s.l.s.opts.Timeout; wait > 0 {
		now := time.Now()
		s.until, s.again = now.Add(wait), now.Add(wait/2)
	}
}

// verified takes the message Verified: the answer to a line, which is shown, or
// to a fence.
func (s *script) verified() {
	if s.fence.verified() {
		s.l.s.show(linewire.Verified)
	}
	if !s.stands || !s.fence.passed() {
		return
	}
	if s.fence.exact() {
		s.fence = fence{}
	}
	next := s.next
	s.open, s.stands, s.next = 0, false, nil
	s.until, s.again = time.Time{}, time.Time{}
	if next != nil {
		next()
	}
}

// gone tells, after the connection ended, whether it was meant to.
func (s *script) gone() bool {
	for range s.fence.owed() {
		s.l.s.show(linewire.Verified)
	}
	return s.exited || s.killed && s.open == 0
}

// heard gives the fence more time if something came from the server. It does so
// only if many lines may lie before the fence; else what others say would keep
// a server that answers nothing from being late.
func (s *script) heard() {
	if !s.until.IsZero() && s.fence.unsure > 0 {
		s.until = time.Now().Add(s.l.s.opts.Timeout)
	}
}

// tick looks after a fence that stands, and a server that should be gone.
func (s *script) tick(now time.Time) (next time.Time) {
	if !s.dies.IsZero() {
		if now.Before(s.dies) {
			return s.dies
		}
		s.killed, s.dies = false, time.Time{}
	}
	if !s.stands || s.until.IsZero() {
		return next
	}
	if !now.Before(s.until) {
		s.l.s.late()
		return next
	}
	if !s.again.IsZero() && !now.Before(s.again) {
		// A server that sends without LF may have had its answer merged with
		// what somebody else said.
		s.fence.more()
		s.l.send(s.word)
		s.again = time.Time{}
	}
	return sooner(s.until, s.again)
}
