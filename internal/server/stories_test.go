package server_test

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"

	"github.com/parley-chat/parley/conformance"
	"github.com/parley-chat/parley/internal/config"
	"github.com/parley-chat/parley/internal/memnet"
	"github.com/parley-chat/parley/internal/server"
)

// TestStories plays every story of the protocols against this server, as
// parley's own conformance kit would against any other: over TCP, and over
// connections in memory.
func TestStories(t *testing.T) {
	s := storyServer(t)
	t.Run("sockets", func(t *testing.T) {
		playStories(t, conformance.Target{Text: s.Addr("text").String(), Line: s.Addr("line").String()})
	})
	t.Run("memory", func(t *testing.T) {
		playStories(t, conformance.Target{Dial: func(_ context.Context, door string) (net.Conn, error) {
			ours, theirs := memnet.Pipe(roomy)
			s.Drive(door, theirs)
			return &lingering{Conn: ours}, nil
		}})
	})
}

func storyServer(t *testing.T) *server.Server {
	t.Helper()
	cfg := config.Default()
	cfg.Data, cfg.Text, cfg.Line, cfg.Durability = t.TempDir(), "127.0.0.1:0", "127.0.0.1:0", "relaxed"
	cfg.Grants = config.Grants{"robot": {Rights: []string{"provide"}}}
	s, err := server.Start(t.Context(), cfg, server.Options{
		Log:  slog.New(slog.DiscardHandler),
		Hash: &argon2id.Params{Memory: 64, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return s
}

func playStories(t *testing.T, target conformance.Target) {
	t.Helper()
	target.Granted, target.Password = "robot", "tin, and bolts"
	stories, err := conformance.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, story := range stories {
		t.Run(story.String(), func(t *testing.T) {
			t.Parallel()
			if err := conformance.Run(t.Context(), story, target, conformance.Unique()); err != nil {
				t.Error(err)
			}
		})
	}
}

// lingering is a connection in memory that can vanish as a socket does.
type lingering struct {
	*memnet.Conn
	abrupt bool
}

// SetLinger lets Close reset the connection, as for a socket.
func (l *lingering) SetLinger(sec int) error {
	l.abrupt = sec == 0
	return nil
}

func (l *lingering) Close() error {
	if l.abrupt {
		l.Reset()
	}
	return l.Conn.Close()
}
