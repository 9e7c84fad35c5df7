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

// prepareDatabase checks a database and brings its tables up to date.
func prepareDatabase(ctx context.Context, db *sql.DB, log *slog.Logger) error {
	if err := checkVersion(ctx, db); err != nil {
		return openFault(err)
	}
	if err := checkDamage(ctx, db, log); err != nil {
		return openFault(err)
	}
	if err := migrate(ctx, db, log); err != nil {
		return openFault(err)
	}
	var mode string
	if err := db.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode); err != nil {
		return openFault(err)
	}
	if mode != "wal" {
		return fmt.Errorf("the file system of the data directory cannot hold SQLite's log (journal mode %s); use a local one", mode)
	}
	return nil
}

// openFault says what a fault means for the one who starts the server.
func openFault(err error) error {
	if err == nil {
		return nil
	}
	err = fault("open database", err)
	if errors.Is(err, hub.ErrBroken) {
		return fmt.Errorf("the database is damaged, or its disk: restore a backup; nothing was changed: %w", err)
	}
	return err
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

// wholeCheck is up to which size, in bytes, a database is checked against its
// indexes. It takes about ten seconds a gigabyte; the other check, three.
const wholeCheck = 256 << 20

// checkDamage reads the whole database. A damaged one is not opened: what it
// lost would go unnoticed.
func checkDamage(ctx context.Context, db *sql.DB, log *slog.Logger) error {
	var size int64
	err := db.QueryRowContext(ctx, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").Scan(&size)
	if err != nil {
		return err
	}
	check := "PRAGMA integrity_check(1)"
	if size > wholeCheck {
		log.Info("checking the database, which takes a while", "bytes", size)
		check = "PRAGMA quick_check(1)"
	}
	rows, err := db.QueryContext(ctx, check)
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
