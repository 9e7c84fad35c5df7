package storetest

import (
	"math"
	"strings"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
)

func testMessages(w *world) {
	alice, lobby := w.account("alice"), w.room("lobby")
	want := []parley.Message{
		{Kind: parley.KindMessage, Sender: alice.ID, SenderName: "alice", Text: "hello"},
		{Kind: parley.KindNotice, Sender: -3, SenderName: "guest", Text: "from a guest"},
		{Kind: parley.KindKick, Text: "", Ref: math.MaxInt64},
		{Kind: parley.KindRedaction, Sender: alice.ID, SenderName: "Alice", Ref: 1},
	}
	for i := range want {
		want[i].Conversation = lobby.ID
		got := want[i]
		w.pass(1500 * time.Millisecond)
		w.append(&hub.Record{Message: &got})
		want[i].Seq, want[i].Time = int64(i+1), w.now()
		w.same("what Append filled in", got, want[i])
	}
	w.same("what is kept", w.history(hub.HistoryQuery{Conversation: lobby.ID, Limit: 10}), want)
}

func testTexts(w *world) {
	alice, lobby := w.account("alice"), w.room("lobby")
	texts := []string{
		"", " ", "\x00", "a\x00b", "\r\n", "'; DROP TABLE messages; --", `" OR 1=1 --`, "?1 $1 :a @b",
		"\xff\xfe not UTF-8", "🦜\u202eright to left", strings.Repeat("x", 70000),
	}
	for _, text := range texts {
		r := said(alice, lobby.ID, text)
		r.ClientID = "id " + text[:min(len(text), 64)]
		w.append(r)
		again := said(alice, lobby.ID, text)
		again.ClientID = r.ClientID
		w.commit(func(tx hub.Tx) error {
			if repeated, err := tx.Append(again); !repeated || err != nil {
				w.Errorf("Append(%.20q) again = %t, %v, want true", text, repeated, err)
			}
			return nil
		})
	}
	w.same("texts", w.texts(lobby.ID), texts)
}

func testRefusedMessages(w *world) {
	alice, lobby := w.account("alice"), w.room("lobby")
	nobody := hub.Account{User: parley.User{ID: alice.ID + 100}}
	guest := hub.Account{User: parley.User{ID: -1}}
	w.commit(func(tx hub.Tx) error {
		for _, tt := range []struct {
			name   string
			record *hub.Record
			want   parley.Code
		}{
			{"no such room", said(alice, lobby.ID+100, "x"), parley.CodeRoomNotFound},
			{"a room below zero", said(alice, -1, "x"), parley.CodeRoomNotFound},
			{"to nobody", told(alice, nobody, "x"), parley.CodeUserNotFound},
			{"from nobody", told(nobody, alice, "x"), parley.CodeUserNotFound},
			{"to a guest", told(alice, guest, "x"), parley.CodeUserNotFound},
			{"from a guest", told(guest, alice, "x"), parley.CodeUserNotFound},
			{"to zero", told(alice, hub.Account{}, "x"), parley.CodeUserNotFound},
		} {
			tt.record.ClientID = "never kept"
			before := *tt.record.Message
			_, err := tx.Append(tt.record)
			w.refused(tt.name, err, tt.want)
			w.same(tt.name+": the message", *tt.record.Message, before)
		}
		r := said(alice, lobby.ID, "kept")
		r.ClientID = "never kept"
		_, err := tx.Append(r)
		return err
	})
	w.same("history", w.texts(lobby.ID), []string{"kept"})
	if id := w.pair(alice, nobody); id != 0 {
		w.Errorf("a refused message made the conversation %d", id)
	}
}

func testPairs(w *world) {
	alice, bob, carol := w.account("alice"), w.account("bob"), w.account("carol")
	if id := w.pair(alice, bob); id != 0 {
		w.Errorf("Pair before the first word = %d, want 0", id)
	}
	w.append(told(alice, bob, "1"), told(bob, alice, "2"), told(alice, alice, "note"))
	w.append(told(bob, alice, "3"), told(carol, bob, "other"))
	ab, ba, aa := w.pair(alice, bob), w.pair(bob, alice), w.pair(alice, alice)
	if ab == 0 || ab != ba {
		w.Errorf("Pair(alice, bob) = %d, Pair(bob, alice) = %d, want one number", ab, ba)
	}
	w.same("alice and bob", w.texts(ab), []string{"1", "2", "3"})
	w.same("alice alone", w.texts(aa), []string{"note"})
	w.same("bob alone", w.pair(bob, bob), parley.ConversationID(0))
	w.same("carol and bob", w.texts(w.pair(bob, carol)), []string{"other"})

	// Told to the conversation itself.
	w.append(said(bob, ab, "4"))
	w.same("alice and bob again", w.texts(ab), []string{"1", "2", "3", "4"})
	w.commit(func(tx hub.Tx) error {
		_, err := tx.DeleteRoom(ab)
		w.refused("DeleteRoom of a pair", err, parley.CodeRoomNotFound)
		return nil
	})
}

func testClock(w *world) {
	alice, lobby, attic := w.account("alice"), w.room("lobby"), w.room("attic")
	start := w.now()
	w.append(said(alice, lobby.ID, "1"))
	w.pass(-365 * 24 * time.Hour)
	w.append(said(alice, lobby.ID, "2"), said(alice, attic.ID, "earlier"))
	w.reopen()
	w.append(said(alice, lobby.ID, "3"))
	w.pass(2 * 365 * 24 * time.Hour)
	late := w.now()
	w.append(said(alice, lobby.ID, "4"))
	w.pass(-time.Hour)
	w.append(said(alice, lobby.ID, "5"))
	var got []time.Time
	for _, m := range w.history(hub.HistoryQuery{Conversation: lobby.ID, Kind: parley.KindMessage, Limit: 10}) {
		got = append(got, m.Time)
	}
	w.same("times", got, []time.Time{start, start, start, late, late})
	other := w.history(hub.HistoryQuery{Conversation: attic.ID, Kind: parley.KindMessage, Limit: 10})
	w.same("time of another room", other[0].Time, start.Add(-365*24*time.Hour))
}

func testHistory(w *world) {
	alice, lobby, attic := w.account("alice"), w.room("lobby"), w.room("attic")
	// Messages at 1, 2, 4, 5, 7, 8, 10; notices at 3, 6, 9.
	for i := range 10 {
		r := said(alice, lobby.ID, "x")
		if i%3 == 2 {
			r.Kind = parley.KindNotice
		}
		w.append(r, said(alice, attic.ID, "elsewhere"))
	}
	for _, tt := range []struct {
		name  string
		query hub.HistoryQuery
		want  []int64
	}{
		{"latest", hub.HistoryQuery{Limit: 3}, []int64{7, 8, 10}},
		{"all", hub.HistoryQuery{Limit: 100}, []int64{1, 2, 4, 5, 7, 8, 10}},
		{"other kind", hub.HistoryQuery{Kind: parley.KindNotice, Limit: 2}, []int64{6, 9}},
		{"kind that is not there", hub.HistoryQuery{Kind: parley.KindKick, Limit: 2}, nil},
		{"any kind", hub.HistoryQuery{Kind: -1, Limit: 3}, []int64{8, 9, 10}},
		{"before", hub.HistoryQuery{Before: 8, Limit: 3}, []int64{4, 5, 7}},
		{"before the first", hub.HistoryQuery{Before: 1, Limit: 3}, nil},
		{"before below zero", hub.HistoryQuery{Before: -5, Limit: 3}, nil},
		{"before what comes", hub.HistoryQuery{Before: 1000, Limit: 1}, []int64{10}},
		{"after", hub.HistoryQuery{After: 2, Limit: 3}, []int64{4, 5, 7}},
		{"after the last", hub.HistoryQuery{After: 10, Limit: 3}, nil},
		{"after and before", hub.HistoryQuery{After: 2, Before: 7, Limit: 3}, []int64{4, 5}},
		{"after and before, first ones", hub.HistoryQuery{After: 1, Before: 10, Limit: 2}, []int64{2, 4}},
		{"first ones", hub.HistoryQuery{Forward: true, Limit: 2}, []int64{1, 2}},
		{"first ones before", hub.HistoryQuery{Forward: true, Before: 2, Limit: 2}, []int64{1}},
		{"none", hub.HistoryQuery{Limit: 0}, nil},
		{"fewer than none", hub.HistoryQuery{Limit: -1}, nil},
		{"of no conversation", hub.HistoryQuery{Conversation: attic.ID + 100, Limit: 3}, nil},
	} {
		q := tt.query
		if q.Conversation == 0 {
			q.Conversation = lobby.ID
		}
		switch q.Kind {
		case 0:
			q.Kind = parley.KindMessage
		case -1:
			q.Kind = 0
		}
		var got []int64
		for _, m := range w.history(q) {
			got = append(got, m.Seq)
		}
		w.same(tt.name, got, tt.want)
	}
}
