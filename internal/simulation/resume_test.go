package simulation

import (
	"math/rand/v2"
	"net"
	"slices"
	"sync"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/memnet"
	"github.com/parley-chat/parley/wire/textwire"
)

// textEnd is the client's end of a text connection. It notes which messages of
// rooms come, and answers who asks.
type textEnd struct {
	*memnet.Conn
	rest []byte     // the reader's: a part of a frame
	rng  *rand.Rand // the reader's

	writing sync.Mutex

	mu  sync.Mutex
	ids []pushed
}

type pushed struct{ room, id string }

func (e *textEnd) Read(b []byte) (int, error) {
	n, err := e.Conn.Read(b)
	e.rest = append(e.rest, b[:n]...)
	for {
		data, size, bad := textwire.Next(e.rest, parley.DefaultLimits().Frame)
		if size == 0 || bad != nil {
			return n, err
		}
		fields, bad := textwire.Parse(data, 1024)
		switch {
		case bad == nil && len(fields) == 6 && fields[0] == "room":
			e.mu.Lock()
			e.ids = append(e.ids, pushed{fields[1], fields[3]})
			e.mu.Unlock()
		case bad == nil && len(fields) == 5 && fields[0] == "call":
			e.called(fields)
		}
		e.rest = e.rest[size:]
	}
}

// visit is what a session of the text door knows of a room that it is in. A
// program that is cut off goes on behind the last id that it knows, whether it
// was pushed or acknowledged: so it must know all before that one.
type visit struct {
	session, room string
	end           *textEnd
	from          int             // what was pushed before belongs to an earlier visit
	acked         []string        // ids
	own           map[string]bool // texts that the session said
	known         []string        // ids, once the visit is over
}

// comeIn begins a visit.
func (c *client) comeIn(room string) {
	end, ok := c.conn.(*textEnd)
	if !ok || c.visits[room] != nil || c.world.together { // another session may end it
		return
	}
	end.mu.Lock()
	defer end.mu.Unlock()
	c.visits[room] = &visit{session: c.name, room: room, end: end, from: len(end.ids), own: map[string]bool{}}
}

// goOut ends a visit; the world looks at it in the end.
func (c *client) goOut(room string) {
	v := c.visits[room]
	if v == nil {
		return
	}
	delete(c.visits, room)
	v.end.mu.Lock()
	defer v.end.mu.Unlock()
	v.known = slices.Clone(v.acked)
	for _, p := range v.end.ids[v.from:] {
		if p.room == room {
			v.known = append(v.known, p.id)
		}
	}
	c.world.mu.Lock()
	defer c.world.mu.Unlock()
	c.world.visits = append(c.world.visits, v)
}

// resumable finds what clients would miss that go on where they ended.
func (w *world) resumable() {
	rooms := map[string][]parley.Message{}
	for id, room := range w.disk.rooms {
		rooms[room.Name.String()] = w.disk.conversations[id].messages
	}
	for _, v := range w.visits {
		if len(v.known) == 0 {
			continue
		}
		first, last := slices.Min(v.known), slices.Max(v.known)
		for _, m := range rooms[v.room] {
			id := m.ID()
			if m.Kind == parley.KindMessage && first < id && id < last && !v.own[m.Text] && !slices.Contains(v.known, id) {
				w.fault("%s was never told of %.12q (%s) in %s, and knows %s: going on behind that, it misses it", v.session, m.Text, id, v.room, last)
			}
		}
	}
}

var _ net.Conn = (*textEnd)(nil)
