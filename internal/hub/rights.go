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

// Grant replaces what all users are granted, by the keys of their names. It
// holds for sessions that are there, too.
func (h *Hub) Grant(granted map[string]Rights) { h.granted.Store(&granted) }

// May tells whether the session has all of the rights.
func (s *Session) May(rights Rights) bool {
	u := s.user.Load()
	if s.module {
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
	return u.IsAccount() && (*s.hub.granted.Load())[u.Name.Key()]&rights == rights
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
