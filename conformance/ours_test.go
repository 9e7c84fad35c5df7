package conformance_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"

	"github.com/parley-chat/parley/conformance"
	"github.com/parley-chat/parley/internal/config"
	"github.com/parley-chat/parley/internal/server"
)

// TestCheckOurServer checks our own server: it offers everything and keeps every
// rule, and that it can be checked again shows that a check leaves nothing in
// its own way.
func TestCheckOurServer(t *testing.T) {
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
	target := conformance.Target{Text: s.Addr("text").String(), Line: s.Addr("line").String(), Granted: "robot", Password: "tin, and bolts"}
	for _, tt := range []struct {
		name    string
		options conformance.Options
		mode    string
	}{
		{"all", conformance.Options{Heavy: true}, "lines"},
		{"again, in chunks", conformance.Options{Chunks: true}, "chunks"},
	} {
		r, err := conformance.Check(t.Context(), target, tt.options)
		if err != nil {
			t.Fatal(err)
		}
		if r.Kept != len(r.Rules) || r.Kept < 130 || r.LineMode != tt.mode {
			var b strings.Builder
			(&conformance.Printer{Out: &b}).Report(r)
			t.Errorf("%s: played in %s, not all kept\n%s", tt.name, r.LineMode, &b)
		}
	}
}
