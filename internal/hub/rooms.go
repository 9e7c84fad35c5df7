package hub

import (
	"context"
	"errors"
	"slices"

	"github.com/parley-chat/parley"
)

// Outcome is what became of one of several rooms that a request named.
type Outcome struct {
	Called string // as the client called it
	Name   parley.Name
	Err    error // nil: it was done
}

// NewRoom makes an open room. The session is not in it before it joins.
// CodeRoomExists, CodeInvalidName, CodeTooMany.
func (s *Session) NewRoom(ctx context.Context, called string) error {
	u, err := s.inRooms()
	if err != nil {
		return err
	}
	name, err := parley.ParseRoomName(called)
	if err != nil {
		return err
	}
	h := s.hub
	h.mu.RLock()
	count, there := len(h.rooms), h.rooms[name.Key()]
	h.mu.RUnlock()
	switch {
	case there != nil:
		return errRoomExists(there.name)
	case count >= h.limits.Rooms:
		return parley.Errorf(parley.CodeTooMany, "the server has %d rooms, as many as it may", count)
	}
	record := RoomRecord{Name: name, Open: true, Guest: !u.IsAccount()}
	if u.IsAccount() {
		record.Creator = u.ID
	}
	return h.createRoom(ctx, record)
}

func (h *Hub) createRoom(ctx context.Context, record RoomRecord) error {
	return h.journal.do(ctx, &change{
		store: func(tx Tx) error { return tx.CreateRoom(&record) },
		apply: func() {
			h.mu.Lock()
			h.rooms[record.Name.Key()] = newRoom(record, h.now())
			h.mu.Unlock()
		},
	})
}

func errRoomExists(name parley.Name) *parley.Error {
	return parley.Errorf(parley.CodeRoomExists, "there is a room %s already; join it, or choose another name", name)
}

// Join brings the session into all of the rooms, or, when any of them cannot
// be joined, into none: then the outcomes tell which. An account becomes a
// member of each, durably; a guest's join touches no disk.
func (s *Session) Join(ctx context.Context, called ...string) ([]Outcome, error) {
	u, err := s.inRooms()
	if err != nil {
		return nil, err
	}
	outcomes, rooms, ok := s.find(called)
	if !ok {
		return outcomes, nil
	}
	h := s.hub
	if s.tooManyRooms(rooms) {
		return nil, parley.Errorf(parley.CodeTooMany, "a session may be in %d rooms; leave some first", h.limits.RoomsJoined)
	}
	if !u.IsAccount() {
		s.enter(u, rooms, outcomes)
		return outcomes, nil
	}
	return outcomes, h.journal.do(ctx, &change{
		check: func() error { return stillThere(rooms) },
		store: func(tx Tx) error {
			for _, r := range rooms {
				if _, err := tx.SetMember(r.id, u.ID, true); err != nil {
					return err
				}
			}
			return nil
		},
		apply: func() {
			s.enter(u, rooms, outcomes)
			if s.module && !s.May(Rooms) { // the right was taken away meanwhile
				s.exitRooms(u, "")
			}
		},
	})
}

// tooManyRooms tells whether a session that entered the rooms would be in more
// than it may.
func (s *Session) tooManyRooms(rooms []*room) bool {
	h := s.hub
	h.mu.RLock()
	defer h.mu.RUnlock()
	count := len(s.rooms)
	for _, r := range rooms {
		if !slices.Contains(s.rooms, r) {
			count++
		}
	}
	return count > h.limits.RoomsJoined && count > len(s.rooms)
}

// stillThere refuses rooms that are being deleted.
func stillThere(rooms []*room) error {
	for _, r := range rooms {
		if r.isDeleted() {
			return errNoRoom(r.name.String())
		}
	}
	return nil
}

// find looks the rooms up; ok is false when any of them is not there.
func (s *Session) find(called []string) (outcomes []Outcome, rooms []*room, ok bool) {
	ok = true
	for _, name := range called {
		r := s.hub.room(name)
		if r == nil {
			outcomes = append(outcomes, Outcome{Called: name, Err: errNoRoom(name)})
			ok = false
			continue
		}
		outcomes = append(outcomes, Outcome{Called: name, Name: r.name})
		rooms = append(rooms, r)
	}
	return outcomes, rooms, ok
}

// enter puts the session into rooms[i], which outcomes[i] is about.
func (s *Session) enter(u *user, rooms []*room, outcomes []Outcome) {
	h := s.hub
	for i, r := range rooms {
		h.mu.Lock()
		s.rooms = append(without(s.rooms, r), r)
		h.mu.Unlock()
		if !r.enter(s, u, h.newRun()) {
			h.mu.Lock()
			s.rooms = without(s.rooms, r)
			h.mu.Unlock()
			outcomes[i].Err = errNoRoom(outcomes[i].Called)
		}
	}
}

// Leave takes the user, with all its sessions, out of each of the rooms, and
// ends its membership. The outcomes tell of each: CodeRoomNotFound, or
// CodeNotAMember when the user neither was there nor was a member.
func (s *Session) Leave(ctx context.Context, called ...string) ([]Outcome, error) {
	u, err := s.named()
	if err != nil {
		return nil, err
	}
	outcomes := make([]Outcome, 0, len(called))
	for _, name := range called {
		r := s.hub.room(name)
		if r == nil {
			outcomes = append(outcomes, Outcome{Called: name, Err: errNoRoom(name)})
			continue
		}
		err := s.leave(ctx, u, r)
		if refusal := (*parley.Error)(nil); err != nil && !errors.As(err, &refusal) {
			return nil, err
		}
		outcomes = append(outcomes, Outcome{Called: name, Name: r.name, Err: err})
	}
	return outcomes, nil
}

func (s *Session) leave(ctx context.Context, u *user, r *room) error {
	h := s.hub
	was := false
	exit := func() { was = h.exitAll(u, r, s) || was }
	if u.IsAccount() {
		err := h.journal.do(ctx, &change{
			check: func() error { return stillThere([]*room{r}) },
			store: func(tx Tx) (err error) {
				if was, err = tx.SetMember(r.id, u.ID, false); was {
					r.left(h.now())
				}
				return err
			},
			apply: exit,
		})
		if err != nil {
			return err
		}
	} else {
		exit()
	}
	if !was {
		return parley.Errorf(parley.CodeNotAMember, "you are not in the room %s", r.name)
	}
	return nil
}

// exitAll takes all sessions of u out of a room; false when there were none.
func (h *Hub) exitAll(u *user, r *room, asked *Session) bool {
	gone := r.exitAll(u, asked, h.newRun(), h.now())
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range gone {
		s.rooms = without(s.rooms, r)
	}
	return len(gone) > 0
}

// Members lists the users in a room, from the first one behind after. Any named
// session may ask.
func (s *Session) Members(called, after string) ([]parley.Name, error) {
	r, err := s.visible(called)
	if err != nil {
		return nil, err
	}
	return sortedAfter(r.members(), after), nil
}

// visible finds a room that the session may see: all, for any named one.
func (s *Session) visible(called string) (*room, error) {
	if _, err := s.inRooms(); err != nil {
		return nil, err
	}
	if r := s.hub.room(called); r != nil {
		return r, nil
	}
	return nil, errNoRoom(called)
}

// MyRooms lists the rooms that the account is a member of, from the first one
// behind after. CodeForbidden for guests.
func (s *Session) MyRooms(ctx context.Context, after string) ([]parley.Name, error) {
	u, err := s.accountUser()
	if err != nil {
		return nil, err
	}
	return s.hub.store.RoomsOf(ctx, u.ID, foldedAfter(after), s.hub.limits.Page)
}

// Topic gives a room's topic, which may be empty.
func (s *Session) Topic(called string) (string, error) {
	r, err := s.visible(called)
	if err != nil {
		return "", err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.topic, nil
}

// SetTopic gives a room another topic, or none. Who is in an open room may.
// CodeNotAMember, CodeForbidden, CodeRequestTooLong.
func (s *Session) SetTopic(ctx context.Context, called, topic string) error {
	r, err := s.visible(called)
	if err != nil {
		return err
	}
	h := s.hub
	u, err := s.named()
	switch {
	case err != nil:
		return err
	case len(topic) > h.limits.Topic:
		return parley.Errorf(parley.CodeRequestTooLong, "a topic has at most %d bytes", h.limits.Topic)
	case !r.has(s):
		return parley.Errorf(parley.CodeNotAMember, "join the room %s before you change its topic", r.name)
	case !r.open:
		return parley.Errorf(parley.CodeForbidden, "you may not change the topic of %s", r.name)
	}
	m := &parley.Message{Conversation: r.id, Kind: parley.KindTopic, Sender: u.ID, SenderName: u.Name.String(), Text: topic}
	return h.journal.do(ctx, &change{
		check: func() error { return stillThere([]*room{r}) },
		store: func(tx Tx) error {
			_, err := tx.Append(&Record{Message: m})
			return err
		},
		apply: func() {
			run := h.newRun()
			run.add(parley.TopicSet{Room: r.name, Message: *m}, s)
			r.mu.Lock()
			r.topic = topic
			r.publish(run)
			r.mu.Unlock()
		},
	})
}
