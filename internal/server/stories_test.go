package server_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"

	"github.com/parley-chat/parley/conformance"
	"github.com/parley-chat/parley/internal/config"
	"github.com/parley-chat/parley/internal/server"
)

// TestStories plays every story of the protocols against this server, over TCP,
// as parley's own conformance kit would against any other.
func TestStories(t *testing.T) {
	stories, err := conformance.Load()
	if err != nil {
		t.Fatal(err)
	}
	cfg := config.Default()
	cfg.Data, cfg.Text, cfg.Line, cfg.Durability = t.TempDir(), "127.0.0.1:0", "127.0.0.1:0", "relaxed"
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
	target := conformance.Target{Text: s.Addr("text").String(), Line: s.Addr("line").String()}
	for _, story := range stories {
		t.Run(story.String(), func(t *testing.T) {
			t.Parallel()
			if err := conformance.Run(t.Context(), story, target, conformance.Unique()); err != nil {
				t.Error(err)
			}
		})
	}
}
