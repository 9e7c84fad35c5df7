package server_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley"
)

// ending is a way in which the server ends a connection that asked for much.
type ending struct {
	name, kind string
	raw        string // what the peer sends last
	shutdown   bool   // the server is shut down
}

var endings = []ending{
	{name: "a length bomb", kind: "request_too_long", raw: "\xff\xff\xff\xff"},
	{name: "a fifth byte that is not null", kind: "syntax", raw: "\x00\x00\x00\x03nop"},
	{name: "a frame that is not completed", kind: "timeout", raw: "\x00\x00\x00\x03\x00no"},
	{name: "a shutdown", kind: "unavailable", shutdown: true},
}

// broken tells that nothing behind the peer's last bytes can be read.
func (e ending) broken() bool { return e.kind == "syntax" || e.kind == "request_too_long" }

// muchToAsk gives requests, numbered by their IDs, whose answers are long; every
// fourth one is for a page of the history, if pages are wanted.
func muchToAsk(n int, pages bool) (all []byte) {
	for i := range n {
		command := []string{"help"}
		if pages && i%4 == 3 {
			command = []string{"history", "lobby", "", "", "200"}
		}
		all = append(all, frame(append([]string{"req", strconv.Itoa(i)}, command...)...)...)
	}
	return all
}

// tale fills the history of the lobby: a page of it has some 45 KiB.
func (h *host) tale() {
	h.t.Helper()
	c := h.guest("teller")
	for range 15 {
		c.ok("say", "lobby", strings.Repeat("x", 3000))
	}
}

// lastWords wants every answer, in order, then the reason, then the end.
func (c *textClient) lastWords(answers int, kind string) {
	c.t.Helper()
	for i := range answers {
		c.want("req", strconv.Itoa(i), "*", "...")
	}
	c.want("error", "fatal", kind, "*")
	c.ended()
}

// §1.1: requests before it are answered, then the fatal error, then the end;
// also to a peer that reads late.
func TestLastWords(t *testing.T) {
	const asked = 100
	for _, tt := range []struct {
		name    string
		buffer  int
		garbage int  // bytes behind a stream that is broken
		pages   bool // among the answers
		first   bool // it writes all before it reads
	}{
		{name: "with a small buffer", buffer: 4096},
		{name: "with a small buffer, that reads pages", buffer: 4096, pages: true},
		{name: "with a small buffer, and much behind it", buffer: 4096, garbage: 4 << 20},
		{name: "that writes all before it reads", buffer: 4 << 20, garbage: 2 << 20, pages: true, first: true},
	} {
		for _, e := range endings {
			t.Run(e.name+", to a peer "+tt.name, func(t *testing.T) {
				bubble(t, func(t *testing.T, h *host) {
					h.tale()
					c := &textClient{newClient(t, h.memory("text", tt.buffer))}
					c.ok("guest", "late")
					all := append(muchToAsk(asked, tt.pages), e.raw...)
					if e.broken() {
						all = append(all, strings.Repeat(string(frame("nop")), tt.garbage/8)...)
					}
					if tt.first {
						c.raw(all)
					} else {
						go c.Write(all) // ends with the connection at the latest
					}
					pass(time.Second)
					if e.shutdown {
						go h.shutdown() // waited for by the end of the test
					}
					pass(3 * time.Second)
					c.lastWords(asked, e.kind)
				})
			})
		}
	}
}

// The same on sockets, where closing a connection with bytes that nobody has
// read would reset it, and lose what the peer has not read.
func TestLastWordsOnSockets(t *testing.T) {
	const asked = 15 // answers that fit into the system's buffers
	for _, e := range endings {
		for _, garbage := range []int{0, 8 << 20} {
			for _, fin := range []bool{false, true} {
				if garbage > 0 && !e.broken() || fin && !e.broken() {
					continue
				}
				t.Run(fmt.Sprintf("%s, %d bytes behind it, FIN %v", e.name, garbage, fin), func(t *testing.T) {
					h := start(t, onSockets, limits(func(l *parley.Limits) {
						l.Linger, l.Request = patience, time.Second
					}))
					h.tale()
					c := h.textOn()
					c.ok("guest", "late")
					c.raw(append(append(muchToAsk(asked, true), e.raw...), make([]byte, garbage)...))
					if fin {
						c.Conn.(*net.TCPConn).CloseWrite()
					}
					answers := asked
					if e.shutdown { // one more request, whose effect others see
						c.send("req", strconv.Itoa(answers), "logout")
						answers++
					}
					other := h.text()
					eventually(t, "the server serves or ends the session", func() bool {
						return like(other.ask("users"), []string{"users", "teller"})
					})
					if e.shutdown {
						go h.shutdown() // waited for by the end of the test
					}
					c.lastWords(answers, e.kind)
					c.Close()
				})
			}
		}
	}
}

// eleventh is a connection on which some bytes come at the last moment: when its
// reader is interrupted they are there already.
type eleventh struct {
	*conn
	late []byte
}

func (c *eleventh) Read(b []byte) (int, error) {
	n, err := c.conn.Read(b)
	if errors.Is(err, os.ErrDeadlineExceeded) && len(c.late) > 0 {
		n, err = copy(b, c.late), nil
		c.late = nil
	}
	return n, err
}

// Nothing behind a broken frame is read as one, whenever it comes.
func TestNothingBehindABrokenFrame(t *testing.T) {
	for i := range heavy(10, 20, 200) {
		bubble(t, func(t *testing.T, h *host) {
			ours, theirs := newPipe(4096)
			h.Drive("text", &eleventh{conn: theirs, late: frame("new", "behind")})
			c := &textClient{newClient(t, ours)}
			c.ok("guest", "late")
			const asked = 100
			c.raw([]byte(strings.Repeat(string(frame("req", "0", "help")), asked) + "\xff\xff\xff\xff"))
			pass(time.Second)
			if got := c.fatal("request_too_long"); got != asked {
				t.Errorf("round %d: %d answers, want %d", i, got, asked)
			}
			if got := h.text().ask("rooms"); !like(got, []string{"rooms", "lobby"}) {
				t.Errorf("round %d: what came behind the bomb was served: %q", i, got)
			}
		})
	}
}

// Who is cut for not reading gets no answer behind one that was dropped: it
// would take it for that one's.
func TestNoAnswerBehindADroppedOne(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		speaker := h.guest("speaker")
		victim := &textClient{newClient(t, h.memory("text", victimBuffer))}
		victim.ok("guest", "victim")
		victim.ok("join", "lobby")
		note := strings.Repeat("x", victimBuffer) // fills the buffer
		speaker.ok("send", "victim", "note", note)
		pass(10 * time.Millisecond)
		victim.send("whoami")
		for range 40 {
			speaker.send("say", "lobby", strings.Repeat("x", 4000))
		}
		pass(1500 * time.Millisecond) // most of them are in the batch under way
		victim.send("say", "lobby", "the next batch")
		speaker.send("say", "lobby", "the next batch, too")
		pass(3 * time.Second)
		victim.want("send", "speaker", "note", note)
		victim.want("error", "fatal", "slow_consumer", "*")
		victim.ended()
	}, limits(smallOutbox), slow(time.Second))
}

// No session is silent that waits for its post, and a frame that is begun
// meanwhile has its own time.
func TestWaitingForAPostIsNotSilence(t *testing.T) {
	session := func(s *setup) { s.cfg.Timeouts.Session = "3s" }
	bubble(t, func(t *testing.T, h *host) {
		c := h.guest("alice")
		c.send("say", "lobby", "hi")
		c.want("ok", "*", "*")
		c.send("whoami")
		c.want("user", "alice")
	}, slow(12*time.Second), session)
	bubble(t, func(t *testing.T, h *host) {
		c := h.guest("alice")
		begin := time.Now()
		c.raw(append(frame("say", "lobby", "hi"), 0))
		c.want("ok", "*", "*")
		c.fatal("timeout")
		if got := time.Since(begin); got != 12*time.Second {
			t.Errorf("the frame had until %v, want 12s: it was answered first", got)
		}
	}, slow(12*time.Second), session)
}

// What posts in flight hold is bounded by what was sent, not by their texts.
func TestPostsInFlightAreBounded(t *testing.T) {
	for _, request := range [][]byte{
		frame("req", strings.Repeat("x", 60_000), "say", "lobby", "hi"),
		frame("say", strings.Repeat("x", 60_000), "hi"),
		frame("post", "lobby", strings.Repeat("x", 60_000), "hi"),
	} {
		bubble(t, func(t *testing.T, h *host) {
			c := h.guest("alice")
			c.send("say", "lobby", "hi")
			synctest.Wait() // it is with the store
			var sent atomic.Int64
			go func() { // ends with the connection
				for range 100 {
					n, err := c.Write(request)
					sent.Add(int64(n))
					if err != nil {
						return
					}
				}
			}()
			synctest.Wait()
			limits := parley.DefaultLimits()
			waits := c.Conn.(*conn).untaken()
			if got, most := int(sent.Load())+min(roomy, waits)-waits-roomy, limits.PostBytesInFlight+2*limits.Frame; got > most {
				t.Errorf("%.20q…: %d bytes of posts are in flight, want at most %d", request, got, most)
			}
			c.Close()
		}, slow(30*time.Second))
	}
}

// In chunk mode a message that is complete by time, while a post is in flight, is
// answered when that is.
func TestChunkCompleteWhilePostIsInFlight(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		c := &lineClient{newClient(t, h.memory("line", roomy))}
		for _, chunk := range []string{"alice", "send lobby - hi", strings.Repeat("x", 600)} {
			c.raw([]byte(chunk))
			pass(5 * time.Millisecond)
			if chunk == "alice" {
				c.want("Welcome*")
			}
		}
		c.SetDeadline(time.Now().Add(time.Minute))
		c.want("alice says in room lobby hi")
		c.want("Verified")
	}, slow(time.Second))
}
