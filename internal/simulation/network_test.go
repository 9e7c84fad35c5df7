package simulation

import (
	"bufio"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley/internal/memnet"
)

// weather is what the network of one world is like.
type weather struct {
	slices []int         // of which a direction takes one: the bytes that go at once, at most
	pause  time.Duration // between them, at most
	stalls float64       // the chance of a direction to stand still now and then
	resets float64       // the chance of a connection to be reset
	filler int           // bytes that a text has at most beside its name
}

var weathers = []weather{
	{slices: []int{4096}, pause: 200 * time.Microsecond, filler: 2000},
	{slices: []int{1, 16, 4096}, pause: time.Millisecond, resets: 0.2, filler: 20},
	{slices: []int{64, 256, 4096}, pause: 20 * time.Millisecond, stalls: 0.2, resets: 0.3, filler: 200},
	{slices: []int{512, 2048}, pause: 5 * time.Millisecond, stalls: 0.6, filler: 3000},
	{slices: []int{16, 4096}, pause: 3 * time.Millisecond, resets: 0.9, filler: 50},
}

// longStall is longer than a server waits for a peer that takes nothing.
const longStall = 25 * time.Second

// wire is one connection through the network: two connections in memory, of
// which the client has an end of the one and the server of the other, and two
// links between.
type wire struct {
	world *world
	name  string // of the session, for the trace
	line  bool

	near *memnet.Conn // towards the client
	far  *memnet.Conn // towards the server

	rough atomic.Bool // it stood still for long or was reset
}

// link is one direction. Its draws are its own.
type link struct {
	*wire
	rng      *rand.Rand
	from, to *memnet.Conn
	what     string // for the trace
	slice    int
	pause    time.Duration
	stalls   bool
	clock    *time.Timer
}

// wire makes a connection, of which client and server are the ends. Its
// goroutines end with it; run waits for them.
func (w *world) wire(name string, line bool, n int) (client, server *memnet.Conn, made *wire) {
	rng := w.stream(ofWires, n)
	made = &wire{world: w, name: name, line: line}
	client, made.near = memnet.Pipe(1 << 30) // a client never waits to say something
	made.far, server = memnet.Pipe([]int{256, 2048, 65536}[rng.IntN(3)])
	for direction, l := range []*link{
		{what: "to the server", from: made.near, to: made.far},
		{what: "to the client", from: made.far, to: made.near},
	} {
		l.wire, l.rng = made, w.stream(ofLinks, 2*n+direction)
		l.slice = w.weather.slices[rng.IntN(len(w.weather.slices))]
		l.pause, l.stalls = w.weather.pause, rng.Float64() < w.weather.stalls
		if direction == 0 {
			w.links.Go(l.up)
		} else {
			w.links.Go(l.down)
		}
	}
	if rng.Float64() < w.weather.resets {
		after := upTo(rng, 3*time.Second)
		time.AfterFunc(after, func() { made.reset(rng.IntN(2) == 0) })
	}
	return client, server, made
}

// reset breaks the connection at one end; the links carry it to the other.
func (w *wire) reset(near bool) {
	w.rough.Store(true)
	w.world.note("%s is reset", w.name)
	w.world.count(func(s *stats) { s.resets++ })
	if near {
		w.near.Reset()
	} else {
		w.far.Reset()
	}
}

// wait lets a slice take its time.
func (l *link) wait(bytes int) {
	l.pass(upTo(l.rng, l.pause))
	// Once in some 2 KiB, however small the slices are.
	if l.stalls && l.rng.IntN(2048) < bytes {
		stall := upTo(l.rng, longStall)
		l.rough.Store(true)
		l.world.note("%s stands still %s for %v", l.name, l.what, stall)
		l.pass(stall)
	}
}

// pass lets time go by, with one timer for all of it: most of what happens in a
// world is this.
func (l *link) pass(d time.Duration) {
	if l.clock == nil {
		l.clock = time.NewTimer(d)
	} else {
		l.clock.Reset(d)
	}
	<-l.clock.C
}

// up carries what the client says. A server that has closed still lets the
// client say it, to nobody.
func (l *link) up() {
	in := bufio.NewReader(l.from)
	if l.line {
		// The first read of the line door decides about the rest of them, so
		// the first line arrives in one piece.
		first, _ := in.ReadBytes('\n')
		l.wait(0)
		l.to.Write(first)
	}
	buf := make([]byte, l.slice)
	for {
		n, err := in.Read(buf[:1+l.rng.IntN(l.slice)])
		l.wait(n)
		if n > 0 {
			l.to.Write(buf[:n]) // what cannot be written is lost, as it would be
		}
		switch {
		case errors.Is(err, io.EOF):
			l.to.CloseWrite()
			return
		case err != nil:
			l.to.Reset()
			return
		}
	}
}

// down carries what the server says. When nobody is there to hear it, the
// server learns that.
func (l *link) down() {
	buf := make([]byte, l.slice)
	for {
		n, err := l.from.Read(buf[:1+l.rng.IntN(l.slice)])
		l.wait(n)
		if n > 0 {
			if _, err := l.to.Write(buf[:n]); err != nil {
				l.from.Reset()
				return
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			l.to.CloseWrite()
			return
		case err != nil:
			l.to.Reset()
			return
		}
	}
}

// watched is the server's end, and looks after the server: only one goroutine
// at a time writes, and a peer that takes nothing is given up in time (T06).
type watched struct {
	*memnet.Conn
	wire    *wire
	most    time.Duration
	writing atomic.Bool
	begun   time.Time // when the peer last took something, or was given something first
}

func (c *watched) Write(b []byte) (int, error) {
	if !c.writing.CompareAndSwap(false, true) {
		c.wire.world.fault("%s: two goroutines write to it", c.wire.name)
	}
	defer c.writing.Store(false)
	if wrote := c.wire.world.plant.wrote; wrote != nil && !wrote(c, b) {
		return len(b), nil
	}
	if c.begun.IsZero() {
		c.begun = time.Now()
	}
	n, err := c.Conn.Write(b)
	stuck := time.Since(c.begun)
	if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		c.begun = time.Time{}
	}
	if n == 0 && err != nil && stuck > c.most {
		c.wire.world.fault("%s: the server still waits for a peer that took nothing for %v", c.wire.name, stuck)
	}
	return n, err
}
