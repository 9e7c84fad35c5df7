package hub_test

import (
	"context"
	"sync"
	"testing"

	"github.com/parley-chat/parley/internal/hub"
)

// heldStore holds its commits up.
type heldStore struct {
	hub.Store
	mu   sync.Mutex
	held chan struct{} // nil: it does not
	here chan struct{}
}

func (s *heldStore) Commit(ctx context.Context, f func(hub.Tx) error) error {
	s.mu.Lock()
	held := s.held
	s.mu.Unlock()
	if held != nil {
		s.here <- struct{}{}
		<-held
	}
	return s.Store.Commit(ctx, f)
}

// A module whose rooms are taken back while it comes into one is not in it.
func TestRoomsAreTakenAwayWhileJoining(t *testing.T) {
	st := &heldStore{here: make(chan struct{}, 1)}
	w := newWorld(t, func(cfg *hub.Config) { st.Store = cfg.Store; cfg.Store = st })
	dicer, alice := w.module("dicer"), w.guest("alice")
	w.hub.Grant(hub.Grants{Modules: map[string]hub.Rights{"dicer": hub.Rooms}})
	st.mu.Lock()
	held := make(chan struct{})
	st.held = held
	st.mu.Unlock()
	joined := make(chan error)
	go func() { _, err := dicer.Join(context.Background(), "lobby"); joined <- err }()
	<-st.here
	w.hub.Grant(hub.Grants{})
	st.mu.Lock()
	st.held = nil
	st.mu.Unlock()
	close(held)
	<-joined // as it may: it was allowed when it was asked
	alice.say("lobby", "is anybody listening?")
	if got := dicer.take(); len(got) > 0 {
		t.Errorf("it hears %q", got)
	}
}

// Grants may change while modules come; the race detector looks on.
func TestGrantWhileModulesCome(t *testing.T) {
	w := newWorld(t)
	user, err := w.hub.Module(t.Context(), "dicer")
	w.ok(err)
	var all sync.WaitGroup
	stop := make(chan struct{})
	all.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				w.hub.Grant(hub.Grants{})
			}
		}
	})
	for range 300 {
		s, err := w.hub.AttachModule(&inbox{}, words, user)
		w.ok(err)
		if err := s.Provide(dice); err != nil {
			t.Error(err)
		}
		s.End("")
	}
	close(stop)
	all.Wait()
}
