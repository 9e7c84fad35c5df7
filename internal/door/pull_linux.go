package door

import (
	"slices"
	"sync/atomic"
	"time"
)

// A call between two loops wakes one for the call and the other for its return,
// which takes longer than all the rest of it. So a socket that serves calls moves to
// the loop of those who call it, if that is always the same one.

// pull is what makes a socket move to another loop.
type pull struct {
	calls  atomic.Int32         // from another loop, one after the other
	target atomic.Pointer[loop] // where to move
}

// pulls is how many calls in a row from another loop make a socket move.
const pulls = 64

// follow notes a call by another connection, in whose turn it is called.
func (s *socket) follow(by driver) {
	caller, ok := by.(*socket)
	if !ok {
		return
	}
	p := s.pull.Load()
	if p == nil {
		p = &pull{}
		if !s.pull.CompareAndSwap(nil, p) {
			p = s.pull.Load()
		}
	}
	to := caller.home.Load()
	switch {
	case to == s.home.Load():
		p.calls.Store(0)
	case p.calls.Add(1) >= pulls:
		p.calls.Store(0)
		p.target.Store(to)
		s.mark()
	}
}

// emigrate moves the socket to the loop that pulls it, if one does, and arrives
// there. It tells whether the socket is another loop's now.
func (s *socket) emigrate() bool {
	from := s.on()
	if from.at(s.fd) != s {
		from.put(s.fd, s) // it has just come; watch registers it
	}
	p := s.pull.Load()
	if p == nil || s.stage != talking {
		return false
	}
	to := p.target.Swap(nil)
	if to == nil || to == from {
		return false
	}
	s.watchFor(0)
	from.put(s.fd, nil)
	from.alarm(s, time.Time{})
	from.mu.Lock()
	if s.marked {
		s.marked = false
		from.marked = slices.DeleteFunc(from.marked, func(one *socket) bool { return one == s })
	}
	s.home.Store(to)
	from.mu.Unlock()
	s.mark() // all that this loop did to it is seen by the other
	return true
}
