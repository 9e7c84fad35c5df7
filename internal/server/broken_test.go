package server_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/parley-chat/parley/internal/hub"
	"github.com/parley-chat/parley/internal/server"
)

// breaking is a store that keeps what it is given, and cannot tell that it did.
type breaking struct {
	hub.Store
	breaks atomic.Bool
}

func (b *breaking) Commit(ctx context.Context, write func(hub.Tx) error) error {
	err := b.Store.Commit(ctx, write)
	if b.breaks.Load() {
		return fmt.Errorf("fsync: %w", hub.ErrBroken)
	}
	return err
}

// T16: when a write cannot be made durable, it may be on the disk all the same.
// Nobody is told that it is, or that it is not; the server ends.
func TestBrokenStoreAnswersNobody(t *testing.T) {
	for _, request := range [][]string{
		{"say", "lobby", "hi"},
		{"post", "lobby", "id", "hi"},
		{"tell", "bob", "hi"},
		{"new", "den"},
		{"topic", "lobby", "hi"},
		{"register", "carla", "secret"},
		{"passwd", "secret", "other"},
	} {
		t.Run(request[0], func(t *testing.T) {
			var store *breaking
			h := start(t, mayFail, func(s *setup) {
				s.opts.Store = func(inner hub.Store) hub.Store {
					store = &breaking{Store: inner}
					return store
				}
			})
			h.account("bob")
			c, line := h.account("alice"), h.line("lena")
			c.ok("join", "lobby")
			store.breaks.Store(true)
			c.send(request...)
			<-h.Ended()
			if why := h.Why(); errors.Is(why, server.ErrKilled) {
				t.Errorf("it ended because %v", why)
			}
			h.shutdown()
			if n := c.fatal("unavailable"); n > 0 {
				t.Errorf("%d messages before the fatal one, want none", n)
			}
			line.want("Error: *")
			line.ended()
		})
	}
}
