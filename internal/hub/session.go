package hub

import (
	"slices"
	"sync/atomic"

	"github.com/parley-chat/parley"
)

// Session is one attached client. Its verbs may be called from any goroutine,
// but one at a time: its driver sees to that. Those that take a context may
// wait for the disk and must not be called where waiting is forbidden.
type Session struct {
	// Fixed after Attach.
	hub    *Hub
	sink   Sink
	module bool // speaks as a module, and stays that

	user    atomic.Pointer[user] // nil: nobody
	dialect atomic.Pointer[Dialect]
	called  atomic.Pointer[callee] // nil: it was never called
	deaf    atomic.Bool            // it says nothing any more, and so cannot return

	rooms []*room // in which the session is: guarded by Hub.mu
}

// User tells who the session speaks as; false: nobody yet.
func (s *Session) User() (parley.User, bool) {
	u := s.user.Load()
	if u == nil {
		return parley.User{}, false
	}
	return u.User, true
}

// SetDialect changes how the session is told of events from now on.
func (s *Session) SetDialect(d *Dialect) { s.dialect.Store(d) }

// End takes the session out of its rooms and frees its name when it was the
// last one to hold it. The reason is told to the rooms. Call it once, after
// every verb has returned.
func (s *Session) End(reason string) {
	s.release(reason)
	s.EndCalls()
}

// become gives the session another identity, which pick chooses under Hub.mu.
// If that fails, the session keeps the one it has.
func (s *Session) become(pick func() (*user, error)) error {
	h := s.hub
	h.mu.Lock()
	u, err := pick()
	if err == nil && len(u.sessions) >= h.limits.Sessions {
		err = parley.Errorf(parley.CodeTooMany, "%s has %d sessions already; end one of them first", u.Name, len(u.sessions))
	}
	if err == nil {
		u.sessions = append(slices.Clip(u.sessions), s)
	}
	h.mu.Unlock()
	if err != nil {
		return err
	}
	s.release("")
	s.user.Store(u)
	return nil
}

// release ends the session's identity: it leaves its rooms, and then the name
// is free when no other session speaks under it. In this order, so that nobody
// who takes the name next is seen to come before the last one is seen to go.
func (s *Session) release(reason string) {
	u := s.user.Load()
	if u == nil {
		return
	}
	s.withdrawAll()
	if !s.user.CompareAndSwap(u, nil) { // somebody else released it just now
		return
	}
	s.exitRooms(u, reason)
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	u.sessions = without(u.sessions, s)
	if len(u.sessions) == 0 {
		h.names.free(u)
	}
}

// exitRooms takes the session out of its rooms.
func (s *Session) exitRooms(u *user, reason string) {
	h := s.hub
	h.mu.Lock()
	rooms := s.rooms
	s.rooms = nil
	h.mu.Unlock()
	for _, r := range rooms {
		r.exit(s, u, reason, h.newRun(), h.now())
	}
}

// without gives a copy of the list in which one is missing, once.
func without[T comparable](list []T, one T) []T {
	if at := slices.Index(list, one); at >= 0 {
		return slices.Concat(list[:at], list[at+1:])
	}
	return list
}

func (h *Hub) newRun() *Run { return &Run{log: h.log} }
