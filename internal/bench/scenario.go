package bench

import (
	"context"
	"fmt"
	"time"
)

// A scenario is a row of what can be measured.
type scenario struct {
	name    string
	about   string
	run     func(ctx context.Context, b *run) error
	clients int   // usually
	members int   // of a room; 0: everybody
	rooms   bool  // the caller may choose members
	senders int   // of a room; 0: every member
	windows []int // usually
	posts   bool  // what is counted are the answers to one's own messages
	alone   bool  // a second round would measure something else: memory, of a process that is known
	leaves  bool  // clients come and go
}

var scenarios = []scenario{
	{
		name: "fan-out", about: "one room; what one says, all others are sent",
		run: playRooms, clients: 1000, senders: 1, windows: []int{1, 16, 256},
	},
	{
		name: "rooms", about: "many rooms; every member speaks in turn",
		run: playRooms, clients: 1000, members: 10, rooms: true, windows: []int{1, 256},
	},
	{
		name: "pairs", about: "private messages between two, both ways, many pairs",
		run: playPairs, clients: 1000, members: 2, windows: []int{1, 256},
	},
	{
		name: "posts", about: "rooms of one; how fast a sender's messages are acknowledged",
		run: playRooms, clients: 1, members: 1, windows: []int{1, 256}, posts: true,
	},
	{
		name: "idle", about: "resident memory of clients that do nothing",
		run: idle, clients: 1000, alone: true,
	},
	{
		name: "connect", about: "connect, say a name, leave",
		run: connect, clients: 5000, leaves: true,
	},
	{
		name: "join", about: "all clients enter one room, and are told of each other",
		run: join, clients: 1000,
	},
}

// Scenarios gives the names of all scenarios.
func Scenarios() []string {
	var names []string
	for _, s := range scenarios {
		names = append(names, s.name)
	}
	return names
}

// About gives one line about a scenario.
func About(name string) string {
	for _, s := range scenarios {
		if s.name == name {
			return s.about
		}
	}
	return ""
}

func playRooms(ctx context.Context, b *run) error {
	if err := b.connect(ctx); err != nil {
		return err
	}
	b.say("entering rooms", 0)
	if err := b.engine.enter(ctx, b.o.Members, b.o.Inflight); err != nil {
		return err
	}
	return b.playAll(ctx, false)
}

func playPairs(ctx context.Context, b *run) error {
	if err := b.connect(ctx); err != nil {
		return err
	}
	return b.playAll(ctx, true)
}

// connect brings up all clients.
func (b *run) connect(ctx context.Context) error {
	b.say("connecting", 0)
	return b.engine.connect(ctx, b.o.Clients, b.o.Inflight, b.engine.accepts)
}

// playAll plays the loads one after the other.
func (b *run) playAll(ctx context.Context, private bool) error {
	e := b.engine
	e.speak(b.o.Members, b.o.Senders, private)
	e.quiet(ctx, time.Minute) // what the joins still cause
	for _, w := range b.o.Windows {
		if err := b.measure(ctx, load{window: w}); err != nil {
			return err
		}
	}
	for _, r := range b.o.Rates {
		if err := b.measure(ctx, load{rate: r}); err != nil {
			return err
		}
	}
	return nil
}

// idle measures what the server's memory has grown by when clients have said a
// name, and what they cost while they do nothing.
func idle(ctx context.Context, b *run) error {
	e, pid := b.engine, b.target.PID
	var before int64
	if pid != 0 {
		var err error
		if before, err = processResident(pid); err != nil {
			return err
		}
	}
	if err := b.connect(ctx); err != nil {
		return err
	}
	b.say("settling", 0)
	e.pass(ctx, b.o.Settle)
	r := b.result("idle", "client")
	m, err := startMeter(pid)
	if err != nil {
		return err
	}
	b.say("idle", 0)
	e.pass(ctx, b.o.For)
	if err := m.stop(&r, int64(b.o.Clients), 0); err != nil {
		return err
	}
	r.PerSecond = 0 // nothing was done
	if pid != 0 {
		now, err := processResident(pid)
		if err != nil {
			return err
		}
		r.Memory = &Memory{Before: before, Resident: now, PerClient: float64(now-before) / float64(b.o.Clients)}
	}
	b.add(r)
	return e.verdict("being idle")
}

// connect measures connections that come, say a name, and go.
func connect(ctx context.Context, b *run) error {
	e := b.engine
	e.onAccepted = e.leave
	if b.o.Goodbye {
		e.onAccepted = e.goodbye
	}
	b.say("warming up", 0)
	if err := e.connect(ctx, min(b.o.Clients, 200), b.o.Inflight, e.goes); err != nil {
		return err
	}
	e.quiet(ctx, time.Second)
	m, err := startMeter(b.target.PID)
	if err != nil {
		return err
	}
	begun, before := time.Now(), e.nGone
	b.say("connecting", 0)
	arrived := func() int {
		b.share = float64(e.nGone-before) / float64(b.o.Clients)
		return e.nGone
	}
	if err := e.connect(ctx, b.o.Clients, b.o.Inflight, arrived); err != nil {
		return err
	}
	took := time.Since(begun)
	e.pass(ctx, e.calm) // the server clears up
	r := b.result("connect", "connection")
	if err := m.stop(&r, int64(b.o.Clients), took); err != nil {
		return err
	}
	b.add(r)
	return nil
}

// goes counts the clients that have left.
func (e *engine) goes() int { return e.nGone }

// leave ends a client's connection without a word.
func (e *engine) leave(c *client) {
	c.state = leaving
	e.down(c, nil)
}

// goodbye has a client say that it leaves. The server closes.
func (e *engine) goodbye(c *client) {
	c.state = leaving
	c.out = e.dialect.bye(c.out)
	e.touch(c)
}

// join measures how all clients enter one room, until each has been told of each
// as far as the protocol tells.
func join(ctx context.Context, b *run) error {
	e := b.engine
	if err := b.connect(ctx); err != nil {
		return err
	}
	e.quiet(ctx, time.Minute)
	m, err := startMeter(b.target.PID)
	if err != nil {
		return err
	}
	begun := time.Now()
	e.notices = 0
	b.say("joining", 0)
	if err := e.enter(ctx, b.o.Clients, b.o.Inflight); err != nil {
		return err
	}
	due := e.dialect.joinNotices(b.o.Clients)
	if err := e.await(ctx, "waiting for news of who came", func() bool { return e.notices >= due }); err != nil {
		return err
	}
	took := time.Since(begun)
	r := b.result("join", "join")
	if err := m.stop(&r, int64(b.o.Clients), took); err != nil {
		return err
	}
	e.quiet(ctx, time.Second)
	if due > 0 && e.notices != due {
		return fmt.Errorf("%d notices of who came, instead of %d", e.notices, due)
	}
	b.add(r)
	return nil
}
