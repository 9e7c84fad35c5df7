package server_test

import (
	"slices"
	"testing"
	"time"
)

// hasRoom asks as a newcomer.
func hasRoom(h *host, room string) bool {
	h.t.Helper()
	c := h.text()
	defer c.Close()
	return slices.Contains(c.ask("rooms"), room)
}

// quit ends a session and waits until the server has noticed.
func quit(h *host, c *textClient, name string) {
	h.t.Helper()
	c.Close()
	for watch := h.text(); slices.Contains(watch.ask("users"), name); {
	}
}

func neverSilent(s *setup) { s.cfg.Timeouts.Session = "0s" }

// §3.1: a room made by a guest is deleted when it has had nobody in it, and no
// members, for an hour. The server looks every minute.
func TestGuestRoomsExpire(t *testing.T) {
	for _, tt := range []struct {
		name  string
		first func(h *host) // makes the room den, and leaves it as it should be
		kept  time.Duration // it is still there then
		gone  time.Duration // and gone then; 0: it stays for good
	}{
		{name: "never entered", kept: 59 * time.Minute, gone: 62 * time.Minute, first: func(h *host) {
			h.guest("alice").ok("new", "den")
		}},
		{name: "left after two hours", kept: 179 * time.Minute, gone: 182 * time.Minute, first: func(h *host) {
			alice := h.guest("alice")
			alice.ok("new", "den")
			alice.ok("join", "den")
			time.AfterFunc(2*time.Hour, func() { alice.Close() })
		}},
		{name: "entered again in time", kept: 109 * time.Minute, gone: 112 * time.Minute, first: func(h *host) {
			alice := h.guest("alice")
			alice.ok("new", "den")
			time.AfterFunc(50*time.Minute, func() { alice.Write(append(frame("join", "den"), frame("leave", "den")...)) })
		}},
		{name: "somebody in it", kept: 30 * time.Hour, first: func(h *host) {
			alice := h.guest("alice")
			alice.ok("new", "den")
			alice.ok("join", "den")
		}},
		{name: "a member, who is away", kept: 30 * time.Hour, first: func(h *host) {
			h.guest("alice").ok("new", "den")
			bob := h.account("bob")
			bob.ok("join", "den")
			quit(h, bob, "bob")
		}},
		{name: "made by an account", kept: 30 * time.Hour, first: func(h *host) {
			h.account("bob").ok("new", "den")
		}},
		{name: "made by an account that has left it", kept: 30 * time.Hour, first: func(h *host) {
			bob := h.account("bob")
			bob.ok("new", "den")
			bob.ok("join", "den")
			bob.ok("leave", "den")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, h *host) {
				begin := time.Now()
				tt.first(h)
				pass(time.Until(begin.Add(tt.kept)))
				if !hasRoom(h, "den") {
					t.Fatalf("den is gone after %v", tt.kept)
				}
				if tt.gone == 0 {
					return
				}
				pass(time.Until(begin.Add(tt.gone)))
				if hasRoom(h, "den") {
					t.Errorf("den is still there after %v", tt.gone)
				}
				h.guest("carol").ok("new", "den") // and the name is free
			}, neverSilent)
		})
	}
}

// The hour begins anew when the last membership ends, not when the last
// session went.
func TestGuestRoomOutlivesItsLastMemberByAnHour(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.guest("alice").ok("new", "den")
		bob := h.account("bob")
		bob.ok("join", "den")
		quit(h, bob, "bob")
		pass(5 * time.Hour)
		h.account("bob").ok("leave", "den")
		pass(59 * time.Minute)
		if !hasRoom(h, "den") {
			t.Fatal("den is gone 59 minutes after its last member left")
		}
		pass(3 * time.Minute)
		if hasRoom(h, "den") {
			t.Error("den is still there 62 minutes after its last member left")
		}
	}, neverSilent)
}

// §1.6: within 7 days a client id returns the first message.
func TestClientIDsExpire(t *testing.T) {
	const week = 7 * 24 * time.Hour
	bubble(t, func(t *testing.T, h *host) {
		alice := h.account("alice")
		post := func() []string { return alice.ok("post", "lobby", "id-1", "hi") }
		first := post()
		pass(week - time.Second)
		if again := post(); !slices.Equal(again, first) {
			t.Errorf("after 7 days less a second: got %q, want %q", again, first)
		}
		pass(2 * time.Second)
		second := post()
		if second[1] == first[1] {
			t.Errorf("after 7 days and a second: got the first id, %q", second)
		}
		pass(week - time.Second)
		if again := post(); !slices.Equal(again, second) {
			t.Errorf("the new one after 7 days less a second: got %q, want %q", again, second)
		}
		if got := alice.ask("history", "lobby"); len(got) != 1+2*4 {
			t.Errorf("history: got %q, want two messages", got)
		}
	}, neverSilent)
}
