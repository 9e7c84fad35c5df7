package hub

import (
	"github.com/parley-chat/parley"
)

// Rights is a set of what not everybody may do.
type Rights uint8

// What not everybody may do. An account may do what it was granted, a module
// besides may Provide, and a guest nothing of it. Rooms is everybody's but a
// module's.
const (
	Provide Rights = 1 << iota // offer commands
	Rooms                      // enter rooms, read them, speak in them
	Admin                      // read the list of modules again, end the server
)

// Grants is what users were granted, by the keys of their names. What is granted
// to a module is not granted to whoever else has its name.
type Grants struct{ Accounts, Modules map[string]Rights }

// Grant replaces what all users are granted. Sessions that may not provide any
// more, or be in rooms, do not any more.
func (h *Hub) Grant(granted Grants) {
	h.granted.Store(&granted)
	h.mu.RLock()
	var all []*Session
	for _, u := range h.names.byKey {
		all = append(all, u.sessions...)
	}
	h.mu.RUnlock()
	for _, s := range all {
		if !s.May(Provide) {
			s.withdrawAll()
		}
		if u := s.user.Load(); u != nil && s.module && !s.May(Rooms) {
			s.exitRooms(u, "")
		}
	}
}

// May tells whether the session has all of the rights.
func (s *Session) May(rights Rights) bool {
	u, granted := s.user.Load(), s.hub.granted.Load()
	of := granted.Accounts
	if s.module {
		of = granted.Modules
		rights &^= Provide
	} else {
		rights &^= Rooms
	}
	switch {
	case u == nil:
		return false
	case rights == 0:
		return true
	}
	return u.IsAccount() && of[u.Name.Key()]&rights == rights
}

// inRooms gives the user that the session speaks as, if it may use rooms.
func (s *Session) inRooms() (*user, error) {
	u, err := s.named()
	if err == nil && !s.May(Rooms) {
		err = errNoRooms
	}
	return u, err
}

var (
	errNoRooms  = parley.Errorf(parley.CodeForbidden, "this module was not granted rooms; the operator can grant them")
	errIsModule = parley.Errorf(parley.CodeForbidden, "a module speaks under its own name")
)
