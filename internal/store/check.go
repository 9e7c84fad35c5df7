package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"github.com/parley-chat/parley/internal/hub"
)

// checkFirst is up to which size, in bytes, a database is checked before it is
// used: that takes a second for each 80 MB. A larger one is checked beside
// serving. Until that has ended, damage costs what it is in: a row is read with
// its checksum, and a page of history only without a gap.
const checkFirst = 4 << 20

// A checkup reads the whole database once, beside everything else. Its
// goroutine is started by Open, and stopped and waited for by Close.
//
// It is one long read, so that checkpoints copy no more of the log than was
// there when it began, and the log is not begun anew: until the check has
// ended, about 12 s a gigabyte, the log grows by all that is written.
type checkup struct {
	db     *sql.DB // of its one connection; nil: the database was checked before
	cancel context.CancelFunc
	done   chan struct{} // closed when it has ended
}

func (c *checkup) start(s *Store) {
	c.done = make(chan struct{})
	ctx, cancel := context.WithCancel(s.opened)
	c.cancel = cancel
	if c.db == nil {
		close(c.done)
		return
	}
	go func() {
		defer close(c.done)
		c.run(ctx, s)
		_ = c.db.Close()
	}()
}

// stop interrupts a check under way: the next start begins anew.
func (c *checkup) stop() {
	c.cancel()
	<-c.done
}

func (c *checkup) run(ctx context.Context, s *Store) {
	err := fault("check database", checkDamage(ctx, c.db))
	switch {
	case ctx.Err() != nil:
	case err == nil:
		s.log.Info("the database was checked beside serving, and is whole")
	case errors.Is(err, hub.ErrBroken):
		s.log.Error("the check beside serving has found damage", "err", err)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.breaks(fmt.Errorf("%s: %w", damagedText, err))
	default:
		s.log.Warn("the database could not be checked; the next start tries again", "err", err)
	}
}

// checkDamage reads the whole database and compares its tables with their indexes.
func checkDamage(ctx context.Context, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, "PRAGMA integrity_check(1)")
	if err != nil {
		return err
	}
	return each(rows, func(row scanner) error {
		var found string
		if err := row.Scan(&found); err != nil {
			return err
		}
		if found != "ok" {
			return fmt.Errorf("%s: %w", found, hub.ErrBroken)
		}
		return nil
	})
}

// checkNow checks a database before it is used, unless that would take long and
// may wait. It may not when its tables are about to be changed, or when the
// store broke: then a server that is started again and again would serve for a
// moment each time.
func (s *Store) checkNow(ctx context.Context) (later bool, err error) {
	var size int64
	err = s.writeDB.QueryRowContext(ctx, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").Scan(&size)
	if err != nil {
		return false, err
	}
	suspect := exists(s.files.suspect)
	if size > s.opts.checkFirst {
		if !suspect && isCurrent(ctx, s.writeDB) {
			return true, nil
		}
		s.log.Info("checking the database, which takes a while", "bytes", size)
	}
	if err := checkDamage(ctx, s.writeDB); err != nil || !suspect {
		return false, err
	}
	s.log.Info("the database was checked after the store broke, and is whole")
	return false, os.Remove(s.files.suspect)
}

// isCurrent tells whether every migration has been made. When in doubt, it has not.
func isCurrent(ctx context.Context, db *sql.DB) bool {
	names, err := fs.Glob(migrations, "migrations/sqlite/*.sql")
	if err != nil {
		return false
	}
	var made int
	err = db.QueryRowContext(ctx, "SELECT max(version_id) FROM migrations WHERE is_applied").Scan(&made)
	var last int
	if _, scanErr := fmt.Sscanf(path.Base(names[len(names)-1]), "%d", &last); err != nil || scanErr != nil {
		return false
	}
	return made == last
}

// breaks ends the store for writing, for good, and says so: to whoever runs it,
// and to the next start. The first reason stays. Store.mu is held.
func (s *Store) breaks(why error) {
	if s.w.broken != nil {
		return
	}
	s.w.broken = why
	if err := os.WriteFile(s.files.suspect, []byte(why.Error()+"\n"), fileMode); err != nil {
		s.log.Warn("the next start will not know that the store broke", "err", err)
	}
	if s.opts.Broken != nil {
		s.opts.Broken(why)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
