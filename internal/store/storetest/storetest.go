package storetest

import (
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
)

// Env is what a store is opened with.
type Env struct {
	Dir       string           // names the data: opened again with the same Dir, it is there
	Now       func() time.Time // the clock
	ClientIDs time.Duration    // for which a client id is remembered
}

// Run runs the tests, each on a store of its own from open. A test opens the
// same Env again only after it has closed the store before: a store with data
// to let go is an io.Closer.
func Run(t *testing.T, open func(t *testing.T, env Env) hub.Store) {
	for _, tt := range []struct {
		name string
		run  func(*world)
	}{
		{"accounts", testAccounts},
		{"account names that are taken", testTakenNames},
		{"passwords", testPasswords},
		{"rooms", testRooms},
		{"deleted rooms", testDeleteRoom},
		{"deleted rooms in one transaction", testDeleteRoomAtOnce},
		{"members", testMembers},
		{"pages of memberships", testRoomsOfPages},
		{"topics", testTopics},
		{"messages", testMessages},
		{"hostile texts", testTexts},
		{"messages that are refused", testRefusedMessages},
		{"pairs", testPairs},
		{"clock", testClock},
		{"history", testHistory},
		{"client ids", testClientIDs},
		{"client ids of a deleted room", testClientIDsOfRoom},
		{"client ids of guests", testClientIDsOfGuests},
		{"client ids expire", testClientIDsExpire},
		{"nothing left of a failure", testRollback},
		{"nothing left of a panic", testPanic},
		{"a transaction is used too late", testTooLate},
		{"a context that is done", testContext},
		{"readers beside the writer", testReaders},
		{"opened again", testReopen},
		{"closed", testClosed},
		{"model", testModel},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // mostly waits for the disk
			tt.run(newWorld(t, open))
		})
	}
}

// A world is a test with its store and its clock.
type world struct {
	*testing.T
	hub.Store
	open func(t *testing.T, env Env) hub.Store
	env  Env
	ms   atomic.Int64 // what the clock shows
}

// clientIDs is for how long stores in tests remember client ids.
const clientIDs = time.Hour

func newWorld(t *testing.T, open func(t *testing.T, env Env) hub.Store) *world {
	w := &world{T: t, open: open}
	w.ms.Store(time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC).UnixMilli())
	w.env = Env{
		Dir:       t.TempDir(),
		Now:       func() time.Time { return time.UnixMilli(w.ms.Load()) },
		ClientIDs: clientIDs,
	}
	w.Store = open(t, w.env)
	t.Cleanup(w.close)
	return w
}

func (w *world) close() {
	w.Helper()
	if c, ok := w.Store.(io.Closer); ok {
		if err := c.Close(); err != nil {
			w.Errorf("Close() = %v", err)
		}
	}
}

func (w *world) reopen() {
	w.Helper()
	w.close()
	w.Store = w.open(w.T, w.env)
}

// pass moves the clock, which may also go back.
func (w *world) pass(d time.Duration) { w.ms.Add(d.Milliseconds()) }

func (w *world) now() time.Time { return time.UnixMilli(w.ms.Load()).UTC() }

// commit wants write to be committed.
func (w *world) commit(write func(tx hub.Tx) error) {
	w.Helper()
	if err := w.Commit(w.Context(), write); err != nil {
		w.Fatalf("Commit() = %v", err)
	}
}

func userName(t testing.TB, s string) parley.Name {
	t.Helper()
	name, err := parley.ParseUserName(s)
	if err != nil {
		t.Fatalf("ParseUserName(%q): %v", s, err)
	}
	return name
}

func roomName(t testing.TB, s string) parley.Name {
	t.Helper()
	name, err := parley.ParseRoomName(s)
	if err != nil {
		t.Fatalf("ParseRoomName(%q): %v", s, err)
	}
	return name
}

// account registers somebody.
func (w *world) account(name string) hub.Account {
	w.Helper()
	a := hub.Account{User: parley.User{Name: userName(w, name)}, Hash: "hash of " + name}
	w.commit(func(tx hub.Tx) error { return tx.CreateAccount(&a) })
	return a
}

// room makes a room.
func (w *world) room(name string) hub.RoomRecord {
	w.Helper()
	r := hub.RoomRecord{Name: roomName(w, name), Open: true}
	w.commit(func(tx hub.Tx) error { return tx.CreateRoom(&r) })
	return r
}

// said is a record of who saying something in a room.
func said(who hub.Account, room parley.ConversationID, text string) *hub.Record {
	return &hub.Record{Message: &parley.Message{
		Conversation: room, Kind: parley.KindMessage, Sender: who.ID, SenderName: who.Name.String(), Text: text,
	}}
}

// told is a record of who telling something to whom.
func told(who, whom hub.Account, text string) *hub.Record {
	r := said(who, 0, text)
	r.To = whom.ID
	return r
}

// append wants records to be kept, in one transaction.
func (w *world) append(records ...*hub.Record) {
	w.Helper()
	w.commit(func(tx hub.Tx) error {
		for _, r := range records {
			if repeated, err := tx.Append(r); repeated || err != nil {
				w.Errorf("Append(%q) = %t, %v, want false, <nil>", r.Text, repeated, err)
			}
		}
		return nil
	})
}

// texts are what was said in a conversation, all of it.
func (w *world) texts(id parley.ConversationID) []string {
	w.Helper()
	var texts []string
	for i, m := range w.history(hub.HistoryQuery{Conversation: id, Limit: 1000}) {
		if m.Seq != int64(i+1) {
			w.Errorf("message %d of conversation %d has Seq %d", i+1, id, m.Seq)
		}
		texts = append(texts, m.Text)
	}
	return texts
}

func (w *world) history(q hub.HistoryQuery) []parley.Message {
	w.Helper()
	page, err := w.History(w.Context(), q)
	if err != nil {
		w.Fatalf("History(%+v): %v", q, err)
	}
	return page
}

func (w *world) named(name string) []hub.Account {
	w.Helper()
	accounts, err := w.Named(w.Context(), userName(w, name))
	if err != nil {
		w.Fatalf("Named(%q): %v", name, err)
	}
	return accounts
}

func (w *world) rooms() []hub.RoomRecord {
	w.Helper()
	rooms, err := w.Rooms(w.Context())
	if err != nil {
		w.Fatalf("Rooms(): %v", err)
	}
	return rooms
}

func (w *world) roomsOf(user parley.UserID, after string, limit int) []string {
	w.Helper()
	names, err := w.RoomsOf(w.Context(), user, after, limit)
	if err != nil {
		w.Fatalf("RoomsOf(%d, %q, %d): %v", user, after, limit, err)
	}
	var shown []string
	for _, n := range names {
		shown = append(shown, n.String())
	}
	return shown
}

func (w *world) pair(a, b hub.Account) parley.ConversationID {
	w.Helper()
	id, err := w.Pair(w.Context(), a.ID, b.ID)
	if err != nil {
		w.Fatalf("Pair(%s, %s): %v", a.Name, b.Name, err)
	}
	return id
}

// refused wants err to be a refusal, and nothing that ends a transaction.
func (w *world) refused(what string, err error, code parley.Code) {
	w.Helper()
	refusal, ok := errors.AsType[*parley.Error](err)
	if !ok || refusal.Code != code {
		w.Errorf("%s: %v, want a refusal with %s", what, err, code)
	}
}

// same wants two values to be equal; nil and empty slices are.
func (w *world) same(what string, got, want any) {
	w.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmp.AllowUnexported(parley.Name{})); diff != "" {
		w.Errorf("%s: -want +got\n%s", what, diff)
	}
}
