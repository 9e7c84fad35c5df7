package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
)

// Options say where a store is and how it behaves.
type Options struct {
	Dir       string           // the directory of the data; made when it is missing
	Relaxed   bool             // do not wait for the disk: a power loss may take what was acknowledged
	Now       func() time.Time // the clock; nil: time.Now
	ClientIDs time.Duration    // for which a client id is remembered; 0: as in parley.DefaultLimits
	Log       *slog.Logger     // nil: nowhere
	// Broken is called once, when the store can no longer be trusted and no
	// commit will succeed any more: also when it was not a commit that showed
	// it. It must neither wait nor use the store. nil: nobody is told.
	Broken func(error)

	checkFirst int64 // a larger database is checked beside serving; 0: checkFirst
}

// Store keeps everything in one SQLite file. It implements hub.Store.
type Store struct {
	// Fixed after Open.
	opts    Options
	opened  context.Context // Open's, without its end; for what outlives that call
	log     *slog.Logger
	files   files
	lock    *flock.Flock
	writeDB *sql.DB // of the writer's one connection
	checkDB *sql.DB // of the checkpointer's one connection
	readDB  *sql.DB
	readers [allQueries]*sql.Stmt // from writerQueries on
	anchor  *sql.Conn             // see Close

	checkpoints checkpointer
	checkup     checkup
	known       known

	mu     sync.Mutex // held by a commit
	w      *writer
	closed bool
}

var _ hub.Store = (*Store)(nil)

// Open opens the store in a directory, or makes one there. It refuses a
// directory that another server uses, and a file that is no database of parley,
// comes from a newer one, or is damaged; it changes nothing about such a file.
func Open(ctx context.Context, opts Options) (*Store, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	opts.checkFirst = cmp.Or(opts.checkFirst, checkFirst)
	opts.ClientIDs = cmp.Or(opts.ClientIDs, parley.DefaultLimits().ClientIDs)
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	files, err := filesIn(opts.Dir)
	if err != nil {
		return nil, err
	}
	s := &Store{checkpoints: checkpointer{pace: usualPace}, opts: opts, opened: context.WithoutCancel(ctx), log: opts.Log, files: files}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.release())
	}
	s.checkpoints.start(s)
	s.checkup.start(s)
	s.known.start(s)
	return s, nil
}

// open takes the lock, sees to the file, and connects to it.
func (s *Store) open(ctx context.Context) error {
	var err error
	if s.lock, err = s.files.take(s.log); err != nil {
		return err
	}
	if err := s.prepareFile(ctx); err != nil {
		return err
	}
	for _, c := range []struct {
		db   **sql.DB
		kind connKind
	}{{&s.writeDB, forWriting}, {&s.checkDB, forCheckpoints}, {&s.readDB, forReading}} {
		if *c.db, err = s.files.connect(s.files.db, c.kind, s.opts.Relaxed); err != nil {
			return err
		}
	}
	checkLater, err := s.prepareDatabase(ctx)
	if err != nil {
		return err
	}
	if err := s.openWriter(ctx); err != nil {
		return fmt.Errorf("open writer: %w", err)
	}
	if err := s.openReaders(ctx); err != nil {
		return fmt.Errorf("open readers: %w", err)
	}
	if err := s.known.prepare(ctx, s); err != nil {
		return fmt.Errorf("count accounts: %w", err)
	}
	// SQLite has made its log by now. It syncs the directory too, before the
	// first commit, but says nothing when that fails.
	if err := syncDir(s.files.dir); err != nil {
		return fmt.Errorf("sync data directory: %w", err)
	}
	// Now, rather than when there is no file handle left.
	if err := writable(ctx, s.checkDB); err != nil || !checkLater {
		return err
	}
	if s.checkup.db, err = s.files.connect(s.files.db, forChecking, s.opts.Relaxed); err != nil {
		return err
	}
	return s.checkup.db.PingContext(ctx)
}

// openWriter takes the writer's connection for good and prepares its statements.
func (s *Store) openWriter(ctx context.Context) error {
	conn, err := s.writeDB.Conn(ctx)
	if err != nil {
		return err
	}
	s.w = &writer{
		conn:  conn,
		heads: make(map[parley.ConversationID]head),
		pairs: make(map[pair]parley.ConversationID),
	}
	for q := changes; q < writerQueries; q++ {
		if s.w.stmts[q], err = conn.PrepareContext(ctx, sqliteQueries[q]); err != nil {
			return err
		}
	}
	return conn.Raw(s.w.prepareChanges)
}

// openReaders prepares the statements of the pool.
func (s *Store) openReaders(ctx context.Context) error {
	var err error
	if s.anchor, err = s.readDB.Conn(ctx); err != nil {
		return err
	}
	for q := writerQueries; q < allQueries; q++ {
		if s.readers[q], err = s.readDB.PrepareContext(ctx, sqliteQueries[q]); err != nil {
			return err
		}
	}
	return nil
}

// Close waits for the commit under way, copies the log into the database,
// and lets the directory go. Closing twice is allowed.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.known.stop()
	s.checkup.stop()
	s.checkpoints.stop()
	var err error
	if s.w.broken == nil {
		err = s.lastCheckpoint()
	}
	return errors.Join(err, s.release())
}

// release closes whatever is open. SQLite copies its log into the database
// when the last connection that can write is closed, unless another one is
// there: the anchor is, when that log must not be trusted.
func (s *Store) release() error {
	var errs []error
	closeDB := func(db *sql.DB) {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	closeReaders := func() {
		if s.anchor != nil {
			errs = append(errs, s.anchor.Close())
		}
		closeDB(s.readDB)
		closeDB(s.checkup.db)
	}
	broken := s.w != nil && s.w.broken != nil
	if !broken {
		closeReaders()
	}
	closeDB(s.checkDB)
	if s.w != nil {
		errs = append(errs, s.w.close())
	}
	closeDB(s.writeDB)
	if broken {
		closeReaders()
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}

// now is the time as it is stored.
func (s *Store) now() int64 { return s.opts.Now().UnixMilli() }

// oldestClientID is the time before which client ids are forgotten.
func (s *Store) oldestClientID() int64 { return s.now() - s.opts.ClientIDs.Milliseconds() }

func (s *Store) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}
