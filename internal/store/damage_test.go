package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
	"github.com/parley-chat/parley/internal/proof"
)

func TestDamagedMessage(t *testing.T) {
	for column, change := range map[string]string{
		"text":        "UPDATE messages SET text = 'jumps' WHERE conversation = ? AND seq = 3",
		"sender":      "UPDATE messages SET sender = sender + 1 WHERE conversation = ? AND seq = 3",
		"sender_name": "UPDATE messages SET sender_name = 'mallory' WHERE conversation = ? AND seq = 3",
		"time":        "UPDATE messages SET time = time + 1 WHERE conversation = ? AND seq = 3",
		"ref":         "UPDATE messages SET ref = 1 WHERE conversation = ? AND seq = 3",
		"crc":         "UPDATE messages SET crc = crc + 1 WHERE conversation = ? AND seq = 3",
	} {
		t.Run(column, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			s := openStore(t, Options{Dir: t.TempDir(), Relaxed: true, Log: logTo(&log)})
			alice, lobby := newAccount(t, s, "alice"), newRoom(t, s, "lobby")
			say(t, s, alice, lobby, 5)
			execRaw(t, raw(t, s.files.db), change, int64(lobby))

			q := hub.HistoryQuery{Conversation: lobby, Kind: parley.KindMessage, Limit: 10}
			page, err := s.History(t.Context(), q)
			if !errors.Is(err, ErrDamaged) || page != nil {
				t.Errorf("History() = %v, %v, want no page and ErrDamaged", page, err)
			}
			if want := fmt.Sprintf("message 3 of conversation %d", lobby); !strings.Contains(log.String(), want) {
				t.Errorf("log %q does not tell of %q", log.String(), want)
			}
			q.After = 3
			if page, err := s.History(t.Context(), q); err != nil || len(page) != 2 {
				t.Errorf("History() behind it = %d messages, %v, want 2", len(page), err)
			}
			say(t, s, alice, lobby, 1)
		})
	}
}

// Whoever needs a damaged row is refused; the transaction goes on.
func TestDamageCostsItsOwner(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := openStore(t, Options{Dir: t.TempDir(), Relaxed: true, Log: logTo(&log)})
	alice, bob := newAccount(t, s, "alice"), newAccount(t, s, "bob")
	lobby, attic, cellar := newRoom(t, s, "lobby"), newRoom(t, s, "attic"), newRoom(t, s, "cellar")
	retried := func() *hub.Record {
		r := told(alice, bob, "psst")
		r.ClientID = "1"
		return r
	}
	commitTo(t, s, func(tx hub.Tx) error { _, err := tx.Append(retried()); return err })
	say(t, s, alice, attic, 3)
	say(t, s, alice, cellar, 3)
	clear(s.w.heads) // as after a restart
	db := raw(t, s.files.db)
	execRaw(t, db, "UPDATE users SET name = 'alise' WHERE key = 'alice'")
	execRaw(t, db, "UPDATE rooms SET topic = 'hacked' WHERE key = 'lobby'")
	execRaw(t, db, "UPDATE messages SET text = 'what' WHERE text = 'psst'")
	execRaw(t, db, "UPDATE conversations SET last_seq = 2 WHERE id = ?", int64(attic))
	execRaw(t, db, "UPDATE conversations SET last_time = last_time + 1 WHERE id = ?", int64(cellar))

	commitTo(t, s, func(tx hub.Tx) error {
		topic := told(bob, bob, "new")
		topic.Conversation, topic.Kind = lobby, parley.KindTopic
		_, errTopic := tx.Append(topic)
		_, errRetry := tx.Append(retried())
		for what, err := range map[string]error{
			"SetPassword":                   tx.SetPassword(alice.ID, "x"),
			"Append of a topic":             errTopic,
			"Append of a repeated message":  errRetry,
			"Append to a wrong last number": appendSome(tx, alice, attic, 1),
			"Append to a wrong last time":   appendSome(tx, alice, cellar, 1),
		} {
			if refusal, ok := errors.AsType[*parley.Error](err); !ok || refusal.Code != parley.CodeUnhandled {
				t.Errorf("%s: %v, want the refusal unhandled", what, err)
			}
		}
		return appendSome(tx, bob, lobby, 1)
	})
	if page, err := s.History(t.Context(), hub.HistoryQuery{Conversation: lobby, Limit: 9}); err != nil || len(page) != 1 {
		t.Errorf("History() = %v, %v, want the one message that was not refused", page, err)
	}
	for _, read := range []func() error{
		func() error { _, err := s.Rooms(t.Context()); return err },
		func() error { _, err := s.Named(t.Context(), alice.Name); return err },
	} {
		if err := read(); !errors.Is(err, ErrDamaged) {
			t.Errorf("reading a damaged row: %v, want ErrDamaged", err)
		}
	}
	for _, want := range []string{"account 1", "room 1", "message 1 of conversation", "conversation 2 ends", "conversation 3 ends"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("log %q does not tell of %q", log.String(), want)
		}
	}
	if strings.Contains(log.String(), "psst") || strings.Contains(log.String(), "hacked") {
		t.Errorf("log %q tells what people said", log.String())
	}
}

// A database that turns out to be corrupt takes no commit, and its log is not
// copied into it.
func TestBroken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := Open(t.Context(), Options{Dir: dir, Relaxed: true})
	if err != nil {
		t.Fatal(err)
	}
	alice, lobby := newAccount(t, s, "alice"), newRoom(t, s, "lobby")
	if err := s.checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	say(t, s, alice, lobby, 3)

	// What the writer remembers of the file goes, and the file is overwritten
	// where memberships are.
	ctx := t.Context()
	var page, size int64
	if err := s.w.conn.QueryRowContext(ctx, "SELECT rootpage FROM sqlite_schema WHERE name = 'members'").Scan(&page); err != nil {
		t.Fatal(err)
	}
	if err := s.w.conn.QueryRowContext(ctx, "PRAGMA page_size").Scan(&size); err != nil {
		t.Fatal(err)
	}
	if _, err := s.w.conn.ExecContext(ctx, "PRAGMA shrink_memory"); err != nil {
		t.Fatal(err)
	}
	overwrite(t, s.files.db, (page-1)*size, bytes.Repeat([]byte{0x5a}, int(size)))
	db, wal := mustRead(t, s.files.db), mustRead(t, s.files.db+"-wal")

	join := func(tx hub.Tx) error {
		if err := appendSome(tx, alice, lobby, 1); err != nil {
			return err
		}
		_, err := tx.SetMember(lobby, alice.ID, true)
		return err
	}
	first := s.Commit(ctx, join)
	if !errors.Is(first, hub.ErrBroken) {
		t.Fatalf("Commit() = %v, want ErrBroken", first)
	}
	if again := s.Commit(ctx, func(hub.Tx) error { t.Error("write was called"); return nil }); !errors.Is(again, first) {
		t.Errorf("Commit() = %v, want the first error again", again)
	}
	if page, err := s.History(ctx, hub.HistoryQuery{Conversation: lobby, Limit: 10}); err != nil || len(page) != 3 {
		t.Errorf("History() = %d messages, %v, want what was committed", len(page), err)
	}
	if err := s.checkpoint(ctx); err != nil {
		t.Errorf("checkpoint of a broken store: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if !bytes.Equal(db, mustRead(t, s.files.db)) || !bytes.Equal(wal, mustRead(t, s.files.db+"-wal")) {
		t.Error("the files of a broken store changed")
	}
	if _, err := Open(ctx, Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "is damaged") {
		t.Errorf("Open: %v, want a refusal", err)
	}
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func overwrite(t *testing.T, path string, at int64, with []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(with, at)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// everything is what a store made by madeStore shows, or the first error.
func everything(ctx context.Context, s *Store) (all []any, err error) {
	rooms, err := s.Rooms(ctx)
	if err != nil {
		return nil, err
	}
	all = append(all, rooms)
	for _, name := range []string{"alice", "bob"} {
		accounts, err := s.Named(ctx, parley.StoredName(name, name))
		if err != nil {
			return nil, err
		}
		all = append(all, accounts)
	}
	joined, err := s.RoomsOf(ctx, 1, "", 10)
	if err != nil {
		return nil, err
	}
	pair, err := s.Pair(ctx, 1, 2)
	if err != nil {
		return nil, err
	}
	all = append(all, joined, pair)
	for id := parley.ConversationID(1); id <= 3; id++ {
		page, err := s.History(ctx, hub.HistoryQuery{Conversation: id, Limit: 100})
		if err != nil {
			return nil, err
		}
		all = append(all, page)
	}
	return all, nil
}

// TestBitFlips turns one bit of the database file at a time: it is refused, or
// a reading is, or all is there. Never is something else shown.
func TestBitFlips(t *testing.T) { testBitFlips(t, checkFirst) }

// TestBitFlipsCheckedBeside does the same with a database that is not checked
// before it is used: the check may find the damage when it has been shown.
func TestBitFlipsCheckedBeside(t *testing.T) { testBitFlips(t, 1) }

func testBitFlips(t *testing.T, checkFirst int64) {
	flips := proof.Size(25, 300, 3000)
	t.Parallel()
	dir := t.TempDir()
	madeStore(t, dir)
	path := filepath.Join(dir, "parley.db")
	original := mustRead(t, path)
	s, err := Open(t.Context(), Options{Dir: dir, Relaxed: true})
	if err != nil {
		t.Fatal(err)
	}
	want, err := everything(t.Context(), s)
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	var refused, found, broken, same int
	for range flips {
		bit := random.IntN(len(original) * 8)
		for original[bit/8] == 0 && random.IntN(4) > 0 { // most of the file is empty
			bit = random.IntN(len(original) * 8)
		}
		flipped := bytes.Clone(original)
		flipped[bit/8] ^= 1 << (bit % 8)
		if err := os.WriteFile(path, flipped, fileMode); err != nil {
			t.Fatal(err)
		}
		s, err := Open(t.Context(), Options{Dir: dir, Relaxed: true, checkFirst: checkFirst})
		if err != nil {
			refused++
			if after := contents(t, dir); !bytes.HasSuffix(after, flipped) {
				t.Errorf("seed %d, bit %d: a refused file was changed", seed, bit)
			}
			removeLog(t, path)
			continue
		}
		got, err := everything(t.Context(), s)
		<-s.checkup.done
		if isBroken(s) {
			broken++
		} else if err != nil {
			found++
		} else if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmp.AllowUnexported(parley.Name{})); diff != "" {
			t.Errorf("seed %d, bit %d: -want +got\n%s", seed, bit, diff)
		} else {
			same++
		}
		if err := s.Close(); err != nil {
			t.Logf("seed %d, bit %d: Close: %v", seed, bit, err)
		}
		removeLog(t, path)
	}
	t.Logf("%d flips: %d refused, %d found when read, %d by the check, %d without effect", flips, refused, found, broken, same)
}

// isBroken tells whether a store takes no commit any more.
func isBroken(s *Store) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.broken != nil
}

// removeLog removes what a store left beside its database.
func removeLog(t *testing.T, path string) {
	t.Helper()
	for _, suffix := range []string{"-wal", "-shm", ".suspect"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
}
