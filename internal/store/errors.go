package store

import (
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
)

// ErrDamaged is wrapped when a row does not have the checksum that it was
// written with. What it says is not shown; the other rows stay readable.
var ErrDamaged = errors.New("a stored row is damaged")

// errClosed is what a closed store says: to a peer, that the server ends.
var errClosed = fmt.Errorf("the store is closed: %w", parley.ErrShuttingDown)

// logDamage tells the operator which row is damaged: err names it.
func (s *Store) logDamage(err error) { s.log.Error("a stored row is damaged", "err", err) }

// resultCode gives SQLite's extended result code of an error, or 0.
func resultCode(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code()
	}
	return 0
}

// fault says with parley.ErrUnavailable or hub.ErrBroken what an error of the
// database means for the one who asked. Other errors stay as they are.
func fault(doing string, err error) error {
	switch meaning := meaningOf(resultCode(err)); {
	case err == nil:
		return nil
	case meaning == nil:
		return fmt.Errorf("%s: %w", doing, err)
	default:
		return fmt.Errorf("%s: %w: %w", doing, meaning, err)
	}
}

// meaningOf sorts SQLite's result codes.
func meaningOf(code int) error {
	switch code {
	case sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_SHMOPEN, sqlite3.SQLITE_IOERR_SHMMAP:
		// The shared memory file could not grow: the disk is full. It holds
		// nothing that must last.
		return parley.ErrUnavailable
	}
	switch code & 0xff {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED,
		sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL:
		return parley.ErrUnavailable
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_READONLY:
		return hub.ErrBroken
	}
	return nil
}
