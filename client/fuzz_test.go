package client_test

import (
	"context"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/client"
	"github.com/parley-chat/parley/internal/command"
	"github.com/parley-chat/parley/internal/memnet"
	"github.com/parley-chat/parley/wire/textwire"
)

// Whatever event the server can tell of, the client knows.
func TestEveryEventIsKnown(t *testing.T) {
	room, user, self := parley.StoredName("Tea", "tea"), parley.StoredName("Bob", "bob"), parley.StoredName("alice", "alice")
	m := parley.Message{
		Conversation: 7, Seq: 35, Kind: parley.KindMessage, SenderName: "Bob",
		Time: time.Date(2026, 11, 21, 1, 2, 3, 4e6, time.UTC), Text: `a,b\c`,
	}
	mine, topic := m, parley.Message{Kind: parley.KindTopic, SenderName: "Bob", Text: "tea"}
	mine.SenderName = "alice"
	for _, e := range []parley.Event{
		parley.Said{Room: room, Message: m},
		parley.Told{To: self, Message: m},
		parley.ToldCopy{To: user, Message: mine},
		parley.Sent{From: user, Command: "text", Args: []string{}},
		parley.Joined{Room: room, User: user},
		parley.Left{Room: room, User: user, Reason: "connection closed"},
		parley.TopicSet{Room: room, Message: topic},
		parley.RoomDeleted{Room: room},
	} {
		got := client.DecodePush("alice", command.Push(e, true))
		if diff := cmp.Diff(e, got, cmp.AllowUnexported(parley.Name{})); diff != "" {
			t.Errorf("%T (-told +got):\n%s", e, diff)
		}
	}
	for _, e := range parley.Events() {
		switch e.(type) {
		case parley.Closing, parley.Called:
			continue // they are no events of the program
		}
		if got := client.DecodePush("alice", command.Push(e, true)); reflect.TypeOf(got) != reflect.TypeOf(e) && !isTold(e, got) {
			t.Errorf("%T came as %T", e, got)
		}
	}
	told := parley.Told{To: self, Message: m}
	if got := client.DecodePush("alice", command.Push(told, false)); !cmp.Equal(told, got, cmp.AllowUnexported(parley.Name{}), cmpopts.IgnoreFields(parley.Message{}, "Conversation", "Seq", "Time")) {
		t.Errorf("Told without copies came as %v", got)
	}
}

// isTold tells of a copy without names, which cannot be told from what was told.
func isTold(e, got parley.Event) bool {
	_, isCopy := e.(parley.ToldCopy)
	_, isTold := got.(parley.Told)
	return isCopy && isTold
}

// FuzzPush decodes pushes. What is decoded holds nothing that the server did not say.
func FuzzPush(f *testing.F) {
	for _, e := range parley.Events() {
		f.Add(textwire.Append(nil, command.Push(e, true)...))
	}
	f.Add([]byte("room,lobby,alice,1-0000000000004,2026-11-20T20:31:37.581Z,hello\\, world"))
	f.Add([]byte("told,alice,bob,zz-0000000000004,2026-99-99T20:31:37.581Z,é"))
	f.Add([]byte("send,bob,text,x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		fields, err := textwire.Parse(data, 64)
		if err != nil {
			return
		}
		var m *parley.Message
		switch e := client.DecodePush("alice", fields).(type) {
		case parley.Said:
			m = &e.Message
		case parley.Told:
			m = &e.Message
		case parley.ToldCopy:
			m = &e.Message
		default:
			return
		}
		if m.Text != fields[len(fields)-1] {
			t.Errorf("%q holds the text %q", fields, m.Text)
		}
		if m.Seq < 0 || m.Conversation < 0 || (m.Seq == 0) != (m.Conversation == 0) {
			t.Errorf("%q is at %d, %d", fields, m.Conversation, m.Seq)
		}
	})
}

// FuzzServer lets a server say anything to a client that waits for answers of every kind.
func FuzzServer(f *testing.F) {
	frames := func(messages ...[]string) (b []byte) {
		for _, m := range messages {
			b = textwire.AppendFrame(b, m...)
		}
		return b
	}
	said := func(seq string) []string {
		return []string{"room", "lobby", "bob", "1-" + seq, "2026-11-20T20:31:37.581Z", "x"}
	}
	page := []string{"1-0000000000001", "2026-11-20T20:31:37.581Z", "bob", "x"}
	f.Add(frames([]string{"error", "fatal", "unavailable", "bye"}))
	f.Add(frames([]string{"req", "1", "ok"}, said("0000000000001"), append([]string{"req", "2", "history"}, page...), []string{"req", "3", "history"}, said("0000000000002")))
	f.Add(frames([]string{"req", "1", "history"}, []string{"req", "2", "ok"}, said("0000000000001"), said("0000000000001"), []string{"deleted", "lobby", ""}))
	f.Add(frames([]string{"call", "1", "echo", "bob", "x"}, []string{"call", "1", "unheard", ""}, []string{"left", "lobby", "alice"}))
	f.Add(frames([]string{"req", "1", "error", "nonfatal", "room_not_found", ""}, []string{"req", "2", "error"}, []string{"req", "3"}, []string{"req", "4", "ok", "1-0000000000001", "x"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		ours, theirs := memnet.Pipe(1 << 20)
		c := client.Over(t, ours)
		c.Handle("echo", echo)
		var asked sync.WaitGroup
		ctx := context.Background()
		for _, ask := range []func(){
			func() { c.Follow(ctx, "lobby", "") },
			func() { c.Say(ctx, "lobby", "x") },
			func() { c.Join(ctx, "tea") },
			func() { c.Post(ctx, "lobby", "x", "x") },
			func() { c.Users(ctx) },
			func() { c.Login(ctx, "alice", "x") },
			func() { c.Provide(ctx, "echo", 0, 0, "x", echo) },
		} {
			asked.Go(ask)
			read(theirs)
		}
		theirs.Write(data)
		theirs.CloseWrite()
		asked.Wait()
		<-c.Done()
		c.Close()
		for range c.Events() {
		}
		theirs.Close()
	})
}
