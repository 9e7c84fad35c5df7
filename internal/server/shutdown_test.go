package server_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/wire/textwire"
)

// loader is a client that says one text after another, without waiting for the
// answers, until the server ends the connection.
type loader struct {
	net.Conn
	r       *bufio.Reader
	name    string
	told    string // what the last message must be
	request func(text string) []byte
	read    func(l *loader, busy chan<- struct{}) error
	// The reader's, to be read when it has ended.
	acked  []string // texts whose answer has come
	reason string   // the last message
	err    error    // how the stream ended, if not in good order
}

// newLoaders connects to both doors.
func newLoaders(h *host, n int) (all []*loader) {
	h.t.Helper()
	for i := range n {
		name := fmt.Sprintf("loader%d", i)
		if i%2 == 0 {
			c := h.textOn()
			c.ok("guest", name)
			all = append(all, &loader{
				Conn: c.Conn, r: c.r, name: name, request: sayRequest, read: readAcks,
				told: "error,fatal,unavailable," + parley.ErrShuttingDown.Message,
			})
		} else {
			c := h.lineOn(name)
			all = append(all, &loader{
				Conn: c.Conn, r: c.r, name: name, request: sendRequest, read: readCopies,
				told: "Error: " + parley.ErrShuttingDown.Message,
			})
		}
	}
	return all
}

// load tells busy of each acknowledged text.
func (l *loader) load(busy chan<- struct{}) {
	var writing sync.WaitGroup
	writing.Go(func() { // ends when the connection does
		for i := 0; ; i++ {
			if _, err := l.Write(l.request(fmt.Sprintf("%s-%d", l.name, i))); err != nil {
				return
			}
		}
	})
	if err := l.read(l, busy); !errors.Is(err, io.EOF) {
		l.err = err
	}
	l.Close()
	writing.Wait()
}

func sayRequest(text string) []byte { return frame("req", text, "say", "lobby", text) }

func sendRequest(text string) []byte { return []byte("send lobby - " + text + "\n") }

func readAcks(l *loader, busy chan<- struct{}) error {
	for {
		data, err := readFrame(l.r)
		if err != nil {
			return err
		}
		fields, err := textwire.Parse(data, 10)
		switch {
		case err != nil:
			return err
		case like(fields, []string{"req", "*", "ok", "*", "*"}):
			l.acked = append(l.acked, fields[1])
			busy <- struct{}{}
		}
		l.reason = strings.Join(fields, ",")
	}
}

func readCopies(l *loader, busy chan<- struct{}) error {
	for {
		line, err := l.r.ReadString('\n')
		if line != "" {
			l.reason = strings.TrimSuffix(line, "\n")
		}
		if err != nil {
			return err
		}
		if text, own := strings.CutPrefix(l.reason, l.name+" says in room lobby "); own {
			l.acked = append(l.acked, text)
			busy <- struct{}{}
		}
	}
}

// T31, L7: every client is told why, and what was acknowledged is there again.
func TestShutdownUnderLoad(t *testing.T) {
	dir := t.TempDir()
	there := func(s *setup) { s.cfg.Data, s.shutdown = dir, true }
	h := start(t, onSockets, there, limits(func(l *parley.Limits) { l.PostsInFlight = heavy(16, 16, 256) }))
	loaders := newLoaders(h, heavy(4, 10, 1000))
	busy := make(chan struct{}, 1000)
	var all sync.WaitGroup
	for _, l := range loaders {
		all.Go(func() { l.load(busy) }) // ends with the server
	}
	for range 10 * len(loaders) {
		<-busy
	}
	go func() { // ends with the loaders
		for range busy {
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), patience) // a busy machine may need more than Limits.Drain
	defer cancel()
	if err := h.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	all.Wait()
	close(busy)
	for _, l := range loaders {
		if l.reason != l.told || l.err != nil && !isReset(l.err) {
			t.Errorf("%s was told %q, %v; want %q", l.name, l.reason, l.err, l.told)
		}
	}
	wantKept(t, there, loaders)
}

// wantKept opens the data again and wants every acknowledged text once.
func wantKept(t *testing.T, there func(*setup), loaders []*loader) {
	t.Helper()
	h := start(t, there)
	defer h.shutdown()
	reader := h.guest("reader")
	kept, last := map[string]int{}, ""
	for {
		page := reader.ask("history", "lobby", "after", last, "200")
		for m := 1; m < len(page); m += 4 {
			kept[page[m+3]]++
			last = page[m]
		}
		if len(page) == 1 {
			break
		}
	}
	acked := 0
	for _, l := range loaders {
		for _, text := range l.acked {
			if acked++; kept[text] != 1 {
				t.Errorf("%s was acknowledged and is kept %d times, want once", text, kept[text])
			}
		}
	}
	t.Logf("%d messages kept, %d acknowledged", len(kept), acked)
}

// Shutdown takes as long as its slowest peer, but never longer than it may.
func TestShutdownTakes(t *testing.T) {
	for _, tt := range []struct {
		name string
		peer func(h *host) // one that is there when the server ends
		want time.Duration
	}{
		{name: "nobody there", peer: func(*host) {}},
		{name: "peers that go when they are told", peer: func(h *host) {
			for _, c := range []*client{h.guest("alice").client, h.line("bob").client, h.text().client, h.line("").client} {
				go func() { // ends with the server
					io.Copy(io.Discard, c.r)
					c.Close()
				}()
			}
		}},
		{name: "a peer that stays", want: parley.DefaultLimits().Linger, peer: func(h *host) { h.guest("alice") }},
		{name: "a peer that never reads", want: parley.DefaultLimits().Drain, peer: func(h *host) {
			newCrowd(h, "text").flood(5)
		}},
		{name: "a peer that sends and never reads", want: parley.DefaultLimits().Drain, peer: func(h *host) {
			c := h.memory("text", victimBuffer)
			go func() { // ends with the server
				for {
					if _, err := c.Write(frame("help")); err != nil {
						return
					}
				}
			}()
		}},
		{name: "a frame that has begun", want: parley.DefaultLimits().Linger, peer: func(h *host) { h.guest("alice").raw([]byte{0, 0}) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, h *host) {
				tt.peer(h)
				pass(time.Second)
				begin := time.Now()
				h.shutdown()
				if got := time.Since(begin); got > tt.want {
					t.Errorf("it took %v, want at most %v", got, tt.want)
				}
			}, func(s *setup) { s.shutdown = true })
		})
	}
}

// What was asked before the end is answered; who comes later is not let in.
func TestShutdownAnswersFirst(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		alice, bob := h.guest("alice"), h.line("bob")
		alice.send("req", "1", "say", "lobby", "last words")
		alice.send("req", "2", "new", "den")
		bob.send("send lobby - goodbye")
		pass(time.Second) // both are with the store
		ended := make(chan struct{})
		go func() {
			h.shutdown()
			close(ended)
		}()
		pass(time.Millisecond)
		late := h.text()
		late.ended()
		alice.want("req", "1", "ok", "*", "*")
		alice.want("req", "2", "ok")
		alice.want("error", "fatal", "unavailable", parley.ErrShuttingDown.Message)
		alice.ended()
		bob.want("bob says in room lobby goodbye")
		bob.want("Error: " + parley.ErrShuttingDown.Message)
		bob.ended()
		<-ended
	}, slow(1500*time.Millisecond), func(s *setup) { s.shutdown = true })
}
