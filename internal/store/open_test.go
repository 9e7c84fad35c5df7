package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/parley-chat/parley/internal/hub"
)

// raw opens a database file without any of our settings.
func raw(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func execRaw(t testing.TB, db *sql.DB, statement string, values ...any) {
	t.Helper()
	if _, err := db.Exec(statement, values...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// madeStore makes a store with some content in dir and closes it.
func madeStore(t testing.TB, dir string) {
	t.Helper()
	s, err := Open(t.Context(), Options{Dir: dir, Relaxed: true})
	if err != nil {
		t.Fatal(err)
	}
	alice, bob := newAccount(t, s, "alice"), newAccount(t, s, "bob")
	lobby := newRoom(t, s, "lobby")
	newRoom(t, s, "attic")
	commitTo(t, s, func(tx hub.Tx) error {
		_, err1 := tx.SetMember(lobby, alice.ID, true)
		_, err2 := tx.Append(told(alice, bob, "psst"))
		return errors.Join(err1, err2)
	})
	for range 4 {
		say(t, s, alice, lobby, 10)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOpenTwice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, Options{Dir: dir})
	if other, err := Open(t.Context(), Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "another server is using") {
		t.Errorf("second Open = %v, %v, want a refusal that says why", other, err)
	}
	newRoom(t, s, "lobby") // the first one goes on
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, Options{Dir: dir})
	if rooms, err := s.Rooms(t.Context()); err != nil || len(rooms) != 1 {
		t.Errorf("Rooms() = %v, %v, want one", rooms, err)
	}
}

func TestModes(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("modes are for Unix")
	}
	dir := filepath.Join(t.TempDir(), "a", "data")
	s := openStore(t, Options{Dir: dir})
	newRoom(t, s, "lobby")
	wantMode := func(path string, want os.FileMode) {
		t.Helper()
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("Stat(%s) = %v, %v, want mode %v", filepath.Base(path), info, err, want)
		}
	}
	wantMode(dir, dirMode)
	wantMode(filepath.Dir(dir), dirMode)
	for _, name := range []string{"parley.db", "parley.db-wal", "parley.db-shm", "parley.lock"} {
		wantMode(filepath.Join(dir, name), fileMode)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{s.files.db + "-wal", s.files.db + "-shm", s.files.new} {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left after Close", filepath.Base(path))
		}
	}

	// A file that got other modes is protected again; the directory is the
	// operator's, who is told.
	var log bytes.Buffer
	if err := errors.Join(os.Chmod(s.files.db, 0o644), os.Chmod(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	openStore(t, Options{Dir: dir, Log: logTo(&log)})
	wantMode(s.files.db, fileMode)
	if !strings.Contains(log.String(), "chmod it to 700") {
		t.Errorf("log %q does not tell that the directory is open to others", log.String())
	}
}

// A foreignFile is one that Open must refuse, and leave alone.
type foreignFile struct {
	name string
	fill func(t *testing.T, path string)
	want string // in the refusal
}

func foreignFiles() []foreignFile {
	header := func(id byte) string {
		h := "SQLite format 3\x00" + strings.Repeat("\x00", 4080)
		return h[:71] + string(id) + h[72:]
	}
	return []foreignFile{
		{"text", put("dear diary, " + strings.Repeat("x", 4096)), "not a database of parley"},
		{"short text", put("dear diary"), "not a database of parley"},
		{"empty file", put(""), "is empty"},
		{"directory", func(t *testing.T, path string) {
			if err := os.MkdirAll(filepath.Join(path, "x"), 0o700); err != nil {
				t.Fatal(err)
			}
		}, "is no file"},
		{"another program's database", func(t *testing.T, path string) {
			db := raw(t, path)
			execRaw(t, db, "CREATE TABLE diary (day TEXT)")
			_ = db.Close()
		}, "another program"},
		{"header and zeros", put(header(0)), "another program"},
		{"our id and rubbish", func(t *testing.T, path string) {
			put("SQLite format 3\x00"+strings.Repeat("prly", 1020))(t, path)
		}, "is damaged"},
		{"a log without a database", func(t *testing.T, path string) { put("frames")(t, path+"-wal") }, "put it back"},
		{"a journal without a database", func(t *testing.T, path string) { put("pages")(t, path+"-journal") }, "put it back"},
		{"half of it", func(t *testing.T, path string) {
			madeStore(t, filepath.Dir(path))
			if err := os.Truncate(path, 8192); err != nil {
				t.Fatal(err)
			}
		}, "is damaged"},
		{"newer schema", func(t *testing.T, path string) {
			madeStore(t, filepath.Dir(path))
			db := raw(t, path)
			execRaw(t, db, "PRAGMA journal_mode = DELETE")
			execRaw(t, db, "INSERT INTO migrations (version_id, is_applied) VALUES (1000, 1)")
			_ = db.Close()
		}, "use a newer parley"},
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, tt := range foreignFiles() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			tt.fill(t, filepath.Join(dir, "parley.db"))
			before := contents(t, dir)
			s, err := Open(t.Context(), Options{Dir: dir})
			if err == nil {
				_ = s.Close()
				t.Fatal("Open: no error")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Open: %v, want %q in it", err, tt.want)
			}
			if after := contents(t, dir); !bytes.Equal(before, after) {
				t.Error("Open changed a file that it refused")
			}
			again, err := Open(t.Context(), Options{Dir: dir})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Open again: %v, %v, want the same refusal", again, err)
			}
		})
	}
}

func put(content string) func(t *testing.T, path string) {
	return func(t *testing.T, path string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// contents are the names and contents of the files in dir but the lock.
func contents(t *testing.T, dir string) []byte {
	t.Helper()
	var all []byte
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() || e.Name() == "parley.lock" {
			continue
		}
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all = append(append(all, e.Name()...), content...)
	}
	return all
}

func TestOpenAfterUnfinishedMaking(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put("half a database")(t, filepath.Join(dir, "parley.db.new"))
	put("half a journal")(t, filepath.Join(dir, "parley.db.new-journal"))
	newRoom(t, openStore(t, Options{Dir: dir}), "lobby")
}

func TestOpenWithContextThatIsDone(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	if _, err := Open(ctx, Options{Dir: dir}); !errors.Is(err, context.Canceled) {
		t.Errorf("Open = %v, want context.Canceled", err)
	}
	if left := contents(t, dir); len(left) > 0 {
		t.Errorf("Open left %q", left)
	}
	openStore(t, Options{Dir: dir})
}

func TestOddDirectories(t *testing.T) {
	if _, err := Open(t.Context(), Options{}); err == nil {
		t.Error("Open without a directory: no error")
	}
	for _, name := range []string{"a b", "50%41", "q?mode=memory", "a#b", "a&b;c", "file:x", "ünï\u202e", "'\"`"} {
		if runtime.GOOS == "windows" && strings.ContainsAny(name, `?:"`) {
			continue
		}
		dir := filepath.Join(t.TempDir(), name)
		for range 2 {
			s := openStore(t, Options{Dir: dir})
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := os.Stat(filepath.Join(dir, "parley.db")); err != nil {
			t.Errorf("data in %q: %v", name, err)
		}
	}
	t.Chdir(t.TempDir())
	openStore(t, Options{Dir: "relative"})
	if _, err := os.Stat(filepath.Join("relative", "parley.db")); err != nil {
		t.Error(err)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for _, relaxed := range []bool{false, true} {
		s := openStore(t, Options{Dir: t.TempDir(), Relaxed: relaxed})
		synchronous := "2"
		if relaxed {
			synchronous = "1"
		}
		for pragma, want := range map[string]string{
			"journal_mode": "wal", "synchronous": synchronous, "foreign_keys": "1", "trusted_schema": "0",
			"cell_size_check": "1", "busy_timeout": "5000", "wal_autocheckpoint": "0",
			"application_id": "1886547065", "temp_store": "2", "query_only": "0",
		} {
			var got string
			if err := s.w.conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
				t.Errorf("relaxed %t: writer's %s = %s, %v, want %s", relaxed, pragma, got, err, want)
			}
			if pragma == "query_only" {
				want = "1"
			}
			if err := s.anchor.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
				t.Errorf("relaxed %t: readers' %s = %s, %v, want %s", relaxed, pragma, got, err, want)
			}
		}
		if _, err := s.readDB.Exec("DELETE FROM rooms"); err == nil {
			t.Error("a reader can write")
		}
	}
}

// Only the list of all rooms may read a whole table.
func TestQueriesUseIndexes(t *testing.T) {
	s := openStore(t, Options{Dir: t.TempDir(), Relaxed: true})
	for q, statement := range sqliteQueries {
		if statement == "" {
			t.Errorf("query %d has no statement", q)
			continue
		}
		values := make([]any, strings.Count(statement, "?"))
		rows, err := s.readDB.Query("EXPLAIN QUERY PLAN "+statement, values...)
		if err != nil {
			t.Errorf("%s: %v", statement, err)
			continue
		}
		err = each(rows, func(row scanner) error {
			var id, parent, unused int
			var detail string
			if err := row.Scan(&id, &parent, &unused, &detail); err != nil {
				return err
			}
			if strings.HasPrefix(detail, "SCAN") && query(q) != allRooms {
				t.Errorf("%s: %s", statement, detail)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}
