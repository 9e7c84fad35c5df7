package server_test

import (
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/hub"
)

// A name that is being looked at for somebody is held, but nobody has it yet:
// an account of that name is offline as before, not unknown.
func TestTellWhileSomebodyAsksForTheName(t *testing.T) {
	for _, called := range []string{"bob", "Bob"} { // its key, and another spelling
		t.Run(called, func(t *testing.T) {
			bubble(t, func(t *testing.T, h *host) {
				bob := h.account("bob")
				quit(h, bob, "bob")
				alice, eve := h.account("alice"), h.text()
				eve.send("guest", "bob")
				pass(time.Second) // while the name is looked up
				if got := alice.ask("tell", called, "hi"); !like(got, []string{"ok", "*", "*"}) {
					t.Errorf("tell,%s: got %q, want ok and an id: it waits in the history", called, got)
				}
				eve.want("error", "nonfatal", "name_taken", "*")
			}, neverSilent, func(s *setup) {
				s.opts.Store = func(kept hub.Store) hub.Store { return slowReads{kept, 3 * time.Second} }
			})
		})
	}
}
