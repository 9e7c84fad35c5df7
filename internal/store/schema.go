package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/parley-chat/parley/internal/hub"
)

//go:embed migrations/sqlite/*.sql
var migrations embed.FS

// leastSQLite is the first version in which restarting the log cannot damage
// the database (the WAL-reset bug).
var leastSQLite = [3]int{3, 51, 3}

// fillNew gives a new file its id and its tables.
func fillNew(ctx context.Context, db *sql.DB) error {
	if err := checkVersion(ctx, db); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d", applicationID)); err != nil {
		return err
	}
	return migrate(ctx, db, slog.New(slog.DiscardHandler))
}

// prepareDatabase checks a database, unless that comes later, and brings its
// tables up to date.
func (s *Store) prepareDatabase(ctx context.Context) (checkLater bool, err error) {
	if err := checkVersion(ctx, s.writeDB); err != nil {
		return false, openFault(err)
	}
	if checkLater, err = s.checkNow(ctx); err != nil {
		return false, openFault(err)
	}
	if err := migrate(ctx, s.writeDB, s.log); err != nil {
		return false, openFault(err)
	}
	var mode string
	if err := s.writeDB.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode); err != nil {
		return false, openFault(err)
	}
	if mode != "wal" {
		return false, fmt.Errorf("the file system of the data directory cannot hold SQLite's log (journal mode %s); use a local one", mode)
	}
	return checkLater, writable(ctx, s.writeDB)
}

// damagedText tells the operator what to do about a damaged database.
const damagedText = "the database is damaged, or its disk: restore a backup"

// openFault says what a fault means for the one who starts the server.
func openFault(err error) error {
	if err == nil {
		return nil
	}
	err = fault("open database", err)
	if errors.Is(err, hub.ErrBroken) {
		return fmt.Errorf("%s; nothing was changed: %w", damagedText, err)
	}
	return err
}

// writable makes sure that a connection can write, by changing nothing. SQLite
// opens a file that it cannot open for writing, be it for a moment's lack of
// file handles, for reading: it would refuse every write, or never copy the log.
func writable(ctx context.Context, db *sql.DB) error {
	const noRoom = 0
	_, err := db.ExecContext(ctx, sqliteQueries[deleteRoom], noRoom)
	if resultCode(err)&0xff == sqlite3.SQLITE_READONLY {
		return fmt.Errorf("the database can be read only; see to its file system and permissions, and try again: %w", err)
	}
	return openFault(err)
}

// checkVersion asserts the version of SQLite that is built in.
func checkVersion(ctx context.Context, db *sql.DB) error {
	var version string
	if err := db.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&version); err != nil {
		return err
	}
	for i, part := range strings.SplitN(version, ".", len(leastSQLite)) {
		n, err := strconv.Atoi(part)
		switch {
		case err != nil:
			return fmt.Errorf("SQLite has no number but %q: %w", version, err)
		case n > leastSQLite[i]:
			return nil
		case n < leastSQLite[i]:
			return fmt.Errorf("this program is built with SQLite %s; it needs %v or newer", version, leastSQLite)
		}
	}
	return nil
}

// migrate brings the tables up to date, each step in a transaction of its own.
func migrate(ctx context.Context, db *sql.DB, log *slog.Logger) error {
	steps, err := fs.Sub(migrations, "migrations/sqlite")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, steps,
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()), goose.WithTableName("migrations"))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	current, known, err := provider.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	if current > known {
		return fmt.Errorf("the database has schema %d and this program knows up to %d: use a newer parley", current, known)
	}
	done, err := provider.Up(ctx)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	for _, step := range done {
		log.Info("the database was migrated", "version", step.Source.Version)
	}
	return nil
}
