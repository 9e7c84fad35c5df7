package store

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
)

// BenchmarkAppend appends to 16 rooms in turn; an operation is one message.
func BenchmarkAppend(b *testing.B) {
	for _, relaxed := range []bool{false, true} {
		for _, batch := range []int{1, 256} {
			for _, id := range []bool{false, true} {
				b.Run(fmt.Sprintf("relaxed=%t/batch=%d/id=%t", relaxed, batch, id), func(b *testing.B) {
					benchmarkAppend(b, relaxed, batch, id)
				})
			}
		}
	}
}

func benchmarkAppend(b *testing.B, relaxed bool, batch int, withID bool) {
	s := openStore(b, Options{Dir: b.TempDir(), Relaxed: relaxed})
	alice := newAccount(b, s, "alice")
	var rooms [16]parley.ConversationID
	for i := range rooms {
		rooms[i] = newRoom(b, s, fmt.Sprintf("room%d", i))
	}
	text := strings.Repeat("hello ", 10)
	b.ReportAllocs()
	for n := 0; b.Loop(); {
		// One operation is one message, and every batch-th one commits.
		if n++; n%batch != 0 {
			continue
		}
		err := s.Commit(context.Background(), func(tx hub.Tx) error {
			for i := range batch {
				r := hub.Record{Message: &parley.Message{
					Conversation: rooms[i%len(rooms)], Kind: parley.KindMessage,
					Sender: alice.ID, SenderName: "alice", Text: text,
				}}
				if withID {
					r.ClientID = fmt.Sprintf("%024d", n+i)
				}
				if _, err := tx.Append(&r); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHistory(b *testing.B) {
	s := openStore(b, Options{Dir: b.TempDir(), Relaxed: true})
	alice := newAccount(b, s, "alice")
	room := newRoom(b, s, "lobby")
	for range 10 {
		say(b, s, alice, room, 1000)
	}
	q := hub.HistoryQuery{Conversation: room, Kind: parley.KindMessage, Limit: 50}
	b.ReportAllocs()
	for b.Loop() {
		if page, err := s.History(context.Background(), q); err != nil || len(page) != q.Limit {
			b.Fatal(len(page), err)
		}
	}
}
