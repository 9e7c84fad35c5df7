package main

import (
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"

	"github.com/parley-chat/parley/internal/config"
	"github.com/parley-chat/parley/internal/proof"
	"github.com/parley-chat/parley/internal/server"
)

// TestKilledServerLosesNothing kills a server under load, again and again. What
// any client was told, and by which answers, must be true after each restart.
func TestKilledServerLosesNothing(t *testing.T) {
	h := newHarbor(t)
	for range proof.Size(5, 20, 200) {
		h.live(func(c *crew) {
			after := time.Duration(5+rand.IntN(495)) * time.Millisecond
			switch h.lives % 4 {
			case 1: // it may die while they come
			case 2:
				<-c.registered // which may take longer than that
			default:
				<-c.ready
			}
			time.AfterFunc(after, func() { h.server.cmd.Process.Signal(syscall.SIGKILL) })
		})
		h.server.wait()
		h.start()
	}
	h.judge()
}

// TestTerminatedServerTellsEverybody ends a server by SIGTERM under load: it is
// gone in time, told everybody why, and lost nothing (T31, L7).
func TestTerminatedServerTellsEverybody(t *testing.T) {
	const patience = 10 * time.Second
	h := newHarbor(t)
	for range proof.Size(3, 10, 200) {
		var begun time.Time
		crew := h.live(func(c *crew) {
			<-c.ready
			begun = time.Now()
			time.AfterFunc(time.Duration(5+rand.IntN(200))*time.Millisecond, func() { h.server.cmd.Process.Signal(syscall.SIGTERM) })
		})
		if code := h.server.wait(); code != 0 {
			t.Errorf("exit code %d after SIGTERM, want 0", code)
		}
		if took := time.Since(begun); took > patience {
			t.Errorf("the server took %v to end, want at most %v", took, patience)
		}
		for _, s := range crew.all {
			if why := s.why(); why != "unavailable" && !strings.Contains(why, "shutting down") {
				t.Errorf("%s was told %q, want a word of the shutdown", s.session, why)
			}
		}
		h.start()
	}
	h.judge()
}

// harbor is a server in a process of its own that is started again on the same
// data, and everything that its clients ever saw.
type harbor struct {
	t       *testing.T
	log     *proof.Log
	data    string
	server  *child
	lives   int
	slowest time.Duration // from the start of a process to its first answer

	writers []*writer
	founder *founder
	last    map[string]string // by conversation: the last id that was read
}

func newHarbor(t *testing.T) *harbor {
	h := &harbor{
		t: t, log: &proof.Log{}, data: filepath.Join(t.TempDir(), "data"), last: map[string]string{},
		founder: &founder{t: t, member: map[string]membership{}, topics: map[string][]string{}},
		writers: []*writer{
			{user: reader, door: "text", to: "berta"},
			{user: "berta", door: "text", to: reader},
			{user: "dora", door: "line", to: reader},
			{user: "carl", door: "line"},
		},
	}
	h.register(reader, "berta", "dora", "fred")
	h.start()
	return h
}

// register makes accounts whose passwords cost next to nothing to prove, which
// only a server in this process can: the tests are not about hashes.
func (h *harbor) register(users ...string) {
	h.t.Helper()
	cfg := config.Default()
	cfg.Data, cfg.Text, cfg.Line = h.data, "127.0.0.1:0", config.Off
	s, err := server.Start(h.t.Context(), cfg, server.Options{
		Log:  slog.New(slog.DiscardHandler),
		Hash: &argon2id.Params{Memory: 64, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	defer s.Shutdown(h.t.Context())
	c, err := dialText(s.Addr("text").String())
	if err != nil {
		h.t.Fatal(err)
	}
	defer c.conn.Close()
	for _, user := range users {
		c.must(h.t, "register", user, "secret")
	}
}

// start runs the server until it answers.
func (h *harbor) start() {
	h.t.Helper()
	begun := time.Now()
	h.server = serveChild(h.t, h.data)
	c, err := dialText(h.server.text)
	if err != nil {
		h.t.Fatal(err)
	}
	defer c.conn.Close()
	c.must(h.t, "rooms")
	if h.lives++; h.lives > 1 {
		h.slowest = max(h.slowest, time.Since(begun))
	}
}

// live lets the clients work until the server is gone. End is called when they
// have begun, and sees to that.
func (h *harbor) live(end func(*crew)) *crew {
	h.t.Helper()
	c := &crew{harbor: h, ready: make(chan struct{}), tick: make(chan struct{}, 1), registered: make(chan struct{})}
	c.board()
	end(c)
	c.work.Wait()
	return c
}

// judge reads everything a last time, when nothing is under way, and checks it.
func (h *harbor) judge() {
	h.t.Helper()
	for user, read := range map[string]func(*proof.Text) error{reader: h.read, "fred": h.founder.check} {
		c, err := h.dialText("judge of " + user)
		if err == nil {
			err = c.Login(user, "secret")
		}
		if err == nil {
			err = read(c)
			c.Close()
		}
		if err != nil {
			h.t.Fatal(err)
		}
	}
	if found := h.log.Check(); len(found) > 0 {
		h.t.Error(proof.Report(found))
	}
	acked := 0
	for _, w := range h.writers {
		acked += w.acked
	}
	h.t.Logf("%d lives, %d messages, %d rooms, topics and memberships and %d accounts acknowledged; back in %v at most",
		h.lives, acked, h.founder.facts, len(h.founder.accounts), h.slowest.Round(time.Millisecond))
	if acked == 0 || h.founder.facts == 0 || len(h.founder.accounts) == 0 {
		h.t.Error("nothing was acknowledged of one kind: this proves nothing")
	}
	if code := h.server.stop(os.Interrupt); code != 0 {
		h.t.Errorf("exit code %d after SIGINT, want 0", code)
	}
}

// reader is the user to whom all secrets go, or from whom they come.
const reader = "anna"

// read reads what has come since the last time.
func (h *harbor) read(c *proof.Text) error {
	for _, conversation := range []string{"lobby", proof.Pair(reader, "berta"), proof.Pair(reader, "dora")} {
		last, err := c.History(conversation, h.last[conversation])
		if err != nil {
			return err
		}
		h.last[conversation] = last
	}
	return nil
}

func TestSecondServerIsRefused(t *testing.T) {
	data := t.TempDir()
	server := serveChild(t, data)
	second := &strings.Builder{}
	code := run(t.Context(), []string{"serve", "--data", data, "--text", "127.0.0.1:0", "--line", "off"}, nil, nil, io.Discard, second)
	if code != 1 || !strings.Contains(second.String(), "another") {
		t.Errorf("exit %d, %q; want 1 and a word of another server", code, second)
	}
	server.stop(syscall.SIGKILL)
}

func TestSignalsEndTheServer(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		server := serveChild(t, t.TempDir())
		c, err := dialText(server.text)
		if err != nil {
			t.Fatal(err)
		}
		c.must(t, "guest", "bob")
		if code := server.stop(sig); code != 0 {
			t.Errorf("%v: exit code %d, want 0", sig, code)
		}
		if got, err := c.read(); err != nil || got[0] != "error" || got[1] != "fatal" {
			t.Errorf("%v: the client was told %q, %v; want a fatal error", sig, got, err)
		}
		if _, err := c.read(); !errors.Is(err, io.EOF) {
			t.Errorf("%v: then %v, want the end", sig, err)
		}
	}
}
