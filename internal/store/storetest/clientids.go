package storetest

import (
	"fmt"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
)

// retry appends a record in a transaction of its own and wants it to be the
// repetition of first, to be refused with code, or else to be new.
func (w *world) retry(what string, r *hub.Record, first *parley.Message, code parley.Code) {
	w.Helper()
	w.commit(func(tx hub.Tx) error {
		before := *r.Message
		repeated, err := tx.Append(r)
		switch {
		case code != "":
			w.refused(what, err, code)
			w.same(what+": the message", *r.Message, before)
			return nil
		case repeated != (first != nil):
			w.Errorf("%s: Append = %t, %v, want %t", what, repeated, err, first != nil)
		case repeated && (r.Conversation != first.Conversation || r.Seq != first.Seq || !r.Time.Equal(first.Time)):
			w.Errorf("%s: Append filled in %d, %d, %v, want the first message's %d, %d, %v",
				what, r.Conversation, r.Seq, r.Time, first.Conversation, first.Seq, first.Time)
		}
		return err
	})
}

func with(id string, r *hub.Record) *hub.Record {
	r.ClientID = id
	return r
}

func testClientIDs(w *world) {
	alice, bob := w.account("alice"), w.account("bob")
	lobby, attic := w.room("lobby"), w.room("attic")
	hi := with("1", said(alice, lobby.ID, "hi"))
	psst := with("2", told(alice, bob, "psst"))
	w.append(hi, psst, said(alice, lobby.ID, "between"))
	for range 2 {
		w.pass(time.Minute)
		w.retry("same", with("1", said(alice, lobby.ID, "hi")), hi.Message, "")
		w.retry("same of a pair", with("2", told(alice, bob, "psst")), psst.Message, "")
		w.retry("other text", with("1", said(alice, lobby.ID, "ho")), nil, parley.CodeSyntax)
		w.retry("other room", with("1", said(alice, attic.ID, "hi")), nil, parley.CodeSyntax)
		w.retry("room instead of pair", with("2", said(alice, lobby.ID, "psst")), nil, parley.CodeSyntax)
		w.retry("pair instead of room", with("1", told(alice, bob, "hi")), nil, parley.CodeSyntax)
		w.retry("new pair instead of room", with("1", told(alice, alice, "hi")), nil, parley.CodeSyntax)
		notice := with("1", said(alice, lobby.ID, "hi"))
		notice.Kind = parley.KindNotice
		w.retry("other kind", notice, nil, parley.CodeSyntax)
		w.reopen()
	}
	w.same("a pair that was only refused", w.pair(alice, alice), parley.ConversationID(0))
	w.retry("of somebody else", with("1", said(bob, lobby.ID, "hi")), nil, "")
	w.retry("in another case", with("A", said(alice, lobby.ID, "A")), nil, "")
	w.retry("in another case", with("a", said(alice, lobby.ID, "a")), nil, "")
	w.same("history", w.texts(lobby.ID), []string{"hi", "between", "hi", "A", "a"})

	// Twice in one transaction.
	w.commit(func(tx hub.Tx) error {
		one, two := with("3", said(alice, lobby.ID, "once")), with("3", said(alice, lobby.ID, "once"))
		if repeated, err := tx.Append(one); repeated || err != nil {
			w.Errorf("Append = %t, %v, want false", repeated, err)
		}
		if repeated, err := tx.Append(two); !repeated || err != nil || two.Seq != one.Seq {
			w.Errorf("Append again = %t, %v, with Seq %d, want true with %d", repeated, err, two.Seq, one.Seq)
		}
		_, err := tx.Append(with("3", said(alice, lobby.ID, "other")))
		w.refused("other text", err, parley.CodeSyntax)
		return nil
	})

	// A client id of a message that was not kept is free.
	_ = w.Commit(w.Context(), func(tx hub.Tx) error {
		if _, err := tx.Append(with("4", said(alice, lobby.ID, "lost"))); err != nil {
			w.Errorf("Append: %v", err)
		}
		return errTest
	})
	w.retry("after a rollback", with("4", said(alice, lobby.ID, "found")), nil, "")
	w.same("history", w.texts(lobby.ID), []string{"hi", "between", "hi", "A", "a", "once", "found"})
}

func testClientIDsOfRoom(w *world) {
	alice, lobby, attic := w.account("alice"), w.room("lobby"), w.room("attic")
	hi := with("stays", said(alice, lobby.ID, "hi"))
	w.append(hi, with("goes", said(alice, attic.ID, "hi")))
	w.deleteRoom(attic.ID, true)
	w.retry("of the deleted room", with("goes", said(alice, lobby.ID, "other")), nil, "")
	w.retry("of the other", with("stays", said(alice, lobby.ID, "hi")), hi.Message, "")
}

// Numbers of guests begin anew, so that their client ids must not be kept.
func testClientIDsOfGuests(w *world) {
	lobby := w.room("lobby")
	guest := hub.Account{User: parley.User{ID: -1, Name: userName(w, "guest")}}
	w.retry("a guest's", with("1", said(guest, lobby.ID, "hi")), nil, "")
	w.retry("another guest's", with("1", said(guest, lobby.ID, "ho")), nil, "")
	w.same("history", w.texts(lobby.ID), []string{"hi", "ho"})
}

func testClientIDsExpire(w *world) {
	alice, lobby := w.account("alice"), w.room("lobby")
	for i := range 20 {
		w.append(with(fmt.Sprint(i), said(alice, lobby.ID, "old")))
	}
	last := with("last", said(alice, lobby.ID, "old"))
	w.append(last)
	w.pass(clientIDs)
	w.retry("at the end of its time", with("last", said(alice, lobby.ID, "old")), last.Message, "")
	w.pass(time.Millisecond)
	w.retry("after its time, other text", with("last", said(alice, lobby.ID, "new")), nil, "")
	w.retry("used again", with("last", said(alice, lobby.ID, "old")), nil, parley.CodeSyntax)
	w.reopen()
	w.retry("after its time, same text", with("0", said(alice, lobby.ID, "old")), nil, "")
	for i := 1; i < 20; i++ {
		w.retry("after its time", with(fmt.Sprint(i), said(alice, lobby.ID, "new")), nil, "")
	}
	if got := len(w.texts(lobby.ID)); got != 42 {
		w.Errorf("%d messages are kept, want 42", got)
	}
}
