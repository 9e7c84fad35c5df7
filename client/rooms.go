package client

import (
	"errors"

	"github.com/parley-chat/parley"
)

const (
	// mostBehind is how many rooms are read up at once.
	mostBehind = 4
	// mostHeld is how many messages are kept of a room while its history is read.
	mostHeld = 256
)

// A place is where a message stands.
type place struct {
	conversation parley.ConversationID
	seq          int64
}

func placeOf(m *parley.Message) place { return place{m.Conversation, m.Seq} }

// id gives the place as the server calls it; empty for the beginning.
func (p place) id() string {
	m := parley.Message{Conversation: p.conversation, Seq: p.seq}
	return m.ID()
}

// covers tells whether what stands at q comes no later than what stands at p. Places
// of two conversations have no order: the later one is a room made anew.
func (p place) covers(q place) bool { return p.conversation == q.conversation && q.seq <= p.seq }

// A room is one that the session is in, and how far the program was told of it.
//
// It is live, or behind. Live, what is pushed is told. Behind, the history is read from
// last on, page by page, by at most mostBehind rooms at once (1.8.8). From the moment
// at which a room's first page is asked for, its pushes are held. When a page is empty,
// or reaches into what is held, no message is missing between the two: what is held
// and was not in a page is told, and the room is live. When more is pushed than is held,
// it is all dropped, since it is in the history by now, and holding begins anew.
type room struct {
	name  parley.Name // as the server calls it, as far as that is known
	last  place       // told up to here, our own included
	floor place       // what is pushed up to here was in a page already
	known bool        // there is a last, the beginning perhaps
	live  bool

	// While the room is behind.
	reading bool           // it is one of those read up; what is pushed is held
	held    []parley.Said  // pushed since, in order
	torn    bool           // what was held when the page was asked for is not any more
	own     map[int64]bool // said on our connection: they are not told, as they would not be live
}

// rooms are those that a session is in. The client's lock guards them.
type rooms struct {
	all     map[string]*room // by key
	behind  []*room          // to be read up, in this order
	reading int              // being read up
}

// clear forgets all rooms: the session is somebody else.
func (rs *rooms) clear() { *rs = rooms{all: map[string]*room{}} }

// lost notes that the connection ended: every room is behind.
func (rs *rooms) lost() {
	for _, r := range rs.all {
		r.live, r.reading, r.held, r.torn = false, false, nil, false
	}
	rs.behind, rs.reading = nil, 0
}

// forget takes a room away.
func (rs *rooms) forget(key string) {
	if r := rs.all[key]; r != nil {
		r.stopReading(rs)
		delete(rs.all, key)
	}
}

func (r *room) stopReading(rs *rooms) {
	if r.reading {
		r.reading, r.held, r.torn = false, nil, false
		rs.reading--
	}
}

// joining is called before a join is sent: what is pushed may overtake its answer. It
// is under mu.
func (c *Client) joining(cn *conn, j *request) {
	if len(j.args()) != 1 {
		return // it will be refused
	}
	called := name(j.args()[0])
	r := c.rooms.all[called.Key()]
	if r != nil && !j.follows {
		return // it is in there, and all it does is asking again
	}
	fresh := &room{name: called, live: !j.follows, last: j.after, known: j.follows}
	if r == nil {
		c.rooms.all[called.Key()] = fresh
	}
	if !j.follows {
		// What was said last, in case nothing more comes before the connection is lost.
		latest := newRequest("history", j.args()[0], "", "", "1")
		latest.then = func(_ *request, values []string, err error) {
			c.mu.Lock()
			defer c.mu.Unlock()
			if m := messages(values); err == nil && !fresh.known {
				fresh.known = true
				if len(m) > 0 {
					fresh.last = placeOf(&m[0])
				}
			}
		}
		cn.start(latest)
	}
	j.then = func(_ *request, _ []string, err error) { c.joined(cn, fresh, err) }
}

// joined takes the answer to a join. It is the reader's.
func (c *Client) joined(cn *conn, fresh *room, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := fresh.name.Key()
	switch now := c.rooms.all[key]; {
	case err != nil && now == fresh:
		c.rooms.forget(key)
	case err == nil && !fresh.live:
		if now != fresh {
			c.rooms.forget(key)
			c.rooms.all[key] = fresh
		}
		c.rooms.behind = append(c.rooms.behind, fresh)
		c.readUp(cn)
	}
}

// said takes a message that was pushed. It is the reader's.
func (c *Client) said(e parley.Said) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.rooms.all[e.Room.Key()]
	switch at := placeOf(&e.Message); {
	case r == nil || e.Seq == 0:
		c.tell(e, len(e.Text))
	case r.live && r.floor.covers(at):
	case r.live && c.events.put(e, len(e.Text)):
		r.name = e.Room
		r.reached(at)
	case r.live && !r.known:
		c.events.miss() // it is not known where to go on
	case r.live:
		r.live = false
		c.rooms.behind = append(c.rooms.behind, r)
	case r.reading && len(r.held) < mostHeld:
		r.held = append(r.held, e)
	case r.reading:
		r.held, r.torn = nil, true
	}
}

// reached notes that the program knows all up to a place.
func (r *room) reached(at place) {
	if !r.last.covers(at) {
		r.last, r.known = at, true
	}
}

// spoke notes what was said on our connection: it is not pushed to us, and is not news
// from the history either.
func (c *Client) spoke(to, id string) {
	conversation, seq, err := parley.ParseID(id)
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.rooms.all[name(to).Key()]
	if err != nil || r == nil {
		return
	}
	at := place{conversation, seq}
	switch {
	case r.last.covers(at):
	case r.live:
		r.reached(at) // what stands before it was pushed before it was answered
	default:
		if r.own == nil {
			r.own = map[int64]bool{}
		}
		r.own[seq] = true
	}
}

// readUp begins with rooms that are behind, unless the program has too much to read
// already. It is called under mu, also when there is room again.
func (c *Client) readUp(cn *conn) {
	for len(c.rooms.behind) > 0 && !c.events.crowded() {
		r := c.rooms.behind[0]
		if !r.reading && c.rooms.reading == mostBehind {
			return
		}
		c.rooms.behind = c.rooms.behind[1:]
		if c.rooms.all[r.name.Key()] != r {
			continue // it was left
		}
		if !r.reading {
			r.reading, r.held, r.torn = true, nil, false
			c.rooms.reading++
		}
		page := newRequest("history", r.name.String(), "after", r.last.id(), "200")
		page.then = func(_ *request, values []string, err error) { c.page(cn, r, values, err) }
		cn.start(page)
	}
}

// page takes a page of a room's history. It is the reader's.
func (c *Client) page(cn *conn, r *room, values []string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.rooms.all[r.name.Key()] != r || !r.reading: // it was left
		c.readUp(cn)
		return
	case err != nil:
		c.pageRefused(cn, r, err)
		return
	}
	torn, before := r.torn, r.last
	r.torn = false
	messages := messages(values)
	for _, m := range messages {
		if !c.catchUp(r, parley.Said{Room: r.name, Message: m}) {
			return
		}
	}
	if len(messages) > 0 && r.last == before {
		cn.end(&ConnError{Err: errEndless})
		return
	}
	reaches := len(r.held) > 0 && r.last.covers(placeOf(&r.held[0].Message))
	if reaches || len(messages) == 0 && !torn {
		for _, e := range r.held {
			if !r.last.covers(placeOf(&e.Message)) && !c.catchUp(r, e) {
				return
			}
		}
		c.live(r)
	} else {
		c.rooms.behind = append([]*room{r}, c.rooms.behind...)
	}
	c.readUp(cn)
}

// live ends the reading up of a room.
func (c *Client) live(r *room) {
	r.stopReading(&c.rooms)
	r.live, r.floor = true, r.last
	for seq := range r.own {
		r.reached(place{r.last.conversation, seq})
	}
	r.own = nil
}

// catchUp tells what was said in a room, if it is not our own. When there is no room for
// it, reading goes on from there later.
func (c *Client) catchUp(r *room, e parley.Said) bool {
	if !r.own[e.Seq] && !c.events.put(e, len(e.Text)) {
		r.stopReading(&c.rooms)
		c.rooms.behind = append(c.rooms.behind, r)
		return false
	}
	delete(r.own, e.Seq)
	r.reached(placeOf(&e.Message))
	return true
}

// pageRefused deals with a history that cannot be read.
func (c *Client) pageRefused(cn *conn, r *room, err error) {
	switch {
	case errors.Is(err, &parley.Error{Code: parley.CodeSyntax}) && r.last != (place{}):
		// The id is of another conversation: the room was deleted, and there is another one
		// of its name. All of that is new.
		r.last, r.own = place{}, nil
		c.rooms.behind = append([]*room{r}, c.rooms.behind...)
	case errors.Is(err, &parley.Error{Code: parley.CodeRoomNotFound}):
		c.rooms.forget(r.name.Key())
		c.events.tell(parley.RoomDeleted{Room: r.name})
	default:
		// It is tried again on the next connection.
		cn.end(&ConnError{Err: errors.New("the history of " + r.name.String() + " cannot be read: " + err.Error())})
		return
	}
	c.readUp(cn)
}
