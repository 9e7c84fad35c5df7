package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley/wire/textwire"
)

// textOn and lineOn connect to a door on its socket.
func (h *host) textOn() *textClient {
	h.t.Helper()
	c := &textClient{newClient(h.t, h.dial("text"))}
	c.within(patience)
	return c
}

func (h *host) lineOn(name string) *lineClient {
	h.t.Helper()
	c := &lineClient{newClient(h.t, h.dial("line"))}
	c.within(patience)
	if name != "" {
		c.send(name)
		c.want("Welcome*")
	}
	return c
}

// reset makes the connection vanish: the server gets an RST.
func reset(c net.Conn) {
	c.(*net.TCPConn).SetLinger(0)
	c.Close()
}

// eventually asks until something is true, which it must be in the end.
func eventually(t testing.TB, what string, true func() bool) {
	t.Helper()
	for begin := time.Now(); !true(); {
		if time.Since(begin) > patience {
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// §1.1: every request already sent is answered, then the server closes; F25.
func TestHalfCloseOnTextDoor(t *testing.T) {
	h := start(t, onSockets)
	h.account("bob")
	c := h.textOn()
	var all []byte
	for _, request := range [][]string{
		{"nop"},
		{"register", "alice", "secret"},
		{"login", "alice", "secret"},
		{"send", "bob", "text", "1"},
		{"say", "lobby", "2"},
		{"tell", "bob", "3"},
		{"whoami"},
		{"history", "lobby"},
		{"frobnicate"},
		{"nop"},
	} {
		all = append(all, frame(request...)...)
	}
	c.raw(all)
	c.Conn.(*net.TCPConn).CloseWrite()
	for i, want := range [][]string{
		nil,
		{"ok"},
		{"ok"},
		{"ok"},
		{"ok", "*", "*"},
		{"ok", "*", "*"},
		{"user", "alice"},
		{"history", "*", "*", "alice", "2"},
		{"error", "nonfatal", "command_not_found", "*"},
		nil,
	} {
		if got := c.recv(); !like(got, want) {
			t.Fatalf("answer %d: got %q, want %q", i, got, want)
		}
	}
	c.ended()
}

func TestHalfCloseOnLineDoor(t *testing.T) {
	for _, tt := range []struct {
		name, sent string
		want       []string
	}{
		{
			name: "lines", sent: "alice\nhello\nsend lobby - hi\njoin lobby\nrooms\nlast",
			want: []string{"Welcome*", "Verified", "alice says in room lobby hi", "Joined lobby (ok)", "Rooms lobby", "Verified"},
		},
		{name: "a chunk", sent: "alice", want: []string{"Welcome*"}},
		{name: "a chunk that is held", sent: strings.Repeat("x", 600), want: []string{"NAMEERROR"}},
		{
			name: "a line that is too long, without its end", sent: "alice\n" + strings.Repeat("x", 5000),
			want: []string{"Welcome*", "Error: message longer than 4096 bytes"},
		},
		{name: "nothing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := start(t, onSockets)
			c := h.lineOn("")
			c.raw([]byte(tt.sent))
			c.Conn.(*net.TCPConn).CloseWrite()
			got, err := io.ReadAll(c.r)
			lines := slices.Collect(strings.Lines(string(got)))
			fits := err == nil && len(lines) == len(tt.want)
			for i := 0; fits && i < len(lines); i++ {
				begin, open := strings.CutSuffix(tt.want[i], "*")
				line := strings.TrimSuffix(lines[i], "\n")
				fits = line == tt.want[i] || open && strings.HasPrefix(line, begin)
			}
			if !fits {
				t.Errorf("sent %q: got %q, %v; want %q", cut([]byte(tt.sent)), got, err, tt.want)
			}
		})
	}
}

// F26: a peer that vanishes before it is answered has said its message once, or
// not at all; said again with the same client id it is there once.
func TestResetBeforeReply(t *testing.T) {
	h := start(t, onSockets)
	bob := h.account("bob")
	bob.ok("join", "lobby")
	for i := range heavy(10, 50, 2000) {
		text, id := fmt.Sprintf("message %d", i), fmt.Sprintf("id-%d", i)
		alice := h.textOn()
		alice.ask("register", "alice", "secret")
		alice.ok("login", "alice", "secret")
		alice.raw(frame("post", "lobby", id, text))
		reset(alice.Conn)
		again := h.account("alice")
		receipt := again.ok("post", "lobby", id, text)
		again.Close()
		page := bob.ask("history", "lobby", "", "", "2")
		if n := len(page); n < 5 || page[n-4] != receipt[1] || page[n-1] != text || n == 9 && page[4] == text {
			t.Fatalf("message %d: receipt %q, history %q; want it once, at the end", i, receipt, page)
		}
	}
}

// Whoever vanishes in the middle leaves nothing behind.
func TestResetMidFrameAndMidLine(t *testing.T) {
	h := start(t, onSockets)
	for _, sent := range []string{"", "\x00", "\x00\x00\x00\x05\x00wh", string(frame("whoami")), "\x00\x01\x00\x01", "alice", "alice\nsend lobby - h"} {
		for _, door := range []string{"text", "line"} {
			c := h.dial(door)
			c.Write([]byte(sent))
			reset(c)
		}
	}
	eventually(t, "alice is gone", func() bool { return len(h.text().ask("users")) == 1 })
}

// C58: the name is free when the client sees the end; C69's other half.
func TestNameIsFreeAtOnce(t *testing.T) {
	h := start(t, onSockets)
	for _, tt := range []struct {
		name string
		end  func(c *lineClient)
	}{
		{name: "exit", end: func(c *lineClient) { c.send("exit"); c.ended() }},
		{name: "exit behind other requests", end: func(c *lineClient) { c.raw([]byte("join lobby\nsend lobby - bye\nexit\n")); io.Copy(io.Discard, c.r) }},
		{name: "half-close", end: func(c *lineClient) { c.Conn.(*net.TCPConn).CloseWrite(); c.ended() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for range 20 {
				c := h.lineOn("alice")
				tt.end(c)
				next := h.lineOn("alice") // fails if the name is not free
				next.send("exit")
				next.ended()
				c.Close()
			}
		})
	}
}

// §2.4: the server notices who vanishes, and the name is free again.
func TestNameIsFreeAfterDrop(t *testing.T) {
	h := start(t, onSockets)
	for _, tt := range []struct {
		name string
		end  func(c net.Conn)
	}{
		{name: "RST", end: reset},
		{name: "closed", end: func(c net.Conn) { c.Close() }},
		{name: "RST with unread answers", end: func(c net.Conn) { c.Write([]byte("rooms\nclients\n")); reset(c) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for range 20 {
				c := h.lineOn("alice")
				tt.end(c.Conn)
				eventually(t, "the name is free", func() bool {
					next := h.lineOn("")
					defer next.Close()
					next.send("alice")
					if answer := next.recv(); answer == "NAMEERROR" {
						return false
					}
					next.send("exit")
					next.ended()
					return true
				})
			}
		})
	}
}

// C69: a hundred clients, one name, one moment: exactly one has it.
func TestManyClaimOneName(t *testing.T) {
	h := start(t, onSockets)
	for round := range heavy(2, 5, 100) {
		name := fmt.Sprintf("alice%d", round)
		const claimants = 100
		conns := make([]net.Conn, claimants)
		for i := range conns {
			conns[i] = h.dial([]string{"text", "line"}[i%2])
		}
		got := make(chan string, claimants)
		ready := make(chan struct{})
		for i, c := range conns {
			go func() {
				<-ready
				got <- claim(c, i%2 == 1, name)
			}()
		}
		close(ready)
		count := map[string]int{}
		for range conns {
			count[<-got]++
		}
		for _, c := range conns {
			c.Close()
		}
		if count["yes"] != 1 || count["no"] != claimants-1 {
			t.Fatalf("round %d: got %v, want one yes and %d no", round, count, claimants-1)
		}
	}
}

// claim asks for a name and tells what came of it.
func claim(c net.Conn, line bool, name string) string {
	r := bufio.NewReader(c)
	if line {
		c.Write([]byte(name + "\n"))
		answer, err := r.ReadString('\n')
		switch {
		case strings.HasPrefix(answer, "Welcome "):
			return "yes"
		case answer == "NAMEERROR\n":
			return "no"
		}
		return fmt.Sprintf("%q, %v", answer, err)
	}
	c.Write(frame("guest", name))
	data, err := readFrame(r)
	switch fields, _ := textwire.Parse(data, 10); {
	case like(fields, []string{"ok"}):
		return "yes"
	case like(fields, []string{"error", "nonfatal", "name_taken", "*"}):
		return "no"
	}
	return fmt.Sprintf("%q, %v", data, err)
}

// A peer that is still sending when it is refused gets the reason all the same:
// it is not lost in a reset.
func TestFlooderHearsWhy(t *testing.T) {
	h := start(t, onSockets)
	for _, tt := range []struct {
		name, door, first string
		want              string // the end of what comes
	}{
		{name: "a frame too long", door: "text", first: "\xff\xff\xff\xff", want: "error,fatal,request_too_long,a request has at most 65536 bytes"},
		{name: "no frame", door: "text", first: "\x00\x00\x00\x01\x01", want: "error,fatal,syntax,a frame is a length of four bytes\\, a null byte\\, and the data"},
		{
			name: "requests, then no frame", door: "text", first: strings.Repeat(string(frame("help")), 100) + "\x00\x00\x00\x01\x01",
			want: "error,fatal,syntax,a frame is a length of four bytes\\, a null byte\\, and the data",
		},
		{name: "a bad name", door: "line", first: "a b c\n", want: "NAMEERROR\n"},
		{name: "a long name", door: "line", first: strings.Repeat("x", 5000), want: "NAMEERROR"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for range heavy(3, 10, 100) {
				c := h.lineOrText(tt.door)
				var flood sync.WaitGroup
				flood.Go(func() { // ends when the server hangs up
					c.Write([]byte(tt.first))
					for junk := make([]byte, 32<<10); ; {
						if _, err := c.Write(junk); err != nil {
							return
						}
					}
				})
				got, err := io.ReadAll(c)
				if !strings.HasSuffix(string(got), tt.want) || err != nil && !isReset(err) {
					t.Errorf("got %q, %v; want %q", cut(got), err, tt.want)
				}
				c.Close()
				flood.Wait()
			}
		})
	}
}

// lineOrText dials without a client around the socket.
func (h *host) lineOrText(door string) *net.TCPConn {
	h.t.Helper()
	c := h.dial(door)
	h.t.Cleanup(func() { c.Close() })
	return c
}
