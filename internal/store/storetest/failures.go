package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
)

var errTest = errors.New("the test wants no commit")

func testRollback(w *world) {
	alice, bob, lobby, attic := w.account("alice"), w.account("bob"), w.room("lobby"), w.room("attic")
	w.append(said(alice, lobby.ID, "1"))
	for range 3 {
		err := w.Commit(w.Context(), func(tx hub.Tx) error {
			w.doEverything(tx, alice, bob, lobby.ID, attic.ID)
			return fmt.Errorf("wrapped: %w", errTest)
		})
		if !errors.Is(err, errTest) {
			w.Errorf("Commit() = %v, want the error of write", err)
		}
		refusal := parley.Errorf(parley.CodeForbidden, "no")
		if err := w.Commit(w.Context(), func(tx hub.Tx) error {
			w.doEverything(tx, alice, bob, lobby.ID, attic.ID)
			return refusal
		}); !errors.Is(err, refusal) {
			w.Errorf("Commit() = %v, want the refusal of write", err)
		}
	}
	w.untouched(alice, bob, lobby, attic)
}

// doEverything does what untouched wants to see no trace of.
func (w *world) doEverything(tx hub.Tx, alice, bob hub.Account, lobby, attic parley.ConversationID) {
	w.Helper()
	carol := hub.Account{User: parley.User{Name: userName(w, "carol")}}
	cellar := hub.RoomRecord{Name: roomName(w, "cellar")}
	_, err1 := tx.Append(with("1", said(alice, lobby, "lost")))
	_, err2 := tx.Append(said(alice, attic, "lost"))
	_, err3 := tx.Append(told(alice, bob, "lost"))
	_, err4 := tx.SetMember(lobby, alice.ID, true)
	_, err5 := tx.DeleteRoom(attic)
	err := errors.Join(err1, err2, err3, err4, err5,
		tx.CreateAccount(&carol), tx.CreateRoom(&cellar), tx.SetPassword(alice.ID, "lost"))
	if err != nil {
		w.Errorf("in the transaction: %v", err)
	}
	_, err = tx.Append(told(carol, alice, "lost"))
	if err != nil {
		w.Errorf("Append to a new account: %v", err)
	}
}

func (w *world) untouched(alice, bob hub.Account, lobby, attic hub.RoomRecord) {
	w.Helper()
	w.same("account", w.named("alice"), []hub.Account{alice})
	w.same("new account", w.named("carol"), []hub.Account(nil))
	w.same("rooms", w.rooms(), []hub.RoomRecord{attic, lobby})
	w.same("memberships", w.roomsOf(alice.ID, "", 10), []string(nil))
	w.same("new pair", w.pair(alice, bob), parley.ConversationID(0))
	w.append(with("1", said(bob, lobby.ID, "2")), said(bob, attic.ID, "first"), told(bob, alice, "psst"))
	w.same("history", w.texts(lobby.ID), []string{"1", "2"})
	w.same("history", w.texts(attic.ID), []string{"first"})
	w.same("history", w.texts(w.pair(alice, bob)), []string{"psst"})
	w.account("carol")
	w.room("cellar")
}

func testPanic(w *world) {
	alice, bob, lobby, attic := w.account("alice"), w.account("bob"), w.room("lobby"), w.room("attic")
	w.append(said(alice, lobby.ID, "1"))
	func() {
		defer func() {
			if err, _ := recover().(error); !errors.Is(err, errTest) {
				w.Errorf("recovered %v, want the panic of write", err)
			}
		}()
		_ = w.Commit(w.Context(), func(tx hub.Tx) error {
			w.doEverything(tx, alice, bob, lobby.ID, attic.ID)
			panic(errTest)
		})
	}()
	w.untouched(alice, bob, lobby, attic)
}

func testTooLate(w *world) {
	alice, lobby := w.account("alice"), w.room("lobby")
	var kept hub.Tx
	w.commit(func(tx hub.Tx) error {
		kept = tx
		return nil
	})
	for name, call := range map[string]func() error{
		"Append":      func() error { _, err := kept.Append(said(alice, lobby.ID, "late")); return err },
		"CreateRoom":  func() error { return kept.CreateRoom(&hub.RoomRecord{Name: roomName(w, "late")}) },
		"SetPassword": func() error { return kept.SetPassword(alice.ID, "late") },
		"SetMember":   func() error { _, err := kept.SetMember(lobby.ID, alice.ID, true); return err },
		"DeleteRoom":  func() error { _, err := kept.DeleteRoom(lobby.ID); return err },
	} {
		if err := call(); err == nil {
			w.Errorf("%s after the transaction: no error", name)
		}
	}
	w.same("history", w.texts(lobby.ID), []string(nil))
	w.same("rooms", w.rooms(), []hub.RoomRecord{lobby})
}

func testContext(w *world) {
	alice, lobby := w.account("alice"), w.room("lobby")
	done, cancel := context.WithCancel(w.Context())
	cancel()
	err := w.Commit(done, func(hub.Tx) error {
		w.Error("write was called with a context that is done")
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		w.Errorf("Commit() = %v, want context.Canceled", err)
	}
	if _, err := w.History(done, hub.HistoryQuery{Conversation: lobby.ID, Limit: 1}); !errors.Is(err, context.Canceled) {
		w.Errorf("History() = %v, want context.Canceled", err)
	}

	// Once begun, a commit is carried through.
	during, cancel := context.WithCancel(w.Context())
	err = w.Commit(during, func(tx hub.Tx) error {
		cancel()
		_, err := tx.Append(said(alice, lobby.ID, "kept"))
		return err
	})
	if err != nil {
		w.Errorf("Commit() = %v, want none for a context that ends meanwhile", err)
	}
	w.same("history", w.texts(lobby.ID), []string{"kept"})
}

// Readers see whole transactions, and what was committed before they asked.
func testReaders(w *world) {
	const commits, batch = 20, 5
	alice, lobby := w.account("alice"), w.room("lobby")
	committed := make(chan int, commits)
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for at := range committed {
				page, err := w.History(w.Context(), hub.HistoryQuery{Conversation: lobby.ID, Limit: 1000})
				if err != nil || len(page) < at || len(page)%batch != 0 {
					w.Errorf("History() = %d messages, %v, want at least %d and whole commits", len(page), err, at)
				}
			}
		})
	}
	for i := range commits {
		var records []*hub.Record
		for range batch {
			records = append(records, said(alice, lobby.ID, "x"))
		}
		w.append(records...)
		committed <- (i + 1) * batch
	}
	close(committed)
	readers.Wait()
}

func testReopen(w *world) {
	alice, bob := w.account("alice"), w.account("bob")
	lobby, attic := w.room("lobby"), w.room("attic")
	w.append(said(alice, lobby.ID, "1"), told(alice, bob, "psst"))
	w.commit(func(tx hub.Tx) error {
		_, err := tx.SetMember(lobby.ID, bob.ID, true)
		return err
	})
	pair := w.pair(alice, bob)
	w.deleteRoom(attic.ID, true)
	for range 2 {
		w.reopen()
		w.same("accounts", w.named("alice"), []hub.Account{alice})
		w.same("rooms", w.rooms(), []hub.RoomRecord{lobby})
		w.same("memberships", w.roomsOf(bob.ID, "", 10), []string{"lobby"})
		w.same("pair", w.pair(bob, alice), pair)
	}
	w.append(said(alice, lobby.ID, "2"), told(bob, alice, "what?"))
	w.same("room", w.texts(lobby.ID), []string{"1", "2"})
	w.same("pair", w.texts(pair), []string{"psst", "what?"})
	if again := w.room("attic"); again.ID <= pair || again.ID == attic.ID {
		w.Errorf("a new room has the number %d, want a new one, not that of a room that is gone (%d)", again.ID, attic.ID)
	}
	if carol := w.account("carol"); carol.ID <= bob.ID {
		w.Errorf("a new account has the number %d, want one above %d", carol.ID, bob.ID)
	}
}

func testClosed(w *world) {
	if _, ok := w.Store.(io.Closer); !ok {
		w.Skip("this store cannot be closed")
	}
	w.close()
	w.close() // also at the end of the test
	if err := w.Commit(w.Context(), func(hub.Tx) error { return nil }); !errors.Is(err, parley.ErrUnavailable) {
		w.Errorf("Commit() = %v, want unavailable", err)
	}
	if _, err := w.Rooms(w.Context()); !errors.Is(err, parley.ErrUnavailable) {
		w.Errorf("Rooms() = %v, want unavailable", err)
	}
}
