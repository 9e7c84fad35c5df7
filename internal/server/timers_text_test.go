package server_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
)

// part is bytes that a peer sends at a time of its connection.
type part struct {
	at    time.Duration
	bytes string
}

// drip sends each byte of a string alone, with a pause before each but the first.
func drip(bytes string, pause time.Duration) []part {
	var parts []part
	for i := range bytes {
		parts = append(parts, part{time.Duration(i) * pause, bytes[i : i+1]})
	}
	return parts
}

// play sends each part at its time, until the server hangs up.
func play(c *client, parts []part) {
	begin := time.Now()
	for _, p := range parts {
		pass(time.Until(begin.Add(p.at)))
		if _, err := c.Write([]byte(p.bytes)); err != nil {
			return
		}
	}
}

// §1.1: a frame begun but not complete within timeouts.request; T03, F02, F19.
func TestFrameDeadlineIsAbsolute(t *testing.T) {
	longest := "\x00\x01\x00\x00\x00" + strings.Repeat("x", 60)
	nop := string(frame("nop"))
	for _, tt := range []struct {
		name    string
		parts   []part
		want    time.Duration
		answers int // before the fatal error
	}{
		{name: "one byte of a header, then nothing", parts: []part{{0, "\x00"}}, want: 10 * time.Second},
		{name: "a header, then nothing", parts: []part{{0, longest[:5]}}, want: 10 * time.Second},
		{name: "a byte every nine seconds", parts: drip(longest, 9*time.Second), want: 10 * time.Second},
		{name: "a byte every second", parts: drip(longest, time.Second), want: 10 * time.Second},
		{name: "begun late", parts: []part{{3 * time.Minute, "\x00"}}, want: 3*time.Minute + 10*time.Second},
		{
			name:  "the second frame begins with the end of the first",
			parts: []part{{0, nop[:3]}, {9 * time.Second, nop[3:] + "\x00"}}, want: 19 * time.Second, answers: 1,
		},
		{
			name:  "behind a whole frame in one packet",
			parts: []part{{time.Second, nop + nop + nop[:6]}}, want: 11 * time.Second, answers: 2,
		},
		{
			name:  "each frame has its own time",
			parts: append(drip(nop, time.Second), part{8 * time.Second, nop[:7]}), want: 18 * time.Second, answers: 1,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, h *host) {
				begin := time.Now()
				c := h.text()
				go play(c.client, tt.parts) // ends when the server hangs up
				if got := c.fatal("timeout"); got != tt.answers {
					t.Errorf("got %d answers, want %d", got, tt.answers)
				}
				if got := time.Since(begin); got != tt.want {
					t.Errorf("ended after %v, want %v", got, tt.want)
				}
				pass(time.Hour) // until play has ended
			})
		})
	}
}

// §1.1: nothing in either direction for timeouts.session.
func TestSilentSessionEnds(t *testing.T) {
	minutes := func(every, n int) (parts []part) {
		for i := range n {
			parts = append(parts, part{time.Duration((i+1)*every) * time.Minute, string(frame("nop"))})
		}
		return parts
	}
	for _, tt := range []struct {
		name  string
		parts []part
		want  time.Duration
	}{
		{name: "silent from the beginning", want: 10 * time.Minute},
		{name: "nop keeps it alive", parts: minutes(9, 8), want: 82 * time.Minute},
		{name: "one nop, too late for nobody", parts: minutes(9, 1), want: 19 * time.Minute},
		{name: "any request does", parts: []part{{5 * time.Minute, string(frame("frobnicate"))}}, want: 15 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, h *host) {
				begin := time.Now()
				c := h.text()
				go play(c.client, tt.parts)
				if got := c.fatal("timeout"); got != len(tt.parts) {
					t.Errorf("got %d answers, want %d", got, len(tt.parts))
				}
				if got := time.Since(begin); got != tt.want {
					t.Errorf("ended after %v, want %v", got, tt.want)
				}
			})
		})
	}
}

// Anything in either direction counts: also what is only received.
func TestPushesKeepSessionAlive(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		bob, alice := h.guest("bob"), h.guest("alice")
		bob.ok("join", "lobby")
		for range 12 {
			pass(9 * time.Minute)
			alice.ok("say", "lobby", "are you there?")
		}
		last := time.Now()
		if got := bob.fatal("timeout"); got != 12 {
			t.Errorf("got %d pushes, want 12", got)
		}
		if got := time.Since(last); got != 10*time.Minute {
			t.Errorf("ended %v after the last push, want 10m", got)
		}
	})
}

// 0 means never.
func TestSessionTimeoutCanBeOff(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		c := h.guest("alice")
		pass(100 * 24 * time.Hour)
		if got := c.ask("whoami"); !like(got, []string{"user", "alice"}) {
			t.Errorf("whoami after 100 days: %q", got)
		}
		c.raw([]byte{0})
		begin := time.Now()
		c.fatal("timeout")
		if got := time.Since(begin); got != 10*time.Second {
			t.Errorf("a frame that was begun had %v, want 10s", got)
		}
	}, func(s *setup) { s.cfg.Timeouts.Session = "0s" })
}

// slowStore is a store whose commits take a while.
type slowStore struct {
	hub.Store
	takes time.Duration
}

func (s slowStore) Commit(ctx context.Context, write func(hub.Tx) error) error {
	pass(s.takes)
	return s.Store.Commit(ctx, write)
}

func slow(takes time.Duration) func(*setup) {
	return func(s *setup) {
		s.opts.Store = func(kept hub.Store) hub.Store { return slowStore{Store: kept, takes: takes} }
	}
}

// A frame that is complete is not late because what was asked before it is
// still under way, and no session is silent that waits for an answer.
func TestWaitingForTheServerIsNotTheClientsFault(t *testing.T) {
	const commit = 12 * time.Second
	for _, tt := range []struct {
		name    string
		session string
		parts   []part
		want    []string // heads of the answers
	}{
		{
			name: "a request behind a post, in two packets", session: "10m",
			parts: []part{{0, string(frame("say", "lobby", "hi")) + "\x00"}, {9 * time.Second, string(frame("whoami"))[1:]}},
			want:  []string{"ok", "user"},
		},
		{
			name: "a request behind a change, in two packets", session: "10m",
			parts: []part{{0, string(frame("new", "den")) + "\x00"}, {time.Second, string(frame("whoami"))[1:]}},
			want:  []string{"ok", "user"},
		},
		{
			name: "a session shorter than a change", session: "3s",
			parts: []part{{0, string(frame("new", "den"))}}, want: []string{"ok"},
		},
		{
			name: "a session shorter than a post and what waits for it", session: "3s",
			parts: []part{{0, string(frame("say", "lobby", "hi")) + string(frame("whoami"))}}, want: []string{"ok", "user"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, h *host) {
				c := h.guest("alice")
				play(c.client, tt.parts)
				for _, want := range tt.want {
					c.want(want, "...")
				}
				if got := c.ask("whoami"); !like(got, []string{"user", "alice"}) {
					t.Errorf("whoami afterwards: %q", got)
				}
			}, slow(commit), func(s *setup) { s.cfg.Timeouts.Session = tt.session })
		})
	}
}

// F20 without its memory: every one of many hears why.
func TestManyStalledFramesEndTogether(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		begin := time.Now()
		stalled := make([]*textClient, heavy(50, 500, 10000))
		for i := range stalled {
			stalled[i] = &textClient{newClient(t, h.memory("text", 4096))}
			stalled[i].raw([]byte{0, 1, 0, 0, 0})
		}
		for _, c := range stalled {
			c.fatal("timeout")
		}
		if got := time.Since(begin); got != parley.DefaultLimits().Request {
			t.Errorf("the last one ended after %v, want 10s", got)
		}
	})
}
