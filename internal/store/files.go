package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/gofrs/flock"
	"modernc.org/sqlite"
)

// applicationID stands in the header of our files: "prly".
const applicationID = 0x70726c79

const (
	dirMode  = 0o700
	fileMode = 0o600
)

// files are the paths of a store.
type files struct {
	dir  string
	db   string
	lock string
	new  string // the database while it is being made
	// suspect is there when the store broke: the next start checks the
	// database before it is used.
	suspect string
}

func filesIn(dir string) (files, error) {
	if dir == "" {
		return files{}, errors.New("no data directory is given")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return files{}, err
	}
	db := filepath.Join(dir, "parley.db")
	return files{dir: dir, db: db, lock: filepath.Join(dir, "parley.lock"), new: db + ".new", suspect: db + ".suspect"}, nil
}

// take makes the directory and locks it.
func (f files) take(log *slog.Logger) (*flock.Flock, error) {
	if err := makeDir(f.dir); err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	if info, err := os.Stat(f.dir); err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		log.Warn("other users of this machine can look into the data directory; chmod it to 700", "mode", info.Mode().Perm().String())
	}
	lock := flock.New(f.lock, flock.SetPermissions(fileMode))
	ok, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	if !ok {
		return nil, fmt.Errorf("another server is using the data directory %s", f.dir)
	}
	return lock, nil
}

// makeDir makes a directory that is missing, those above it first, so that each
// is on the disk before something is put into it.
func makeDir(dir string) error {
	above := filepath.Dir(dir)
	if exists(dir) || above == dir {
		return nil
	}
	if err := makeDir(above); err != nil {
		return err
	}
	if err := os.Mkdir(dir, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(above)
}

// prepareFile sees to it that there is a database of ours, and nothing else.
// It looks at the bytes, before SQLite might write to them. Later, nobody may
// open the file but SQLite: closing it would drop SQLite's locks.
func (s *Store) prepareFile(ctx context.Context) error {
	switch err := s.files.inspect(); {
	case errors.Is(err, fs.ErrNotExist):
		s.log.Info("making a new database")
		if err := s.files.create(ctx); err != nil {
			return fmt.Errorf("make database: %w", err)
		}
		return nil
	case err != nil:
		return err
	}
	if err := os.Chmod(s.files.db, fileMode); err != nil {
		return fmt.Errorf("protect database: %w", err)
	}
	return nil
}

// inspect says what is wrong with the database file by its header:
// fs.ErrNotExist when a new one may be made.
func (f files) inspect() error {
	const headerSize, idOffset = 100, 68
	file, err := os.Open(f.db)
	if errors.Is(err, fs.ErrNotExist) {
		for _, suffix := range []string{"-wal", "-journal"} {
			if info, err := os.Stat(f.db + suffix); err == nil && info.Size() > 0 {
				return fmt.Errorf("%s is there and %s is missing: put it back, or move both away", f.db+suffix, f.db)
			}
		}
		return err
	}
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil {
		return fmt.Errorf("open database: %w", err)
	} else if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no file", f.db)
	} else if info.Size() == 0 {
		return fmt.Errorf("%s is empty: restore a backup, or remove it to begin anew", f.db)
	}
	header := make([]byte, headerSize)
	if _, err := io.ReadFull(file, header); errors.Is(err, io.ErrUnexpectedEOF) || err == nil && !strings.HasPrefix(string(header), "SQLite format 3\x00") {
		return fmt.Errorf("%s is not a database of parley, or damaged", f.db)
	} else if err != nil {
		return fmt.Errorf("read database: %w", err)
	}
	if id := binary.BigEndian.Uint32(header[idOffset:]); id != applicationID {
		return fmt.Errorf("%s is a database of another program, or damaged (application id %#x)", f.db, id)
	}
	return nil
}

// create makes a database under another name, waits once until it is on the
// disk, and renames it: a crash or a full disk leaves no half-made one.
func (f files) create(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, f.removeNew())
		}
	}()
	if err := f.removeNew(); err != nil {
		return err
	}
	file, err := os.OpenFile(f.new, os.O_CREATE|os.O_EXCL|os.O_RDWR, fileMode)
	if err != nil {
		return err
	}
	db, err := f.connect(f.new, forMaking, false)
	if err != nil {
		return errors.Join(err, file.Close())
	}
	if err := errors.Join(fillNew(ctx, db), db.Close(), file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.new, f.db); err != nil {
		return err
	}
	return syncDir(f.dir)
}

// removeNew removes what an unfinished create left.
func (f files) removeNew() error {
	for _, suffix := range []string{"", "-journal", "-wal", "-shm"} {
		if err := os.Remove(f.new + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// syncDir makes the names in a directory durable. Windows has no such call.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// A connKind is what a connection is for.
type connKind int

const (
	forWriting connKind = iota
	forCheckpoints
	forReading
	forChecking
	forMaking
)

// maxReaders bounds the pool of readers.
const maxReaders = 8

// connect prepares connections to a file that exists. The pool opens them when
// they are needed, each with the same settings.
func (f files) connect(path string, kind connKind, relaxed bool) (*sql.DB, error) {
	// cell_size_check finds damage before it spreads; trusted_schema and
	// _defensive keep a file that somebody changed from running code here.
	settings := url.Values{
		"mode":       {"rw"},
		"_dqs":       {"0"},
		"_defensive": {"1"},
		"_error_rc":  {"1"},
		"_pragma": {
			"busy_timeout(5000)", "foreign_keys(1)", "trusted_schema(0)",
			"cell_size_check(1)", "temp_store(MEMORY)", "wal_autocheckpoint(0)",
			fmt.Sprintf("journal_size_limit(%d)", logPages*4096),
		},
	}
	sync, most := "FULL", 1
	if relaxed {
		sync = "NORMAL"
	}
	switch kind {
	case forWriting:
		settings.Add("_pragma", "cache_size(-16384)")
	case forReading, forChecking:
		settings.Set("mode", "ro")
		settings.Set("_query_only", "1")
		if kind == forReading {
			most = maxReaders + 1 // the anchor
		}
	case forMaking:
		sync = "OFF" // see create
		settings.Add("_pragma", "journal_mode(MEMORY)")
	case forCheckpoints:
	}
	settings.Set("_synchronous", sync)
	name := url.URL{Scheme: "file", Path: slashed(path), OmitHost: true, RawQuery: settings.Encode()}
	connector, err := sqlite.NewConnector(name.String())
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(most)
	db.SetMaxIdleConns(most)
	return db, nil
}

// slashed is a path as a file: URI has it, on Windows too.
func slashed(path string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		return "/" + path
	}
	return path
}
