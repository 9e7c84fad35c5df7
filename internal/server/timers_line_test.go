package server_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
)

// §2.1: a client that has not sent a name within 15 s is closed; C01.
func TestLineClientWithoutName(t *testing.T) {
	for _, tt := range []struct {
		name  string
		parts []part
	}{
		{name: "silent"},
		{name: "half a character just before, which could go on", parts: []part{{15*time.Second - time.Millisecond, "al\xc3"}}},
		{name: "a long chunk just before, which could go on", parts: []part{{15*time.Second - time.Millisecond, strings.Repeat("a", 600)}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, h *host) {
				begin := time.Now()
				c := h.line("")
				go play(c.client, tt.parts)
				for _, name := range strings.Fields("ann ben cid dan eve") {
					h.line(name)
				}
				if took := time.Since(begin); took != 0 {
					t.Errorf("others waited %v for their names", took)
				}
				c.ended()
				if got := time.Since(begin); got != 15*time.Second {
					t.Errorf("closed after %v, want 15s", got)
				}
			})
		})
	}
}

// A name that came in time is in time, however long we look at it.
func TestLineNameIsInTime(t *testing.T) {
	for _, tt := range []struct {
		name  string
		takes time.Duration // to look a name up
	}{
		{name: "at once"},
		{name: "slowly", takes: 20 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, h *host) {
				c := h.line("")
				pass(15*time.Second - time.Millisecond)
				c.send("alice")
				c.want("Welcome*")
				pass(30 * 24 * time.Hour)
				if got := c.ask("hello"); got != "Verified" {
					t.Errorf("after 30 days of silence: got %q, want Verified", got)
				}
				bob := h.text()
				bob.ok("guest", "bob")
				bob.ok("tell", "alice", "still there?")
				c.want("bob whispers to you still there?")
			}, func(s *setup) {
				s.opts.Store = func(kept hub.Store) hub.Store { return slowReads{kept, tt.takes} }
			})
		})
	}
}

// slowReads is a store in which names are found slowly.
type slowReads struct {
	hub.Store
	takes time.Duration
}

func (s slowReads) Named(ctx context.Context, name parley.Name) ([]hub.Account, error) {
	pass(s.takes)
	return s.Store.Named(ctx, name)
}

// §2.1: what one read returns is one message; only a chunk that ends inside a
// character, or has 512 bytes, waits 50 ms for the rest.
func TestChunkRest(t *testing.T) {
	const ms = time.Millisecond
	x := func(n int) string { return strings.Repeat("x", n) }
	const head = "send lobby - "
	for _, tt := range []struct {
		name  string
		parts []part
		want  []part // texts said in lobby, or whole messages
	}{
		{name: "short", parts: []part{{0, head + "hi"}}, want: []part{{0, "hi"}}},
		{name: "two short ones", parts: []part{{0, head + "hi"}, {ms, head + "ho"}}, want: []part{{0, "hi"}, {ms, "ho"}}},
		{name: "511 bytes", parts: []part{{0, head + x(511-len(head))}}, want: []part{{0, x(511 - len(head))}}},
		{name: "512 bytes", parts: []part{{0, head + x(512-len(head))}}, want: []part{{50 * ms, x(512 - len(head))}}},
		{name: "long, and its rest in time", parts: []part{{0, head + x(600)}, {49 * ms, x(3)}}, want: []part{{49 * ms, x(603)}}},
		{name: "long, and its rest goes on", parts: []part{{0, head + x(600)}, {49 * ms, x(600)}, {98 * ms, x(1)}}, want: []part{{98 * ms, x(1201)}}},
		{name: "long, and its rest too late", parts: []part{{0, head + x(600)}, {51 * ms, "hello"}}, want: []part{{50 * ms, x(600)}, {51 * ms, "Verified"}}},
		{name: "a character in two", parts: []part{{0, head + "\xc3"}, {30 * ms, "\xa9"}}, want: []part{{30 * ms, "é"}}},
		{name: "half a character", parts: []part{{0, head + "\xc3"}}, want: []part{{50 * ms, "Error: messages must be UTF-8"}}},
		{name: "LF ends it", parts: []part{{0, head + x(600) + "\n"}}, want: []part{{0, x(600)}}},
		{
			name: "too long in pieces, and its tail", parts: []part{{0, x(2500)}, {40 * ms, x(2500)}, {80 * ms, "kill"}, {131 * ms, "hello"}},
			want: []part{{40 * ms, "Error: message longer than 4096 bytes"}, {131 * ms, "Verified"}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, h *host) {
				c := h.line("")
				c.raw([]byte("alice"))
				c.want("Welcome*")
				begin := time.Now()
				go play(c.client, tt.parts)
				for _, want := range tt.want {
					got := strings.TrimPrefix(c.recv(), "alice says in room lobby ")
					if at := time.Since(begin); got != want.bytes || at != want.at {
						t.Fatalf("got %q at %v, want %q at %v", got, at, want.bytes, want.at)
					}
				}
			})
		})
	}
}
