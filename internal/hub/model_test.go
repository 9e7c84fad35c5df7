package hub_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
)

// model is what a hub should be: the rules of rooms and identities, written as
// plainly as possible, without any concurrency or disk.
type model struct {
	sessions []*modelSession
	rooms    map[string]*modelRoom
	accounts map[string]map[string]bool // name -> rooms it is a member of
}

type modelSession struct {
	actor   *actor
	name    string // "" is nobody
	account bool
	in      map[string]bool
	expects []string
}

type modelRoom struct{ said []string }

func (m *model) online(name string) bool {
	return slices.ContainsFunc(m.sessions, func(s *modelSession) bool { return s.name == name })
}

// inRoom tells whether any session of a user is in a room.
func (m *model) inRoom(name, room string) bool {
	return slices.ContainsFunc(m.sessions, func(s *modelSession) bool { return s.name == name && s.in[room] })
}

// tell makes every session in a room but one expect a line.
func (m *model) tell(room string, but *modelSession, line string) {
	for _, s := range m.sessions {
		if s != but && s.in[room] {
			s.expects = append(s.expects, line)
		}
	}
}

// release ends a session's identity.
func (m *model) release(s *modelSession) {
	for _, room := range slices.Sorted(maps.Keys(s.in)) {
		delete(s.in, room)
		if !m.inRoom(s.name, room) {
			m.tell(room, s, "left "+room+" "+s.name)
		}
	}
	s.name, s.account = "", false
}

var (
	modelAccounts = []string{"anna", "berta"}
	modelGuests   = []string{"gast", "hugo"}
	modelRooms    = []string{"lobby", "den", "attic"}
)

// TestHubIsTheModel runs random verbs on a hub and on the model, one after the
// other, and compares what every session hears and every list shows.
func TestHubIsTheModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		m := &model{rooms: map[string]*modelRoom{"lobby": {}}, accounts: map[string]map[string]bool{}}
		for _, name := range modelAccounts {
			w.account(name).End("set up")
			m.accounts[name] = map[string]bool{}
		}
		for range 4 {
			m.sessions = append(m.sessions, &modelSession{actor: w.attach(), in: map[string]bool{}})
		}
		anyone := rapid.SampledFrom(m.sessions)
		rt.Repeat(map[string]func(*rapid.T){
			"login":  func(rt *rapid.T) { m.login(rt, w, anyone.Draw(rt, "session")) },
			"guest":  func(rt *rapid.T) { m.guest(rt, w, anyone.Draw(rt, "session")) },
			"logout": func(rt *rapid.T) { m.logout(rt, w, anyone.Draw(rt, "session")) },
			"new":    func(rt *rapid.T) { m.newRoom(rt, anyone.Draw(rt, "session")) },
			"join":   func(rt *rapid.T) { m.join(rt, anyone.Draw(rt, "session")) },
			"leave":  func(rt *rapid.T) { m.leave(rt, anyone.Draw(rt, "session")) },
			"say":    func(rt *rapid.T) { m.say(rt, anyone.Draw(rt, "session")) },
			"tell":   func(rt *rapid.T) { m.private(rt, anyone.Draw(rt, "session")) },
			"":       func(rt *rapid.T) { m.compare(rt, w) },
		})
	})
}

func (m *model) login(rt *rapid.T, w *world, s *modelSession) {
	name := rapid.SampledFrom(modelAccounts).Draw(rt, "account")
	if err := s.actor.Login(w.t.Context(), name, "secret"); err != nil {
		rt.Fatalf("login %s: %v", name, err)
	}
	m.release(s)
	s.name, s.account = name, true
}

func (m *model) guest(rt *rapid.T, w *world, s *modelSession) {
	name := rapid.SampledFrom(slices.Concat(modelGuests, modelAccounts)).Draw(rt, "name")
	err := s.actor.Guest(w.t.Context(), name)
	if s.name == name && !s.account {
		if err != nil {
			rt.Fatalf("guest %s, which it is: %v", name, err)
		}
		return
	}
	free := !m.online(name) && m.accounts[name] == nil
	if free != (err == nil) {
		rt.Fatalf("guest %s: %v, but free is %v", name, err, free)
	}
	if free {
		m.release(s)
		s.name = name
	}
}

func (m *model) logout(rt *rapid.T, _ *world, s *modelSession) {
	if err := s.actor.Logout(); (err == nil) != (s.name != "") {
		rt.Fatalf("logout of %q: %v", s.name, err)
	}
	m.release(s)
}

func (m *model) newRoom(rt *rapid.T, s *modelSession) {
	room := rapid.SampledFrom(modelRooms).Draw(rt, "room")
	err := s.actor.NewRoom(s.actor.w.t.Context(), room)
	if may := s.name != "" && m.rooms[room] == nil; may != (err == nil) {
		rt.Fatalf("new %s by %q: %v", room, s.name, err)
	} else if may {
		m.rooms[room] = &modelRoom{}
	}
}

func (m *model) join(rt *rapid.T, s *modelSession) {
	room := rapid.SampledFrom(modelRooms).Draw(rt, "room")
	outcomes, err := s.actor.Join(s.actor.w.t.Context(), room)
	if err == nil {
		err = outcomes[0].Err
	}
	may := s.name != "" && m.rooms[room] != nil
	if may != (err == nil) {
		rt.Fatalf("join %s by %q: %v", room, s.name, err)
	}
	if !may {
		return
	}
	if s.account {
		m.accounts[s.name][room] = true
	}
	if !m.inRoom(s.name, room) {
		m.tell(room, s, "joined "+room+" "+s.name)
	}
	s.in[room] = true
}

func (m *model) leave(rt *rapid.T, s *modelSession) {
	room := rapid.SampledFrom(modelRooms).Draw(rt, "room")
	outcomes, err := s.actor.Leave(s.actor.w.t.Context(), room)
	if err == nil {
		err = outcomes[0].Err
	}
	may := s.name != "" && m.rooms[room] != nil && (m.inRoom(s.name, room) || s.account && m.accounts[s.name][room])
	if may != (err == nil) {
		rt.Fatalf("leave %s by %q: %v, may %v", room, s.name, err, may)
	}
	if !may {
		return
	}
	if m.inRoom(s.name, room) {
		m.tell(room, s, "left "+room+" "+s.name)
	}
	for _, other := range m.sessions {
		if other.name == s.name {
			delete(other.in, room)
		}
	}
	if s.account {
		delete(m.accounts[s.name], room)
	}
}

func (m *model) say(rt *rapid.T, s *modelSession) {
	room := rapid.SampledFrom(modelRooms).Draw(rt, "room")
	r, err := s.actor.post(hub.Draft{To: room, Text: "hello"})
	may := s.name != "" && m.rooms[room] != nil
	if may != (err == nil) {
		rt.Fatalf("say in %s by %q: %v", room, s.name, err)
	}
	if !may {
		return
	}
	of := m.rooms[room]
	of.said = append(of.said, s.name)
	if r.Message.Seq != int64(len(of.said)) {
		rt.Fatalf("say in %s: seq %d, want %d", room, r.Message.Seq, len(of.said))
	}
	m.tell(room, s, fmt.Sprintf("said %s %s %d hello", room, s.name, len(of.said)))
}

func (m *model) private(rt *rapid.T, s *modelSession) {
	to := rapid.SampledFrom(slices.Concat(modelGuests, modelAccounts)).Draw(rt, "to")
	_, err := s.actor.post(hub.Draft{To: to, Private: true, Text: "psst"})
	may := s.name != "" && (m.online(to) || s.account && m.accounts[to] != nil)
	if may != (err == nil) {
		rt.Fatalf("tell %s by %q: %v", to, s.name, err)
	}
	if !may {
		return
	}
	for _, other := range m.sessions {
		switch {
		case other.name == to:
			other.expects = append(other.expects, "told "+s.name+" psst")
		case other.name == s.name && other != s:
			other.expects = append(other.expects, "copy "+to+" psst")
		}
	}
}

// compare holds the hub against the model after every verb.
func (m *model) compare(rt *rapid.T, w *world) {
	online := map[string]bool{}
	for i, s := range m.sessions {
		if got := s.actor.take(); !slices.Equal(sorted(got), sorted(s.expects)) {
			rt.Fatalf("session %d (%q) heard %q, want %q", i, s.name, got, s.expects)
		}
		s.expects = nil
		if s.name != "" {
			online[s.name] = true
		}
	}
	if got, want := shownNames(w.hub.Users("")), slices.Sorted(maps.Keys(online)); !slices.Equal(got, want) {
		rt.Fatalf("users %q, want %q", got, want)
	}
	if got, want := shownNames(w.hub.Rooms("")), slices.Sorted(maps.Keys(m.rooms)); !slices.Equal(got, want) {
		rt.Fatalf("rooms %q, want %q", got, want)
	}
	reader := slices.IndexFunc(m.sessions, func(s *modelSession) bool { return s.name != "" })
	if reader < 0 {
		return
	}
	for room, of := range m.rooms {
		m.compareRoom(rt, m.sessions[reader], room, of)
	}
}

func (m *model) compareRoom(rt *rapid.T, reader *modelSession, room string, of *modelRoom) {
	ctx := reader.actor.w.t.Context()
	var want []string
	for _, name := range sorted(slices.Concat(modelGuests, modelAccounts)) {
		if m.inRoom(name, room) {
			want = append(want, name)
		}
	}
	names, err := reader.actor.Members(room, "")
	if err != nil || !slices.Equal(shownNames(names), want) {
		rt.Fatalf("members of %s %q, %v; want %q", room, shownNames(names), err, want)
	}
	history, err := reader.actor.History(ctx, room, hub.Page{Limit: 200})
	if err != nil || len(history) != min(len(of.said), 200) {
		rt.Fatalf("history of %s has %d messages, %v; want %d", room, len(history), err, len(of.said))
	}
	for i, message := range history {
		if at := len(of.said) - len(history) + i; message.SenderName != of.said[at] || message.Seq != int64(at+1) {
			rt.Fatalf("history of %s at %d: %s %d, want %s %d", room, i, message.SenderName, message.Seq, of.said[at], at+1)
		}
	}
}

func shownNames(names []parley.Name) []string {
	var list []string
	for _, name := range names {
		list = append(list, name.String())
	}
	return list
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }
