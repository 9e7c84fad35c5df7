package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
)

func TestMeaningOf(t *testing.T) {
	for _, tt := range []struct {
		name string
		code int
		want error
	}{
		{"no error of SQLite", 0, nil},
		{"full", sqlite3.SQLITE_FULL, parley.ErrUnavailable},
		{"busy", sqlite3.SQLITE_BUSY, parley.ErrUnavailable},
		{"busy, extended", sqlite3.SQLITE_BUSY_SNAPSHOT, parley.ErrUnavailable},
		{"no file handles", sqlite3.SQLITE_CANTOPEN, parley.ErrUnavailable},
		{"shared memory cannot grow", sqlite3.SQLITE_IOERR_SHMSIZE, parley.ErrUnavailable},
		{"fsync", sqlite3.SQLITE_IOERR_FSYNC, hub.ErrBroken},
		{"write", sqlite3.SQLITE_IOERR_WRITE, hub.ErrBroken},
		{"read", sqlite3.SQLITE_IOERR_READ, hub.ErrBroken},
		{"corrupt", sqlite3.SQLITE_CORRUPT, hub.ErrBroken},
		{"corrupt index", sqlite3.SQLITE_CORRUPT_INDEX, hub.ErrBroken},
		{"no database", sqlite3.SQLITE_NOTADB, hub.ErrBroken},
		{"read-only", sqlite3.SQLITE_READONLY_DBMOVED, hub.ErrBroken},
		{"our own mistake", sqlite3.SQLITE_CONSTRAINT_UNIQUE, nil},
	} {
		if got := meaningOf(tt.code); !errors.Is(got, tt.want) {
			t.Errorf("%s: meaningOf(%d) = %v, want %v", tt.name, tt.code, got, tt.want)
		}
	}
}

// A full database refuses what does not fit, keeps nothing of it, and goes on
// when there is space again.
func TestFull(t *testing.T) {
	t.Parallel()
	s := openStore(t, Options{Dir: t.TempDir(), Relaxed: true})
	alice, lobby := newAccount(t, s, "alice"), newRoom(t, s, "lobby")
	limitPages(t, s, 1) // to what there is
	kept := 0
	fill := func(tx hub.Tx) error { return appendSome(tx, alice, lobby, 10) }
	var err error
	for err == nil {
		if err = s.Commit(t.Context(), fill); err == nil {
			kept += 10
		}
	}
	for range 3 {
		if !errors.Is(err, parley.ErrUnavailable) || errors.Is(err, hub.ErrBroken) {
			t.Fatalf("Commit() = %v, want unavailable", err)
		}
		err = s.Commit(t.Context(), fill)
	}
	// Although write hides the error.
	err = s.Commit(t.Context(), func(tx hub.Tx) error {
		_ = fill(tx)
		if err := fill(tx); !errors.Is(err, parley.ErrUnavailable) {
			t.Errorf("Append after a fault = %v, want unavailable", err)
		}
		return nil
	})
	if !errors.Is(err, parley.ErrUnavailable) {
		t.Errorf("Commit() = %v, want unavailable although write returned nil", err)
	}
	// Although write gives another error.
	err = s.Commit(t.Context(), func(tx hub.Tx) error {
		_ = fill(tx)
		return errors.New("something else")
	})
	if !errors.Is(err, parley.ErrUnavailable) {
		t.Errorf("Commit() = %v, want unavailable although write returned another error", err)
	}
	wantSeqs(t, s, lobby, kept)
	limitPages(t, s, 1<<30)
	say(t, s, alice, lobby, 10)
	wantSeqs(t, s, lobby, kept+10)
}

func limitPages(t *testing.T, s *Store, pages int) {
	t.Helper()
	if _, err := s.w.conn.ExecContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
		t.Fatal(err)
	}
}

// wantSeqs wants messages 1 to n in a room, and no others.
func wantSeqs(t *testing.T, s *Store, room parley.ConversationID, n int) {
	t.Helper()
	page, err := s.History(t.Context(), hub.HistoryQuery{Conversation: room, Limit: n + 1})
	if err != nil || len(page) != n {
		t.Fatalf("History() = %d messages, %v, want %d", len(page), err, n)
	}
	for i, m := range page {
		if m.Seq != int64(i+1) {
			t.Fatalf("message %d has Seq %d", i+1, m.Seq)
		}
	}
}

// Another program that holds the database makes commits wait, and then refused.
func TestBusy(t *testing.T) {
	t.Parallel()
	s := openStore(t, Options{Dir: t.TempDir(), Relaxed: true})
	if _, err := s.w.conn.ExecContext(t.Context(), "PRAGMA busy_timeout = 0"); err != nil {
		t.Fatal(err)
	}
	conn, err := raw(t, s.files.db).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	err = s.Commit(t.Context(), func(hub.Tx) error { t.Error("write was called"); return nil })
	if !errors.Is(err, parley.ErrUnavailable) {
		t.Errorf("Commit() = %v, want unavailable", err)
	}
	if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	newRoom(t, s, "lobby")
}

// What was committed is there after a crash: in a copy of the files as they
// were, made without closing the store.
func TestCrash(t *testing.T) {
	t.Parallel()
	s := openStore(t, Options{Dir: t.TempDir()})
	alice, lobby := newAccount(t, s, "alice"), newRoom(t, s, "lobby")
	for n := range 5 {
		say(t, s, alice, lobby, 3)
		if n == 2 { // part of it in the database, part in the log
			if err := s.checkpoint(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		dir := t.TempDir()
		err := s.Commit(t.Context(), func(tx hub.Tx) error {
			if err := appendSome(tx, alice, lobby, 2000); err != nil { // not committed when it crashes
				return err
			}
			for _, suffix := range []string{"", "-wal"} {
				content := mustRead(t, s.files.db+suffix)
				if err := os.WriteFile(filepath.Join(dir, "parley.db"+suffix), content, fileMode); err != nil {
					return err
				}
			}
			return errors.New("crash")
		})
		if err == nil || err.Error() != "crash" {
			t.Fatal(err)
		}
		after := openStore(t, Options{Dir: dir})
		wantSeqs(t, after, lobby, 3*(n+1))
		say(t, after, alice, lobby, 1)
		wantSeqs(t, after, lobby, 3*(n+1)+1)
	}
}

// Close waits for the commit under way; those behind it are refused.
func TestCloseDuringCommits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := Open(t.Context(), Options{Dir: dir, Relaxed: true})
	if err != nil {
		t.Fatal(err)
	}
	alice, lobby := newAccount(t, s, "alice"), newRoom(t, s, "lobby")
	kept := 0
	closing := make(chan struct{})
	var closer, reader sync.WaitGroup
	closer.Go(func() {
		<-closing
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	reader.Go(func() {
		<-closing
		for {
			if _, err := s.Rooms(t.Context()); err != nil {
				if !errors.Is(err, parley.ErrUnavailable) {
					t.Errorf("Rooms() = %v, want unavailable", err)
				}
				return
			}
		}
	})
	for {
		err := s.Commit(t.Context(), func(tx hub.Tx) error {
			if kept == 5 {
				close(closing)
			}
			return appendSome(tx, alice, lobby, 1)
		})
		if err != nil {
			if !errors.Is(err, parley.ErrUnavailable) {
				t.Errorf("Commit() = %v, want unavailable", err)
			}
			break
		}
		kept++
	}
	closer.Wait()
	reader.Wait()
	wantSeqs(t, openStore(t, Options{Dir: dir}), lobby, kept)
}

// The log is copied beside the commits: some time after the first one, and
// without waiting after many messages.
func TestCheckpoints(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(t.Context(), Options{Dir: dir, Relaxed: true})
		if err != nil {
			t.Fatal(err)
		}
		s.checkpoints.pace = pace{commits: 100, messages: 500, pages: logPages}
		alice, lobby := newAccount(t, s, "alice"), newRoom(t, s, "lobby")
		wantGrowth := func(when string, want bool, during func()) {
			t.Helper()
			before := fileSize(t, s.files.db)
			during()
			synctest.Wait()
			if grew := fileSize(t, s.files.db) > before; grew != want {
				t.Errorf("%s: the log was copied: %t, want %t", when, grew, want)
			}
		}
		wantGrowth("at once", false, func() { say(t, s, alice, lobby, 300) })
		wantGrowth("too early", false, func() { <-time.After(checkpointAfter - time.Millisecond) })
		wantGrowth("in time", true, func() { <-time.After(time.Millisecond) })
		wantGrowth("after many messages", true, func() {
			for range 5 {
				say(t, s, alice, lobby, 100)
			}
		})
		wantGrowth("some more", false, func() { say(t, s, alice, lobby, 300) })
		wantGrowth("after many commits", true, func() {
			for range s.checkpoints.pace.commits {
				say(t, s, alice, lobby, 1)
			}
		})
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func fileSize(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// A writer that never rests does not make the log grow for ever.
func TestLogIsBounded(t *testing.T) {
	t.Parallel()
	const checkpoints, commits = 20, 150
	s := openStore(t, Options{Dir: t.TempDir(), Relaxed: true})
	s.checkpoints.pace.pages = 200
	alice, lobby := newAccount(t, s, "alice"), newRoom(t, s, "lobby")
	permits := make(chan struct{}, commits) // so that a slow disk does not make it a large test
	var writer sync.WaitGroup
	writer.Go(func() {
		for range permits {
			if err := s.Commit(t.Context(), func(tx hub.Tx) error { return appendSome(tx, alice, lobby, 1) }); err != nil {
				t.Errorf("Commit: %v", err)
			}
		}
	})
	for range checkpoints {
		for range commits {
			permits <- struct{}{}
		}
		if err := s.checkpoint(t.Context()); err != nil {
			t.Errorf("checkpoint: %v", err)
		}
	}
	close(permits)
	writer.Wait()
	// Each commit writes three pages: to messages, their index, conversations.
	size, written := fileSize(t, s.files.db+"-wal"), int64(checkpoints*commits*3*4096)
	if size > written/2 {
		t.Errorf("the log has grown to %d bytes for %d written, want a fraction", size, written)
	}
}

func TestRemember(t *testing.T) {
	memory := make(map[int]int)
	for i := range maxCached + 5 {
		remember(memory, i, i)
	}
	if len(memory) != 5 || memory[maxCached+4] != maxCached+4 {
		t.Errorf("%d values are remembered, want those 5 that came after it was full", len(memory))
	}
}

// Expired client ids are deleted by those who add new ones.
func TestClientIDsAreDeleted(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := openStore(t, Options{Dir: t.TempDir(), Relaxed: true, ClientIDs: time.Hour, Now: func() time.Time { return now }})
	alice := newAccount(t, s, "alice")
	for i, want := range []int{1, 2, 3, 4, 5, 4, 3, 3, 2, 1} { // five expire before the sixth
		if i == 5 {
			now = now.Add(5 * time.Hour)
		}
		if i > 7 {
			now = now.Add(time.Hour + time.Millisecond)
		}
		commitTo(t, s, func(tx hub.Tx) error {
			r := told(alice, alice, "x")
			r.ClientID = fmt.Sprint(i)
			_, err := tx.Append(r)
			return err
		})
		var got int
		if err := s.readDB.QueryRow("SELECT count(*) FROM client_ids").Scan(&got); err != nil || got != want {
			t.Errorf("after %d messages: %d client ids are kept, %v, want %d", i+1, got, err, want)
		}
	}
}
