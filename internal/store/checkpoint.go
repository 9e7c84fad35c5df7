package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parley-chat/parley/internal/hub"
)

// checkpointAfter is how long after the first commit that is not copied the log
// is copied into the database at the latest.
const checkpointAfter = 5 * time.Second

// logPages is how large the file of the log may stay, in pages: 64 MiB.
const logPages = 16384

// A pace says when the log is copied earlier: after so many commits or
// messages. A log of more pages is then copied once more between two commits:
// otherwise a writer that never rests would never find it wholly copied, and so
// never begin it anew. It begins anew often, for to write and sync what is there
// takes half the time of making the file longer.
type pace struct{ commits, messages, pages int }

var usualPace = pace{commits: 1000, messages: 20000, pages: logPages / 8}

// A checkpointer copies the log into the database beside the commits. Its
// goroutine is started by Open, and stopped and waited for by Close.
type checkpointer struct {
	commits, messages int // since it was called last; under Store.mu
	pace              pace

	some   chan struct{} // something is there to copy; size 1, so that telling never waits
	enough chan struct{} // do not wait any longer; size 1 likewise
	cancel context.CancelFunc
	done   chan struct{}
}

func (c *checkpointer) start(s *Store) {
	c.some, c.enough, c.done = make(chan struct{}, 1), make(chan struct{}, 1), make(chan struct{})
	var ctx context.Context
	ctx, c.cancel = context.WithCancel(s.opened)
	go func() {
		defer close(c.done)
		c.run(ctx, s)
	}()
}

// stop interrupts a checkpoint under way, which loses nothing.
func (c *checkpointer) stop() {
	c.cancel()
	<-c.done
}

// run copies until it is stopped. Without commits it does nothing at all.
func (c *checkpointer) run(ctx context.Context, s *Store) {
	timer := time.NewTimer(0)
	timer.Stop()
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.some:
			timer.Reset(checkpointAfter)
			continue
		case <-c.enough:
		case <-timer.C:
		}
		timer.Stop()
		if err := s.checkpoint(ctx); err != nil && ctx.Err() == nil {
			timer.Reset(checkpointAfter)
		}
	}
}

// committed counts a commit. Store.mu is held.
func (s *Store) committed(messages int) {
	c := &s.checkpoints
	c.commits++
	c.messages += messages
	if c.commits == 1 {
		signal(c.some)
	}
	if c.commits >= c.pace.commits || c.messages >= c.pace.messages {
		c.commits, c.messages = 0, 0
		signal(c.enough)
	}
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// checkpoint copies what is in the log.
func (s *Store) checkpoint(ctx context.Context) error {
	s.mu.Lock()
	s.checkpoints.commits, s.checkpoints.messages = 0, 0
	broken := s.w.broken != nil
	s.mu.Unlock()
	if broken {
		return nil
	}
	pages, err := s.copyLog(ctx, "PRAGMA wal_checkpoint(PASSIVE)")
	if err == nil && pages > s.checkpoints.pace.pages {
		s.mu.Lock()
		defer s.mu.Unlock()
		_, err = s.copyLog(ctx, "PRAGMA wal_checkpoint(PASSIVE)")
		return s.checkpointed(ctx, err)
	}
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
	}
	return s.checkpointed(ctx, err)
}

// checkpointed judges a checkpoint that failed. A full disk passes. After
// another fault of the disk, the copy cannot be trusted, even if it succeeds
// when tried again: the system may have forgotten what it could not write.
func (s *Store) checkpointed(ctx context.Context, err error) error {
	switch {
	case err == nil || ctx.Err() != nil:
	case errors.Is(err, hub.ErrBroken):
		s.log.Error("the log could not be copied into the database", "err", err)
		s.breaks(err)
	default:
		s.log.Warn("the log could not be copied into the database yet", "err", err)
	}
	return err
}

// copyLog runs a checkpoint and tells how many pages the log has.
func (s *Store) copyLog(ctx context.Context, pragma string) (pages int, err error) {
	var busy, copied int
	err = s.checkDB.QueryRowContext(ctx, pragma).Scan(&busy, &pages, &copied)
	return pages, fault("copy log", err)
}

// lastCheckpoint leaves the database whole and its log empty. Nobody else uses
// the store any more.
func (s *Store) lastCheckpoint() error {
	if _, err := s.copyLog(s.opened, "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		if errors.Is(err, hub.ErrBroken) {
			s.breaks(err)
		}
		return fmt.Errorf("last checkpoint: %w", err)
	}
	return nil
}
