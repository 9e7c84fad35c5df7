package server_test

import (
	"bufio"
	"errors"
	"strings"
	"testing"

	"github.com/parley-chat/parley/internal/config"
	"github.com/parley-chat/parley/internal/server"
)

// TestKillPolicy sends kill under every policy, to a server that is reached
// from this machine only and to one that is open to others (T27).
func TestKillPolicy(t *testing.T) {
	for _, tt := range []struct {
		policy, text string
		allowed      bool
	}{
		{policy: "auto", text: "127.0.0.1:0", allowed: true},
		{policy: "auto", text: config.Off, allowed: true},
		{policy: "auto", text: "0.0.0.0:0"},
		{policy: "anyone", text: "127.0.0.1:0", allowed: true},
		{policy: "anyone", text: "0.0.0.0:0", allowed: true},
		{policy: "admin", text: "127.0.0.1:0"}, // bob is none: see rights_test.go
		{policy: "never", text: "127.0.0.1:0"},
	} {
		t.Run(tt.policy+" "+tt.text, func(t *testing.T) {
			h := start(t, func(s *setup) {
				s.cfg.Kill, s.cfg.Text, s.cfg.Line, s.cfg.Insecure = tt.policy, tt.text, "127.0.0.1:0", true
			})
			c := h.dial("line")
			defer c.Close()
			lines := bufio.NewScanner(c)
			// Only kill alone is meant: the others are no messages of ours.
			if _, err := c.Write([]byte("bob\nkil\nkill now\nrooms kill\n")); err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{"Welcome", "Verified", "Verified", "Verified"} {
				if lines.Scan(); !strings.HasPrefix(lines.Text(), want) {
					t.Fatalf("got %q, want %s", lines.Text(), want)
				}
			}
			if _, err := c.Write([]byte("kill\n")); err != nil {
				t.Fatal(err)
			}
			if tt.allowed {
				<-h.Ended()
				if err := h.Why(); !errors.Is(err, server.ErrKilled) {
					t.Errorf("ended by %v, want %v", err, server.ErrKilled)
				}
				return
			}
			if lines.Scan(); lines.Text() != "Error: kill is not permitted" {
				t.Errorf("kill was answered %q", lines.Text())
			}
			select {
			case <-h.Ended():
				t.Error("a refused kill ended the server")
			default:
			}
		})
	}
}
