package store

import (
	"io"
	"log/slog"
	"testing"

	"go.uber.org/goleak"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// openStore opens a store that the end of the test closes.
func openStore(t testing.TB, opts Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func commitTo(t testing.TB, s *Store, write func(tx hub.Tx) error) {
	t.Helper()
	if err := s.Commit(t.Context(), write); err != nil {
		t.Fatalf("Commit: %v", err)
	}
}

func newAccount(t testing.TB, s *Store, name string) hub.Account {
	t.Helper()
	parsed, err := parley.ParseUserName(name)
	if err != nil {
		t.Fatal(err)
	}
	a := hub.Account{User: parley.User{Name: parsed}, Hash: "$argon2id$of " + name}
	commitTo(t, s, func(tx hub.Tx) error { return tx.CreateAccount(&a) })
	return a
}

func newRoom(t testing.TB, s *Store, name string) parley.ConversationID {
	t.Helper()
	parsed, err := parley.ParseRoomName(name)
	if err != nil {
		t.Fatal(err)
	}
	r := hub.RoomRecord{Name: parsed, Open: true}
	commitTo(t, s, func(tx hub.Tx) error { return tx.CreateRoom(&r) })
	return r.ID
}

// say appends n messages in one commit.
func say(t testing.TB, s *Store, who hub.Account, room parley.ConversationID, n int) {
	t.Helper()
	commitTo(t, s, func(tx hub.Tx) error { return appendSome(tx, who, room, n) })
}

func appendSome(tx hub.Tx, who hub.Account, room parley.ConversationID, n int) error {
	for range n {
		_, err := tx.Append(&hub.Record{Message: &parley.Message{
			Conversation: room, Kind: parley.KindMessage, Sender: who.ID, SenderName: who.Name.String(),
			Text: "the quick brown fox jumps over the lazy dog",
		}})
		if err != nil {
			return err
		}
	}
	return nil
}

// told is a record of who telling something to whom.
func told(who, whom hub.Account, text string) *hub.Record {
	return &hub.Record{To: whom.ID, Message: &parley.Message{
		Kind: parley.KindMessage, Sender: who.ID, SenderName: who.Name.String(), Text: text,
	}}
}

func logTo(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }
