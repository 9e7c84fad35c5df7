package server_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
)

// heldStore is a store whose commits wait while it is held. It knows how many
// messages of one sender were in a commit at most.
type heldStore struct {
	hub.Store
	sender  string
	entered chan struct{} // size 1: a commit waits
	most    atomic.Int64

	mu   sync.Mutex
	held chan struct{} // commits wait until it is closed; nil: they do not
}

// holds puts a heldStore around the store of a server.
func holds(s *heldStore) func(*setup) {
	s.entered = make(chan struct{}, 1)
	return func(to *setup) {
		to.opts.Store = func(kept hub.Store) hub.Store {
			s.Store = kept
			return s
		}
	}
}

// hold makes commits wait, until release.
func (s *heldStore) hold() (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := make(chan struct{})
	s.held = held
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.held = nil
		close(held)
	})
}

func (s *heldStore) Commit(ctx context.Context, write func(hub.Tx) error) error {
	s.mu.Lock()
	held := s.held
	s.mu.Unlock()
	if held != nil {
		select {
		case s.entered <- struct{}{}:
		default:
		}
		<-held
	}
	return s.Store.Commit(ctx, func(tx hub.Tx) error {
		count := countedTx{Tx: tx, sender: s.sender}
		err := write(&count)
		s.most.Store(max(s.most.Load(), count.appended))
		return err
	})
}

type countedTx struct {
	hub.Tx
	sender   string
	appended int64
}

func (c *countedTx) Append(r *hub.Record) (bool, error) {
	if r.Message.SenderName == c.sender {
		c.appended++
	}
	return c.Tx.Append(r)
}

// A slow disk slows posts, and nothing else: while one is being committed, and
// more wait for it than may be in flight, every other session is served.
func TestSlowDiskSlowsPostsOnly(t *testing.T) {
	for _, sockets := range []bool{false, true} {
		t.Run(fmt.Sprintf("sockets %v", sockets), func(t *testing.T) {
			store := &heldStore{sender: "poster"}
			h := start(t, holds(store), onSockets)
			text, line := h.text, h.line
			if sockets {
				text, line = h.textOn, h.lineOn
			}
			guest := func(name string) *textClient {
				c := text()
				c.ok("guest", name)
				return c
			}
			poster, alice, bob, lena := guest("poster"), guest("alice"), guest("bob"), line("lena")
			bob.ok("join", "lobby")
			alice.ok("say", "lobby", "before")
			bob.want("room", "lobby", "alice", "*", "*", "before")

			release := store.hold()
			t.Cleanup(release) // before the server is shut down
			posts := parley.DefaultLimits().PostsInFlight + 100
			for i := range posts {
				poster.send("say", "lobby", fmt.Sprint(i))
			}
			<-store.entered
			whileHeld(t, alice, bob, lena, guest)
			release()
			last := ""
			for i := range posts {
				id := poster.want("ok", "*", "*")[1]
				if id <= last {
					t.Fatalf("the post %d has the id %s, and the one before it %s", i, id, last)
				}
				last = id
				bob.want("room", "lobby", "poster", id, "*", fmt.Sprint(i))
			}
			if got, most := int(store.most.Load()), parley.DefaultLimits().PostsInFlight; got > most {
				t.Errorf("%d posts of one connection were in a commit, want at most %d", got, most)
			}
		})
	}
}

// whileHeld does all that needs no commit. That it comes to its end is the proof.
func whileHeld(t *testing.T, alice, bob *textClient, lena *lineClient, guest func(string) *textClient) {
	t.Helper()
	alice.ask("nop")
	for _, tt := range [][]string{
		{"rooms", "lobby"}, {"users", "alice"}, {"members", "bob"}, {"history", "before"}, {"topic", ""}, {"whoami", "alice"}, {"help", "say"},
	} {
		request := tt[:1]
		if slices.Contains([]string{"members", "history", "topic"}, tt[0]) {
			request = []string{tt[0], "lobby"}
		}
		if got := alice.ask(request...); !strings.Contains(strings.Join(got, ","), tt[1]) {
			t.Errorf("%s: got %q, want %q in it", request, got, tt[1])
		}
	}
	alice.ok("tell", "bob", "psst")
	bob.want("send", "alice", "text", "psst")
	alice.ok("send", "bob", "draw", "a", "line")
	bob.want("send", "alice", "draw", "a", "line")
	lena.send("tell alice over there")
	lena.want("You tell alice over there")
	alice.want("send", "lena", "text", "over there")
	for message, answer := range map[string]string{"rooms": "Rooms lobby", "clients": "Clients *", "members lobby": "Members lobby bob*", "frobnicate": "Verified"} {
		lena.send(message)
		lena.want(answer)
	}
	late := guest("late")
	late.ok("join", "lobby")
	bob.want("joined", "lobby", "late")
	late.ok("leave", "lobby")
	bob.want("left", "lobby", "late", "...")
	late.Close()
}

// pair is two sessions in a room of their own, of which one speaks and both wait.
type pair struct {
	*testing.T
	one, other *textClient
}

func newPair(t *testing.T, h *host) pair {
	t.Helper()
	p := pair{t, h.textOn(), h.textOn()}
	p.one.ok("guest", "alice")
	p.other.ok("guest", "bob")
	p.one.ok("new", "den")
	p.other.ok("join", "den")
	return p
}

// talk makes round trips until told to stop, at least some, and gives the time
// that 99 of a hundred took at most.
func (p pair) talk(stop func() bool) (p99 time.Duration, trips int) {
	p.Helper()
	var took []time.Duration
	for len(took) < 50 || !stop() {
		begin := time.Now()
		p.one.within(patience)
		p.other.within(patience)
		p.one.ok("say", "den", "hi")
		p.other.want("room", "den", "alice", "*", "*", "hi")
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	return took[(len(took)-1)*99/100], len(took)
}

// Who sends without end and reads nothing is not read any more, and is closed
// when it has taken nothing for Limits.Write (1.10.5): it costs neither memory
// nor anybody else.
func TestFlooderThatDoesNotRead(t *testing.T) {
	for name, request := range map[string][]byte{
		"says":         frame("say", "lobby", strings.Repeat("x", 1000)),
		"nops":         frame("nop"),
		"long answers": frame("help"),
	} {
		t.Run(name, func(t *testing.T) {
			store := &heldStore{sender: "flooder"}
			h := start(t, onSockets, holds(store), limits(func(l *parley.Limits) { l.Write = 500 * time.Millisecond }))
			p := newPair(t, h)
			alone, _ := p.talk(func() bool { return true })
			c := h.textOn()
			c.ok("guest", "flooder")
			const much = 32 << 20
			all := bytes.Repeat(request, 64<<10/len(request))
			var sent atomic.Int64
			var ended atomic.Bool
			go func() { // ends when the server hangs up
				for sent.Load() < much {
					n, err := c.Write(all)
					sent.Add(int64(n))
					if err != nil {
						break
					}
				}
				ended.Store(true)
			}()
			_, before := allocated()
			most := before
			beside, trips := p.talk(func() bool {
				most = max(most, held())
				return ended.Load()
			})
			t.Logf("it sent %d bytes; 99 of %d round trips of others took %v beside it, and %v without; memory grew by %d bytes",
				sent.Load(), trips, beside, alone, int64(most-before))
			if sent.Load() >= much {
				t.Errorf("the server took %d bytes from a peer that reads no answer", sent.Load())
			}
			if grown := int64(most - before); grown > 64<<20 {
				t.Errorf("the server's memory grew by %d bytes", grown)
			}
			if got, most := int(store.most.Load()), parley.DefaultLimits().PostsInFlight; got > most {
				t.Errorf("%d posts of the flooder were in a commit, want at most %d", got, most)
			}
		})
	}
}

// held is what is allocated and perhaps garbage.
func held() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Who sends without end and reads its answers gets them all, in order, and is not
// cut for it; others are served all the while (F21).
func TestFlooderThatReads(t *testing.T) {
	for _, tt := range []struct {
		name    string
		request []byte
		n       int
		answer  []string
	}{
		{name: "says", request: frame("say", "lobby", strings.Repeat("x", 1000)), n: heavy(1000, 3000, 100_000), answer: []string{"ok", "*", "*"}},
		{name: "nops", request: frame("nop"), n: heavy(10_000, 50_000, 1_000_000)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store := &heldStore{sender: "flooder"}
			h := start(t, onSockets, holds(store))
			p := newPair(t, h)
			alone, _ := p.talk(func() bool { return true })
			c := h.textOn()
			c.ok("guest", "flooder")
			var flood sync.WaitGroup
			flood.Go(func() {
				if _, err := (&net.Buffers{bytes.Repeat(tt.request, tt.n), frame("whoami")}).WriteTo(c.Conn); err != nil {
					t.Errorf("the flooder is not heard any more: %v", err)
				}
			})
			var over atomic.Bool
			flood.Go(func() {
				defer over.Store(true)
				last := ""
				for i := range tt.n {
					got, err := c.readFrame()
					if err != nil || !like(got, tt.answer) || len(got) > 1 && got[1] <= last {
						t.Errorf("answer %d is %q, %v; want %q behind %s", i, got, err, tt.answer, last)
						return
					}
					if len(got) > 1 {
						last = got[1]
					}
				}
				if got, err := c.readFrame(); err != nil || !like(got, []string{"user", "flooder"}) {
					t.Errorf("behind the flood: %q, %v", got, err)
				}
			})
			beside, trips := p.talk(over.Load)
			flood.Wait()
			t.Logf("99 of %d round trips of others took %v beside it, and %v without", trips, beside, alone)
			if got, most := int(store.most.Load()), parley.DefaultLimits().PostsInFlight; got > most {
				t.Errorf("%d posts of the flooder were in a commit, want at most %d", got, most)
			}
		})
	}
}
