package simulation

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
)

// faulty is the store of one life. Commits take their time, are refused for a
// while, and one of them is the last.
type faulty struct {
	hub.Store
	life *life

	// The journal's, the only one who commits.
	rng     *rand.Rand
	commits int

	mu      sync.Mutex
	outage  time.Time // until then the disk is full
	noReads bool      // and not even reading works
}

func (f *faulty) Commit(ctx context.Context, write func(hub.Tx) error) error {
	if !f.life.armed.Load() {
		return f.Store.Commit(ctx, write)
	}
	f.commits++
	f.slow()
	f.weather()
	switch {
	case f.life.dead.Load():
		return errDisk
	case f.commits >= f.life.last && f.life.way != stays:
		return f.lastCommit(ctx, write)
	case f.isOut(false):
		return f.refuse(ctx, write)
	}
	err := f.Store.Commit(ctx, write)
	f.slow() // it is kept, and nobody knows
	if f.life.dead.Load() {
		return errDisk
	}
	return err
}

// lastCommit is the one with which the life ends, as it is meant to.
func (f *faulty) lastCommit(ctx context.Context, write func(hub.Tx) error) error {
	l := f.life
	l.world.note("the server %s, at commit %d", l.way, f.commits)
	way := l.way
	l.way, l.last = stays, 0 // once
	switch way {
	case diesBefore:
		l.die()
		return errDisk
	case breaksStore:
		l.broke.Store(true)
		if f.rng.IntN(2) == 0 {
			_ = f.Store.Commit(ctx, write)
		}
		return fmt.Errorf("fsync: %w", hub.ErrBroken)
	}
	err := f.Store.Commit(ctx, write)
	switch way {
	case diesAfter:
		l.die()
		return errDisk
	case diesSoon:
		time.AfterFunc(upTo(f.rng, 50*time.Millisecond), l.die)
	case stops:
		l.end()
		if f.rng.IntN(4) == 0 { // and not in good order after all
			time.AfterFunc(upTo(f.rng, 300*time.Millisecond), l.die)
		}
	}
	f.slow()
	if l.dead.Load() {
		return errDisk
	}
	return err
}

// refuse is a full disk: it shows at once, or at the end.
func (f *faulty) refuse(ctx context.Context, write func(hub.Tx) error) error {
	if f.rng.IntN(2) == 0 {
		return errDisk
	}
	return f.Store.Commit(ctx, func(tx hub.Tx) error {
		if err := write(tx); err != nil {
			return err
		}
		return errDisk
	})
}

// slow lets a disk take its time.
func (f *faulty) slow() {
	switch f.rng.IntN(40) {
	case 0:
		pass(upTo(f.rng, time.Second))
	case 1:
		if f.rng.IntN(4) == 0 {
			pass(upTo(f.rng, slowest))
		}
	default:
		pass(upTo(f.rng, 2*time.Millisecond))
	}
}

// slowest is how long a commit takes at most: twice that.
const slowest = 12 * time.Second

// weather begins an outage, rarely.
func (f *faulty) weather() {
	if !f.life.world.outages || f.rng.IntN(25) != 0 {
		return
	}
	lasts, noReads := upTo(f.rng, 4*time.Second), f.rng.IntN(3) == 0
	f.mu.Lock()
	f.outage, f.noReads = time.Now().Add(lasts), noReads
	f.mu.Unlock()
	f.life.world.note("the disk is full for %v, reading fails: %v", lasts, noReads)
}

func (f *faulty) isOut(reading bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return time.Now().Before(f.outage) && (!reading || f.noReads)
}

// reading takes its time, and says why nothing can be read. Many read at once,
// so the time comes from what is read, and when.
func (f *faulty) reading(ctx context.Context, what string) error {
	if !f.life.armed.Load() {
		return nil
	}
	h := fnv.New64a()
	h.Write([]byte(what))
	rng := rand.New(rand.NewPCG(f.life.world.seed^h.Sum64(), uint64(time.Now().UnixNano())))
	takes := upTo(rng, time.Millisecond)
	if rng.IntN(100) == 0 {
		takes = upTo(rng, slowest)
	}
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		return ctx.Err()
	}
	if f.life.dead.Load() || f.isOut(true) {
		return errDisk
	}
	return nil
}

func (f *faulty) Named(ctx context.Context, name parley.Name) ([]hub.Account, error) {
	if err := f.reading(ctx, name.Key()); err != nil {
		return nil, err
	}
	return f.Store.Named(ctx, name)
}

func (f *faulty) RoomsOf(ctx context.Context, user parley.UserID, after string, limit int) ([]parley.Name, error) {
	if err := f.reading(ctx, after); err != nil {
		return nil, err
	}
	return f.Store.RoomsOf(ctx, user, after, limit)
}

func (f *faulty) Pair(ctx context.Context, a, b parley.UserID) (parley.ConversationID, error) {
	if err := f.reading(ctx, fmt.Sprint(a, b)); err != nil {
		return 0, err
	}
	return f.Store.Pair(ctx, a, b)
}

func (f *faulty) History(ctx context.Context, q hub.HistoryQuery) ([]parley.Message, error) {
	if err := f.reading(ctx, fmt.Sprint(q)); err != nil {
		return nil, err
	}
	return f.Store.History(ctx, q)
}
