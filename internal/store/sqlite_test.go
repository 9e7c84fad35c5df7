package store

import (
	"testing"

	"github.com/parley-chat/parley/internal/hub"
	"github.com/parley-chat/parley/internal/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T, env storetest.Env) hub.Store {
		// Relaxed, because the only difference is the setting, which
		// TestSettings looks at, and the time.
		s, err := Open(t.Context(), Options{Dir: env.Dir, Relaxed: true, Now: env.Now, ClientIDs: env.ClientIDs})
		if err != nil {
			t.Fatalf("Open: %v", err)
		}
		return s
	})
}
