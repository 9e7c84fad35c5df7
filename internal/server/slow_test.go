package server_test

import (
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley"
)

// crowd is a room with a speaker, a listener who keeps up, and a victim who
// reads as little as the test lets it. What the victim has not read of 4096
// bytes stays with the server.
type crowd struct {
	speaker, listener *textClient
	victim            *client
}

const victimBuffer = 4096

func newCrowd(h *host, door string) *crowd {
	h.t.Helper()
	c := &crowd{speaker: h.guest("speaker"), listener: h.guest("listener")}
	c.listener.ok("join", "lobby")
	c.victim = newClient(h.t, h.memory(door, victimBuffer))
	if door == "text" {
		v := &textClient{c.victim}
		v.ok("guest", "victim")
		v.ok("join", "lobby")
	} else {
		v := &lineClient{c.victim}
		v.send("victim")
		v.want("Welcome*")
		v.send("join lobby")
		v.want("Joined lobby (ok)")
	}
	c.listener.want("joined", "lobby", "victim")
	return c
}

// flood says n texts of 4000 bytes in the room; each is answered, and the
// listener gets each, whatever the victim does.
func (c *crowd) flood(n int) {
	c.speaker.t.Helper()
	for i := range n {
		text := fmt.Sprintf("%04d%s", i, strings.Repeat("x", 3996))
		c.speaker.ok("say", "lobby", text)
		if got := c.listener.recv(); len(got) != 6 || got[5] != text {
			c.speaker.t.Fatalf("the listener got %q, want the text %d", cut([]byte(strings.Join(got, ","))), i)
		}
	}
}

// gone waits until the others hear that the victim has gone, which must not be
// before least nor after most.
func (c *crowd) gone(begin time.Time, least, most time.Duration) {
	t := c.listener.t
	t.Helper()
	for c.listener.recv()[0] != "left" { // the victim may have said something
	}
	if got := time.Since(begin); got < least || got > most {
		t.Errorf("the victim was gone after %v, want %v to %v", got, least, most)
	}
	synctest.Wait() // others hear of it a moment before the name is free
	if got := c.speaker.ask("members", "lobby"); !like(got, []string{"members", "listener"}) {
		t.Errorf("members: got %q", got)
	}
}

func smallOutbox(l *parley.Limits) { l.Outbox = 64 << 10 }

// T06: what waits for one peer is bounded; it is cut, and nobody else waits.
func TestPeerThatNeverReads(t *testing.T) {
	for _, door := range []string{"text", "line"} {
		for _, tt := range []struct {
			name  string
			texts int
		}{
			{name: "a little more than its buffer", texts: 3},
			{name: "less than its outbox", texts: 15},
			{name: "more than its outbox", texts: 60},
		} {
			t.Run(door+", "+tt.name, func(t *testing.T) {
				bubble(t, func(t *testing.T, h *host) {
					c := newCrowd(h, door)
					begin := time.Now()
					c.flood(tt.texts)
					if took := time.Since(begin); took != 0 {
						t.Errorf("the others waited %v", took)
					}
					c.gone(begin, 10*time.Second, 11*time.Second) // Limits.Write
					h.guest("victim")                             // the name is free
				}, limits(smallOutbox))
			})
		}
	}
}

// Who is cut and then reads again gets whole messages and the reason.
func TestSlowConsumerIsToldWhy(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		c := newCrowd(h, "text")
		begin := time.Now()
		c.flood(60)
		pass(9 * time.Second)
		if got := (&textClient{c.victim}).fatal("slow_consumer"); got < 1 || got > 18 {
			t.Errorf("got %d pushes before the end, want 1 to 18: 64 KiB and what was being written", got)
		}
		c.gone(begin, 9*time.Second, 9*time.Second)
	}, limits(smallOutbox))
	bubble(t, func(t *testing.T, h *host) {
		c := newCrowd(h, "line")
		c.flood(60)
		pass(9 * time.Second)
		v := &lineClient{c.victim}
		line := v.recv()
		for n := 0; strings.HasPrefix(line, "speaker says in room lobby "); n++ {
			if n > 18 {
				t.Fatalf("got %d messages, want at most 18", n)
			}
			line = v.recv()
		}
		if want := "Error: " + parley.ErrSlowConsumer.Message; line != want {
			t.Errorf("the last message is %q, want %q", line, want)
		}
		v.ended()
	}, limits(smallOutbox))
}

// A peer that takes a byte now and then is not gone, but once it is cut it
// cannot keep its name by that.
func TestPeerThatDripsIsGoneOnceItIsCut(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		c := newCrowd(h, "text")
		stop := make(chan struct{})
		defer close(stop)
		go func() { // ends with the test
			for tick := time.NewTicker(9 * time.Second); ; {
				select {
				case <-tick.C:
					io.ReadFull(c.victim.r, make([]byte, 1))
				case <-stop:
					return
				}
			}
		}()
		begin := time.Now()
		c.flood(60)
		c.gone(begin, 0, 20*time.Second)
	}, limits(smallOutbox), neverSilent)
}

// F70: 1,000 requests from a peer that never reads its answers: the server
// stops reading, and drops it.
func TestAnswersNobodyReads(t *testing.T) {
	for _, tt := range []struct {
		name, door string
		request    []byte
		answer     int // bytes, at least
	}{
		{name: "text", door: "text", request: frame("req", strings.Repeat("x", 1000), "help"), answer: 2500},
		{name: "text, posts", door: "text", request: frame("req", strings.Repeat("x", 3000), "tell", "victim", "hi"), answer: 3000},
		{name: "line", door: "line", request: []byte("frobnicate" + strings.Repeat("x", 1000) + "\n"), answer: 9},
		{name: "line, own copies", door: "line", request: []byte("send lobby - " + strings.Repeat("x", 1000) + "\n"), answer: 1000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, h *host) {
				c := newCrowd(h, tt.door)
				begin := time.Now()
				var sent atomic.Int64
				go func() { // ends when the server hangs up
					for range 10_000 {
						n, err := c.victim.Write(tt.request)
						sent.Add(int64(n))
						if err != nil {
							return
						}
					}
				}()
				pass(5 * time.Second)
				// What was read makes Limits.Answers bytes of answers and one round more.
				most := (parley.DefaultLimits().Answers/tt.answer + 2) * len(tt.request)
				if got := int(sent.Load()) + len(tt.request) - c.victim.Conn.(*conn).untaken() - 2*4608 - 2*victimBuffer; got > most {
					t.Errorf("the server read %d bytes more than what waits in buffers, want at most %d", got, most)
				}
				c.gone(begin, 10*time.Second, 11*time.Second)
			}, limits(func(l *parley.Limits) { l.PostsInFlight = 8 }))
		})
	}
}
