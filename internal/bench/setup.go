package bench

import (
	"context"
	"fmt"
)

// connect brings up n more clients and waits until the server has accepted each,
// or until done says otherwise. At most inflight are under way at once.
func (e *engine) connect(ctx context.Context, n, inflight int, arrived func() int) error {
	first, before := len(e.clients), arrived()
	err := e.await(ctx, "connecting", func() bool {
		for len(e.clients)-first < n && len(e.clients)-first-(arrived()-before) < inflight && e.err == nil {
			c := &client{id: len(e.clients), fd: -1}
			c.name = name('b', e.tag, c.id)
			e.clients = append(e.clients, c)
			if err := e.sockets.open(c); err != nil {
				e.down(c, err)
			}
		}
		return arrived()-before >= n
	})
	if err != nil && e.connected == 0 && ctx.Err() == nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return err
}

// accepts counts the clients that have been accepted.
func (e *engine) accepts() int { return e.nAccepted }

// up is called when a client's connection stands.
func (e *engine) up(c *client) {
	e.connected++
	e.progress = e.now
	c.state = hello
	c.out = e.dialect.hello(c.out, c.name)
	e.touch(c)
}

// down is called when a client's connection has ended, or never began.
func (e *engine) down(c *client, why error) {
	e.sockets.drop(c)
	if c.state == leaving {
		e.left(c)
		return
	}
	e.fail(c, "%w", why)
}

// left notes that a client has gone as was meant.
func (e *engine) left(c *client) {
	c.state = gone
	c.out, c.rest = nil, nil
	e.nGone++
	e.progress = e.now
}

// enter brings every client into a room, members of them into each. The first of
// each room makes it, before any other comes.
func (e *engine) enter(ctx context.Context, members, inflight int) error {
	for i := range len(e.clients) / members {
		e.rooms = append(e.rooms, name('r', e.tag, i))
	}
	first := func(i int) int { return i * members }
	if err := e.enterAll(ctx, len(e.rooms), inflight, true, first); err != nil {
		return err
	}
	other := func(i int) int { return i/(members-1)*members + i%(members-1) + 1 }
	return e.enterAll(ctx, len(e.clients)-len(e.rooms), inflight, false, other)
}

// enterAll brings n clients, which pick names by their turn, into their rooms.
func (e *engine) enterAll(ctx context.Context, n, inflight int, create bool, pick func(turn int) int) error {
	asked, before := 0, e.nEntered
	return e.await(ctx, "entering rooms", func() bool {
		for ; asked < n && asked-(e.nEntered-before) < inflight; asked++ {
			c := e.clients[pick(asked)]
			c.room = c.id / (len(e.clients) / len(e.rooms))
			c.out, c.answers = e.dialect.enter(c.out, e.rooms[c.room], create)
			e.touch(c)
		}
		return e.nEntered-before >= n
	})
}

// speak lays out the streams: so many senders in each room, spread over its
// members, or, if private, each of a pair to the other. Streams that follow each
// other are of different rooms, so that the rooms speak in turn; the two of a pair
// speak one after the other.
func (e *engine) speak(members, senders int, private bool) {
	rooms := len(e.clients) / members
	for i := range rooms * senders {
		room, place := i%rooms, i/rooms
		if private {
			room, place = i/senders, i%senders
		}
		from := e.clients[room*members+place*members/senders]
		s := stream{from: from, room: room, place: place, private: private, receivers: members - 1}
		if private {
			s.to = e.clients[room*members+1-place].name
		} else {
			s.to = e.rooms[room]
		}
		s.push, s.copy = e.dialect.heads(from.name, s.to, private)
		e.streams = append(e.streams, s)
	}
	flows := make([]flow, len(e.clients)*senders)
	for i, c := range e.clients {
		c.room = i / members
		c.heard = flows[i*senders : (i+1)*senders : (i+1)*senders]
	}
}

// remember has every sender keep the times of its last n messages, of which no
// more may wait for their answers.
func (e *engine) remember(n int) {
	for i := range e.streams {
		c := e.streams[i].from
		c.posted = make([]int64, n)
		c.said, c.acked = 0, 0
	}
}
