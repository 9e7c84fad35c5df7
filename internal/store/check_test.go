package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
)

// spoil overwrites the root page of a table with nonsense.
func spoil(t *testing.T, dir, table string) {
	t.Helper()
	path := filepath.Join(dir, "parley.db")
	db := raw(t, path)
	var page, size int64
	if err := db.QueryRow("SELECT rootpage FROM sqlite_schema WHERE name = ?", table).Scan(&page); err != nil {
		t.Fatal(err)
	}
	if err := db.QueryRow("PRAGMA page_size").Scan(&size); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	removeLog(t, path)
	overwrite(t, path, (page-1)*size, bytes.Repeat([]byte{0x5a}, int(size)))
}

// A large database is used before it is checked. What the check finds breaks
// the store without a commit, and the next start checks before it serves.
func TestDamageIsFoundBesideServing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	madeStore(t, dir)
	spoil(t, dir, "client_ids")
	if _, err := Open(t.Context(), Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "is damaged") {
		t.Fatalf("Open of a small one: %v, want a refusal", err)
	}

	told := make(chan error, 2)
	s, err := Open(t.Context(), Options{Dir: dir, checkFirst: 1, Broken: func(err error) { told <- err }})
	if err != nil {
		t.Fatalf("Open of a large one: %v", err)
	}
	broken := <-told
	if !errors.Is(broken, hub.ErrBroken) || !strings.Contains(broken.Error(), "restore a backup") {
		t.Errorf("Broken was called with %v, want ErrBroken and what to do", broken)
	}
	commit := s.Commit(t.Context(), func(hub.Tx) error { t.Error("write was called"); return nil })
	if !errors.Is(commit, broken) {
		t.Errorf("Commit() = %v, want %v", commit, broken)
	}
	if page, err := s.History(t.Context(), hub.HistoryQuery{Conversation: 1, Limit: 100}); err != nil || len(page) != 40 {
		t.Errorf("History() = %d messages, %v, want what is whole", len(page), err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if len(told) > 0 {
		t.Errorf("Broken was called again with %v", <-told)
	}

	if _, err := Open(t.Context(), Options{Dir: dir, checkFirst: 1}); err == nil || !strings.Contains(err.Error(), "is damaged") {
		t.Errorf("Open after that: %v, want a refusal", err)
	}
}

// A store that broke for a moment only is checked once, and used again.
func TestSuspectIsCheckedOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	madeStore(t, dir)
	for _, broke := range []bool{true, false} {
		var log bytes.Buffer
		s, err := Open(t.Context(), Options{Dir: dir, checkFirst: 1, Log: logTo(&log)})
		if err != nil {
			t.Fatal(err)
		}
		<-s.checkup.done
		if broke {
			s.mu.Lock()
			s.breaks(hub.ErrBroken)
			s.mu.Unlock()
			log.Reset()
		} else if !strings.Contains(log.String(), "after the store broke, and is whole") {
			t.Errorf("log %q does not tell that the database was checked", log.String())
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	var log bytes.Buffer
	s := openStore(t, Options{Dir: dir, checkFirst: 1, Log: logTo(&log)})
	<-s.checkup.done
	if !strings.Contains(log.String(), "beside serving, and is whole") {
		t.Errorf("log %q does not tell that the database was checked beside serving", log.String())
	}
}

// What is to be migrated is checked first, however large it is.
func TestMigratedIsCheckedFirst(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	madeStore(t, dir)
	db := raw(t, filepath.Join(dir, "parley.db"))
	if !isCurrent(t.Context(), db) {
		t.Error("a new database is not current")
	}
	execRaw(t, db, "DELETE FROM migrations WHERE version_id = 1")
	if isCurrent(t.Context(), db) {
		t.Error("a database without its last migration is current")
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	spoil(t, dir, "client_ids")
	if _, err := Open(t.Context(), Options{Dir: dir, checkFirst: 1}); err == nil || !strings.Contains(err.Error(), "is damaged") {
		t.Errorf("Open: %v, want a refusal", err)
	}
}

// Close does not wait for a check, whenever it comes.
func TestCloseInterruptsTheCheck(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	madeStore(t, dir)
	for range 5 {
		s, err := Open(t.Context(), Options{Dir: dir, checkFirst: 1})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	s := openStore(t, Options{Dir: dir, checkFirst: 1})
	<-s.checkup.done
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.checkup.run(ctx, s)
	if isBroken(s) {
		t.Error("an interrupted check broke the store")
	}
}

// A page of history that lacks a message is refused, wherever it is missing,
// and pages without it are not.
func TestMissingMessages(t *testing.T) {
	t.Parallel()
	const messages = 6 // of these, 3 and 4 are topics
	for _, missing := range [][]int64{{1}, {2}, {3}, {6}, {1, 2, 3, 4, 5, 6}, {}} {
		s := openStore(t, Options{Dir: t.TempDir(), Relaxed: true})
		alice, lobby := newAccount(t, s, "alice"), newRoom(t, s, "lobby")
		say(t, s, alice, lobby, 2)
		commitTo(t, s, func(tx hub.Tx) error {
			for range 2 {
				topic := told(alice, alice, "new")
				topic.Conversation, topic.Kind = lobby, parley.KindTopic
				if _, err := tx.Append(topic); err != nil {
					return err
				}
			}
			return appendSome(tx, alice, lobby, 2)
		})
		for _, seq := range missing {
			execRaw(t, raw(t, s.files.db), "DELETE FROM messages WHERE conversation = ? AND seq = ?", int64(lobby), seq)
		}
		for _, q := range everyPage(lobby, messages) {
			want, needs := wantPage(q, messages)
			damaged := slices.ContainsFunc(missing, func(seq int64) bool { return slices.Contains(needs, seq) })
			page, err := s.History(t.Context(), q)
			var got []int64
			for _, m := range page {
				got = append(got, m.Seq)
			}
			switch {
			case damaged && !errors.Is(err, ErrDamaged):
				t.Errorf("without %v: History(%+v) = %v, %v, want ErrDamaged", missing, q, got, err)
			case !damaged && (err != nil || !slices.Equal(got, want)):
				t.Errorf("without %v: History(%+v) = %v, %v, want %v", missing, q, got, err, want)
			}
		}
	}
}

// everyPage is all that can be asked of a conversation with so many messages.
func everyPage(of parley.ConversationID, messages int64) (all []hub.HistoryQuery) {
	for _, kind := range []parley.Kind{0, parley.KindMessage} {
		for before := int64(0); before <= messages+2; before++ {
			for after := int64(0); after <= messages+1; after++ {
				for _, limit := range []int{1, 3, 7} {
					q := hub.HistoryQuery{Conversation: of, Kind: kind, Before: before, After: after, Limit: limit}
					all = append(all, q)
					if q.After == 0 {
						q.Forward = true
						all = append(all, q)
					}
				}
			}
		}
	}
	return all
}

// wantPage is what a query gives of messages 1 to n, of which 3 and 4 are
// topics, and all the messages that must be there to know that.
func wantPage(q hub.HistoryQuery, n int64) (want, needs []int64) {
	var all []int64
	for seq := q.After + 1; seq <= n && (q.Before == 0 || seq < q.Before); seq++ {
		all = append(all, seq)
	}
	up := q.Forward || q.After != 0
	if !up {
		slices.Reverse(all)
	}
	for _, seq := range all {
		if len(want) == q.Limit {
			break
		}
		needs = append(needs, seq)
		if q.Kind == 0 || seq != 3 && seq != 4 {
			want = append(want, seq)
		}
	}
	if !up {
		slices.Reverse(want)
	}
	return want, needs
}

// A connection that SQLite could open for reading only is noticed before it is
// needed.
func TestWritable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	madeStore(t, dir)
	path := filepath.Join(dir, "parley.db")
	for mode, want := range map[string]string{"rw": "", "ro": "can be read only"} {
		db := raw(t, "file:"+path+"?mode="+mode)
		db.SetMaxOpenConns(1)
		err := writable(t.Context(), db)
		if got := fmt.Sprint(err); want == "" && err != nil || !strings.Contains(got, want) {
			t.Errorf("mode %s: writable() = %v, want %q in it", mode, err, want)
		}
	}
}

// A checkpoint that fails tells at once, and once; a full disk is no reason.
func TestFailedCheckpointTells(t *testing.T) {
	t.Parallel()
	var told []error
	s := openStore(t, Options{Dir: t.TempDir(), Relaxed: true, Broken: func(err error) { told = append(told, err) }})
	fail := func(with error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		_ = s.checkpointed(t.Context(), with)
	}
	fail(parley.ErrUnavailable)
	if len(told) > 0 || isBroken(s) {
		t.Errorf("a full disk broke the store: %v", told)
	}
	fail(hub.ErrBroken)
	fail(hub.ErrBroken)
	if len(told) != 1 || !isBroken(s) {
		t.Errorf("Broken was called with %v, want one call", told)
	}
}
