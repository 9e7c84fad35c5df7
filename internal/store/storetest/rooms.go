package storetest

import (
	"errors"
	"fmt"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
)

func testRooms(w *world) {
	w.same("at first", w.rooms(), []hub.RoomRecord(nil))
	rooms := []hub.RoomRecord{
		{Name: roomName(w, "Attic"), Guest: true, Creator: -7, Topic: "dust"},
		{Name: roomName(w, "cellar"), Open: true, Creator: 3},
		{Name: roomName(w, "lobby"), Open: true},
	}
	for _, i := range []int{2, 0, 1} {
		w.commit(func(tx hub.Tx) error { return tx.CreateRoom(&rooms[i]) })
	}
	w.same("by key", w.rooms(), rooms)
	w.commit(func(tx hub.Tx) error {
		r := hub.RoomRecord{Name: roomName(w, "LOBBY")}
		w.refused("CreateRoom(LOBBY)", tx.CreateRoom(&r), parley.CodeRoomExists)
		if r.ID != 0 {
			w.Errorf("a refused room got the number %d", r.ID)
		}
		return nil
	})
	w.same("after a refusal", w.rooms(), rooms)
}

func testDeleteRoom(w *world) {
	alice := w.account("alice")
	lobby, attic := w.room("lobby"), w.room("attic")
	w.append(said(alice, lobby.ID, "hello"), said(alice, attic.ID, "dusty"))
	w.commit(func(tx hub.Tx) error {
		_, err := tx.SetMember(attic.ID, alice.ID, true)
		return err
	})
	w.deleteRoom(attic.ID, false)
	w.same("history of a room with members", w.texts(attic.ID), []string{"dusty"})
	w.commit(func(tx hub.Tx) error {
		_, err := tx.SetMember(attic.ID, alice.ID, false)
		return err
	})
	w.deleteRoom(attic.ID, true)
	w.same("rooms", w.rooms(), []hub.RoomRecord{lobby})
	w.same("history of a deleted room", w.texts(attic.ID), []string(nil))
	w.same("history of the other", w.texts(lobby.ID), []string{"hello"})
	again := w.room("attic")
	if again.ID <= attic.ID {
		w.Errorf("a new room has the number %d, want one above %d", again.ID, attic.ID)
	}
	w.same("history of the new room", w.texts(again.ID), []string(nil))
	w.commit(func(tx hub.Tx) error {
		_, err := tx.DeleteRoom(attic.ID)
		w.refused("DeleteRoom twice", err, parley.CodeRoomNotFound)
		_, err = tx.Append(said(alice, attic.ID, "ghost"))
		w.refused("Append to a deleted room", err, parley.CodeRoomNotFound)
		return nil
	})
	w.append(said(alice, again.ID, "new"))
}

func (w *world) deleteRoom(id parley.ConversationID, want bool) {
	w.Helper()
	w.commit(func(tx hub.Tx) error {
		gone, err := tx.DeleteRoom(id)
		if gone != want {
			w.Errorf("DeleteRoom(%d) = %t, want %t", id, gone, want)
		}
		return err
	})
}

// A room is made, spoken in, and deleted in one transaction; another deletion
// is not kept.
func testDeleteRoomAtOnce(w *world) {
	alice, lobby := w.account("alice"), w.room("lobby")
	w.append(said(alice, lobby.ID, "one"))
	w.commit(func(tx hub.Tx) error {
		r := hub.RoomRecord{Name: roomName(w, "attic")}
		if err := tx.CreateRoom(&r); err != nil {
			return err
		}
		if _, err := tx.Append(said(alice, r.ID, "dusty")); err != nil {
			return err
		}
		if gone, err := tx.DeleteRoom(r.ID); err != nil || !gone {
			w.Errorf("DeleteRoom = %t, %v, want true", gone, err)
		}
		_, err := tx.Append(said(alice, r.ID, "ghost"))
		w.refused("Append to a room deleted here", err, parley.CodeRoomNotFound)
		return nil
	})
	err := w.Commit(w.Context(), func(tx hub.Tx) error {
		if gone, err := tx.DeleteRoom(lobby.ID); err != nil || !gone {
			w.Errorf("DeleteRoom = %t, %v, want true", gone, err)
		}
		return errTest
	})
	w.same("error", errors.Is(err, errTest), true)
	w.append(said(alice, lobby.ID, "two"))
	w.same("history", w.texts(lobby.ID), []string{"one", "two"})
	w.same("rooms", w.rooms(), []hub.RoomRecord{lobby})
}

func testMembers(w *world) {
	alice, bob := w.account("alice"), w.account("bob")
	lobby, attic := w.room("lobby"), w.room("attic")
	w.append(told(alice, bob, "a pair is no room"))
	pair := w.pair(alice, bob)
	for _, tt := range []struct {
		name   string
		room   parley.ConversationID
		user   parley.UserID
		member bool
		want   bool
		code   parley.Code
	}{
		{"begins", lobby.ID, alice.ID, true, true, ""},
		{"is one already", lobby.ID, alice.ID, true, false, ""},
		{"another", lobby.ID, bob.ID, true, true, ""},
		{"in another room", attic.ID, alice.ID, true, true, ""},
		{"ends", lobby.ID, alice.ID, false, true, ""},
		{"is none already", lobby.ID, alice.ID, false, false, ""},
		{"no such room", attic.ID + 100, alice.ID, true, false, parley.CodeRoomNotFound},
		{"a pair", pair, alice.ID, true, false, parley.CodeRoomNotFound},
		{"no such user", lobby.ID, bob.ID + 100, true, false, parley.CodeUserNotFound},
		{"a guest", lobby.ID, -1, true, false, parley.CodeUserNotFound},
		{"ends in no room", attic.ID + 100, alice.ID, false, false, ""},
	} {
		w.commit(func(tx hub.Tx) error {
			changed, err := tx.SetMember(tt.room, tt.user, tt.member)
			if changed != tt.want {
				w.Errorf("%s: SetMember(%d, %d, %t) = %t, want %t", tt.name, tt.room, tt.user, tt.member, changed, tt.want)
			}
			if tt.code == "" {
				return err
			}
			w.refused(tt.name, err, tt.code)
			return nil
		})
	}
	w.same("rooms of alice", w.roomsOf(alice.ID, "", 10), []string{"attic"})
	w.same("rooms of bob", w.roomsOf(bob.ID, "", 10), []string{"lobby"})
	w.same("rooms of nobody", w.roomsOf(bob.ID+100, "", 10), []string(nil))
}

func testRoomsOfPages(w *world) {
	alice := w.account("alice")
	names := []string{"E", "b", "a", "C", "d"}
	for _, name := range names {
		room := w.room("room" + name)
		w.room("without" + name)
		w.commit(func(tx hub.Tx) error {
			_, err := tx.SetMember(room.ID, alice.ID, true)
			return err
		})
	}
	for _, tt := range []struct {
		after string
		limit int
		want  []string
	}{
		{"", 10, []string{"rooma", "roomb", "roomC", "roomd", "roomE"}},
		{"", 2, []string{"rooma", "roomb"}},
		{"roomb", 2, []string{"roomC", "roomd"}},
		{"roombb", 2, []string{"roomC", "roomd"}}, // one that is gone by now
		{"roomd", 2, []string{"roomE"}},
		{"roome", 2, nil},
		{"", 0, nil},
	} {
		w.same(fmt.Sprintf("RoomsOf(alice, %q, %d)", tt.after, tt.limit), w.roomsOf(alice.ID, tt.after, tt.limit), tt.want)
	}
}

func testTopics(w *world) {
	alice, bob := w.account("alice"), w.account("bob")
	lobby, attic := w.room("lobby"), w.room("attic")
	set := said(alice, lobby.ID, "welcome")
	set.Kind = parley.KindTopic
	w.append(said(alice, lobby.ID, "hello"), set)
	lobby.Topic = "welcome"
	w.same("rooms", w.rooms(), []hub.RoomRecord{attic, lobby})
	w.same("history", w.texts(lobby.ID), []string{"hello", "welcome"})

	err := w.Commit(w.Context(), func(tx hub.Tx) error {
		set := said(alice, lobby.ID, "lost")
		set.Kind = parley.KindTopic
		if _, err := tx.Append(set); err != nil {
			w.Errorf("Append a topic: %v", err)
		}
		return errTest
	})
	w.same("error", errors.Is(err, errTest), true)
	unset := said(alice, attic.ID, "")
	unset.Kind = parley.KindTopic
	ofPair := told(alice, bob, "between us")
	ofPair.Kind = parley.KindTopic
	w.append(unset, ofPair)
	w.same("rooms in the end", w.rooms(), []hub.RoomRecord{attic, lobby})
}
