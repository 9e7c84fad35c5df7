package hub

import (
	"slices"
	"sync"
	"time"

	"github.com/parley-chat/parley"
)

// room is the live half of a room: who is in it, and in which order things
// happen there.
type room struct {
	// Fixed after newRoom.
	id    parley.ConversationID
	name  parley.Name
	open  bool
	guest bool // made by a guest: deleted when it has stood empty

	mu       sync.Mutex
	sessions []occupant       // in the room; the audience
	at       map[*Session]int // where each stands in sessions
	users    map[*user]int    // how many of its sessions are in the room
	spools   spools           // what was said, for those who hear it
	topic    string
	emptied  time.Time // when the last session went, or the room was loaded
	deleted  bool      // gone, or about to be
}

// occupant is a session in a room, and the user as which it came.
type occupant struct {
	session *Session
	user    *user
}

func newRoom(record RoomRecord, now time.Time) *room {
	return &room{
		id: record.ID, name: record.Name, open: record.Open, guest: record.Guest,
		at: map[*Session]int{}, users: map[*user]int{}, topic: record.Topic, emptied: now,
	}
}

// publish gives a run to everybody in the room. The caller holds r.mu.
func (r *room) publish(run *Run) {
	run.spools = &r.spools
	for _, o := range r.sessions {
		run.put(o.session)
	}
}

// has tells whether the session is in the room.
func (r *room) has(s *Session) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.at[s]
	return ok
}

// isDeleted tells whether the room is gone, or about to be.
func (r *room) isDeleted() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.deleted
}

// enter puts a session of u into the room and tells the others when u was not
// there before. It is false when the room is gone or the session no longer
// speaks as u.
func (r *room) enter(s *Session, u *user, run *Run) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.deleted || s.user.Load() != u {
		return false
	}
	if _, already := r.at[s]; already {
		return true
	}
	if r.users[u] == 0 {
		run.add(parley.Joined{Room: r.name, User: u.Name}, s)
		r.publish(run)
	}
	r.at[s] = len(r.sessions)
	r.sessions = append(r.sessions, occupant{s, u})
	r.users[u]++
	return true
}

// exit takes one session of u out of the room and tells the others when it was
// the last one of u.
func (r *room) exit(s *Session, u *user, reason string, run *Run, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.remove(s, u, now) {
		return
	}
	if r.users[u] == 0 {
		run.add(parley.Left{Room: r.name, User: u.Name, Reason: reason}, nil)
		r.publish(run)
	}
}

// exitAll takes every session of u out of the room and tells all in the room of
// it, those sessions too, but for the one that asked. It returns the sessions.
func (r *room) exitAll(u *user, asked *Session, run *Run, now time.Time) []*Session {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.users[u] == 0 {
		return nil
	}
	run.add(parley.Left{Room: r.name, User: u.Name}, asked)
	r.publish(run)
	var gone []*Session
	for _, o := range slices.Clone(r.sessions) {
		if o.user == u {
			r.remove(o.session, u, now)
			gone = append(gone, o.session)
		}
	}
	return gone
}

// left notes that a member went: a guest's room that stands empty has an hour
// from then, too.
func (r *room) left(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.emptied = now
}

// remove takes a session out in constant time. The caller holds r.mu.
func (r *room) remove(s *Session, u *user, now time.Time) bool {
	at, ok := r.at[s]
	if !ok || r.sessions[at].user != u {
		return false
	}
	last := len(r.sessions) - 1
	r.sessions[at] = r.sessions[last]
	r.at[r.sessions[at].session] = at
	r.sessions[last] = occupant{}
	r.sessions = r.sessions[:last]
	delete(r.at, s)
	if r.users[u]--; r.users[u] == 0 {
		delete(r.users, u)
	}
	if last == 0 {
		r.emptied, r.spools = now, nil
	}
	return true
}

// members lists the users in the room.
func (r *room) members() []parley.Name {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]parley.Name, 0, len(r.users))
	for u := range r.users {
		list = append(list, u.Name)
	}
	return list
}
