package server_test

import (
	"context"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alexedwards/argon2id"
	"go.uber.org/goleak"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/config"
	"github.com/parley-chat/parley/internal/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is for how long a test waits for what must come. It only ends a
// test that has failed already: nothing is measured by it.
const patience = time.Minute

// soak tells whether the heavy sizes were asked for.
func soak() bool { return os.Getenv("PARLEY_SOAK") != "" }

// heavy chooses the size of a test: in a hurry, usually, or for a soak.
func heavy(short, usual, long int) int {
	switch {
	case soak():
		return long
	case testing.Short():
		return short
	}
	return usual
}

// setup is what a test may change about its server before it starts.
type setup struct {
	cfg      config.Config
	opts     server.Options
	mayFail  bool // the log may hold errors
	shutdown bool // the test shuts the server down itself
}

// limits moves a limit of the server.
func limits(move func(*parley.Limits)) func(*setup) {
	return func(s *setup) { s.opts.Limits = move }
}

func mayFail(s *setup) { s.mayFail = true }

// onSockets opens both doors on loopback. Without it they serve connections in
// memory only.
func onSockets(s *setup) { s.cfg.Text, s.cfg.Line = "127.0.0.1:0", "127.0.0.1:0" }

// host is a server under test.
type host struct {
	*server.Server
	t   testing.TB
	log *logbook

	crossings, accounts int // made so far, see newCrossing
}

// start runs a server that ends with the test. Its log must hold no error then.
func start(t testing.TB, changes ...func(*setup)) *host {
	t.Helper()
	book := &logbook{}
	s := setup{cfg: config.Default(), opts: server.Options{Log: slog.New(book)}}
	// Next to no work: these tests are not about the strength of hashes.
	s.opts.Hash = &argon2id.Params{Memory: 64, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32}
	s.cfg.Data, s.cfg.Durability = t.TempDir(), "relaxed"
	s.cfg.Text, s.cfg.Line = config.Off, config.Off
	for _, change := range changes {
		change(&s)
	}
	started, err := server.Start(context.Background(), s.cfg, s.opts)
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	h := &host{Server: started, t: t, log: book}
	t.Cleanup(func() {
		if !s.shutdown {
			h.shutdown()
		}
		if errs := book.errors(); len(errs) > 0 && !s.mayFail {
			t.Errorf("the server logged errors: %q", errs)
		}
	})
	return h
}

// shutdown ends the server in good order.
func (h *host) shutdown() {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), parley.DefaultLimits().Drain)
	defer cancel()
	if err := h.Shutdown(ctx); err != nil {
		h.t.Errorf("Shutdown: %v", err)
	}
}

// bubble runs a test on a server with connections in memory, on a clock that
// goes on when everything waits.
func bubble(t *testing.T, test func(t *testing.T, h *host), changes ...func(*setup)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, start(t, changes...)) })
}

// pass lets time go by. It is for bubbles alone.
func pass(d time.Duration) {
	if d > 0 {
		<-time.After(d)
	}
}

// memory connects to a door in memory. The buffer of each direction holds so
// many bytes.
func (h *host) memory(door string, buffer int) *conn {
	ours, theirs := newPipe(buffer)
	h.Drive(door, theirs)
	return ours
}

// dial connects to a door on its socket.
func (h *host) dial(door string) *net.TCPConn {
	h.t.Helper()
	c, err := net.Dial("tcp", h.Addr(door).String())
	if err != nil {
		h.t.Fatalf("dial the %s door: %v", door, err)
	}
	return c.(*net.TCPConn)
}

// logbook is a log handler that keeps what matters to tests.
type logbook struct {
	mu   sync.Mutex
	errs []string
}

// errors gives the records of errors.
func (l *logbook) errors() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.errs...)
}

// panics counts the records that tell of a panic.
func (l *logbook) panics() int {
	n := 0
	for _, e := range l.errors() {
		if strings.Contains(e, "panicked") {
			n++
		}
	}
	return n
}

func (l *logbook) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelError }

func (l *logbook) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		text += " " + a.String()
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.errs = append(l.errs, text)
	return nil
}

func (l *logbook) WithAttrs([]slog.Attr) slog.Handler { return l }
func (l *logbook) WithGroup(string) slog.Handler      { return l }
