package simulation

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/parley-chat/parley/internal/hub"
	"github.com/parley-chat/parley/internal/proof"
)

// TestPlanted plants bugs around the server, each of which must be found within
// a few seeds: a simulation that finds nothing must be able to.
func TestPlanted(t *testing.T) {
	const most = 40 // seeds
	for _, tt := range []struct {
		name string
		bug  func() plant // a new one for each seed
		want proof.Kind
	}{
		{"a retry is said again", func() plant { return plant{store: forgetIDs} }, proof.Doubled},
		{"what is acknowledged is not kept", func() plant { return plant{died: loseLast} }, proof.Lost},
		{"what is refused is kept", func() plant { return plant{store: keepRefused} }, proof.Phantom},
		{"somebody else is told, too", func() plant { return plant{wrote: (&tee{}).leak} }, proof.Leak},
		{"somebody is not told", func() plant { return plant{wrote: (&tee{}).drop} }, proof.Gap},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for seed := uint64(1); seed <= most; seed++ {
				o := simulate(t, seed, "", tt.bug())
				if slices.ContainsFunc(o.violations, func(v proof.Violation) bool { return v.Kind == tt.want }) {
					t.Logf("found with seed %d", seed)
					return
				}
			}
			t.Errorf("%d seeds did not show that something is %s", most, tt.want)
		})
	}
}

// committing changes what a store's transactions do.
type committing struct {
	hub.Store
	commit func(ctx context.Context, write func(hub.Tx) error) error
}

func (s committing) Commit(ctx context.Context, write func(hub.Tx) error) error {
	return s.commit(ctx, write)
}

// forgetIDs does not know client ids.
func forgetIDs(s hub.Store) hub.Store {
	return committing{s, func(ctx context.Context, write func(hub.Tx) error) error {
		return s.Commit(ctx, func(tx hub.Tx) error { return write(withoutIDs{tx}) })
	}}
}

type withoutIDs struct{ hub.Tx }

func (t withoutIDs) Append(r *hub.Record) (bool, error) {
	r.ClientID = ""
	return t.Tx.Append(r)
}

// keepRefused keeps some commits that it says it has not kept.
func keepRefused(s hub.Store) hub.Store {
	commits := 0
	return committing{s, func(ctx context.Context, write func(hub.Tx) error) error {
		commits++
		if err := s.Commit(ctx, write); err != nil || commits%20 != 0 {
			return err
		}
		return errDisk
	}}
}

// loseLast is a disk that has promised more than it had written.
func loseLast(d *disk) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.conversations {
		c.messages = c.messages[:max(0, len(c.messages)-2)]
	}
	for id, use := range d.clientIDs {
		if use.seq > int64(len(d.conversations[use.conversation].messages)) {
			delete(d.clientIDs, id)
		}
	}
}

// tee sits between the text door and its clients.
type tee struct {
	mu     sync.Mutex
	last   *watched // to which something was written last
	pushes atomic.Int64
}

// isPush tells whether a write begins with what somebody said in a room.
func isPush(c *watched, b []byte) bool {
	const header = 5
	return !c.wire.line && len(b) > header && bytes.HasPrefix(b[header:], []byte("room,"))
}

// leak tells another connection, too.
func (t *tee) leak(c *watched, b []byte) (keep bool) {
	if c.wire.line {
		return true
	}
	t.mu.Lock()
	other := t.last
	t.last = c
	t.mu.Unlock()
	if other != nil && other != c && isPush(c, b) && len(b) < 200 && other.Untaken() == 0 {
		other.Conn.Write(b)
	}
	return true
}

// drop forgets a push now and then.
func (t *tee) drop(c *watched, b []byte) (keep bool) {
	return !isPush(c, b) || t.pushes.Add(1)%10 != 0
}
