// Package parleytest runs a real parley server for the tests of programs: no fake, but the
// server itself, on a free port of this machine, with a data directory that the test
// owns, and with passwords that are cheap to check. It is made in a few milliseconds.
//
//	server := parleytest.Start(t, parleytest.Grant("dice", "provide"))
//	c, err := client.Dial(t.Context(), server.URL, client.Guest("alice"))
package parleytest

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"

	"github.com/parley-chat/parley/internal/config"
	"github.com/parley-chat/parley/internal/server"
)

// patience is how long the server gets to end, and to have its port back. Only a test that
// fails needs all of it.
const patience = 30 * time.Second

// A Server is a running server. Its methods are called by the test's own goroutine.
type Server struct {
	URL string // of its text door, as client.Dial takes it; it stays when the server is started again

	t       testing.TB
	cfg     config.Config
	log     faults
	running *server.Server // nil: stopped
}

// An Option changes the server before it starts.
type Option func(*config.Config)

// Grant gives an account rights that must be granted: provide, admin.
func Grant(user string, rights ...string) Option {
	return func(cfg *config.Config) {
		if cfg.Grants == nil {
			cfg.Grants = config.Grants{}
		}
		cfg.Grants[user] = config.Grant{Rights: rights}
	}
}

// Rooms are those that the server makes at its first start, in place of lobby.
func Rooms(names ...string) Option {
	return func(cfg *config.Config) { cfg.Rooms = names }
}

// Start runs a server until the test ends. What it has to say as an error fails the test.
func Start(t testing.TB, options ...Option) *Server {
	t.Helper()
	s := &Server{t: t, cfg: config.Default()}
	s.cfg.Data, s.cfg.Durability = t.TempDir(), "relaxed"
	s.cfg.Text, s.cfg.Line = "127.0.0.1:0", config.Off
	for _, o := range options {
		o(&s.cfg)
	}
	s.Start()
	s.cfg.Text = s.running.Addr("text").String()
	s.URL = "text://" + s.cfg.Text
	t.Cleanup(func() {
		s.Stop()
		for _, fault := range s.log.all() {
			t.Errorf("the server logged: %s", fault)
		}
	})
	return s
}

// Start runs a stopped server again, at the same address, with what it has kept. A server
// that runs goes on.
func (s *Server) Start() {
	s.t.Helper()
	if s.running != nil {
		return
	}
	// Next to no work: no test is about the strength of these hashes.
	hash := &argon2id.Params{Memory: 64, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32}
	for deadline := time.Now().Add(patience); ; {
		started, err := server.Start(context.Background(), s.cfg, server.Options{Log: slog.New(&s.log), Hash: hash})
		if err == nil {
			s.running = started
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("start the server: %v", err)
		}
		awaitFree(s.cfg.Text) // somebody may have had the port meanwhile
	}
}

// awaitFree waits while somebody listens at an address, for a moment.
func awaitFree(address string) {
	c, err := net.DialTimeout("tcp", address, 100*time.Millisecond)
	if err != nil {
		return
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	c.Read(make([]byte, 1))
}

// Stop shuts the server down, as its operator would: it answers what was asked and tells
// its clients. A server that is stopped stays so.
func (s *Server) Stop() {
	s.t.Helper()
	if s.running == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.running.Shutdown(ctx); err != nil {
		s.t.Errorf("stop the server: %v", err)
	}
	s.running = nil
}

// Restart stops the server and starts it again.
func (s *Server) Restart() {
	s.t.Helper()
	s.Stop()
	s.Start()
}

// Grant gives an account other rights than it had, none perhaps, from the next Start on.
func (s *Server) Grant(user string, rights ...string) { Grant(user, rights...)(&s.cfg) }

// Forget lets a stopped server begin with nothing when it is started again.
func (s *Server) Forget() {
	s.t.Helper()
	if s.running != nil {
		s.t.Fatal("Forget: the server runs; Stop it first")
	}
	s.cfg.Data = s.t.TempDir()
}

// faults is a log that keeps errors only.
type faults struct {
	mu   sync.Mutex
	list []string
}

func (f *faults) all() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.list
}

// Enabled is for slog.
func (f *faults) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelError }

// Handle is for slog.
func (f *faults) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		text += " " + a.String()
		return true
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, text)
	return nil
}

// WithAttrs is for slog.
func (f *faults) WithAttrs([]slog.Attr) slog.Handler { return f }

// WithGroup is for slog.
func (f *faults) WithGroup(string) slog.Handler { return f }
