package hub_test

import (
	"fmt"
	"testing"
)

// stretches is a sink that keeps what it is given as it is.
type stretches struct{ pieces [][]byte }

func (s *stretches) Put(encoded []byte) { s.pieces = append(s.pieces, encoded) }

// Whoever does not read holds few references: the messages of a room lie one
// behind the other. Nothing that has been given out is changed by what follows.
func TestMessagesOfARoomLieTogether(t *testing.T) {
	w := newWorld(t)
	heard := &stretches{}
	listener := w.hub.Attach(heard, words)
	w.ok(listener.Guest(t.Context(), "listener"))
	_, err := listener.Join(t.Context(), "lobby")
	w.ok(err)
	speaker := w.guest("speaker")
	const messages = 400
	for i := range messages {
		speaker.say("lobby", fmt.Sprintf("message %d", i))
	}
	if len(heard.pieces) != messages {
		t.Fatalf("got %d pieces, want %d", len(heard.pieces), messages)
	}
	count, bytes := 1, 0
	for i, b := range heard.pieces {
		if want := fmt.Sprintf("said lobby speaker %d message %d\n", i+1, i); string(b) != want {
			t.Fatalf("piece %d is %q, want %q", i, b, want)
		}
		bytes += len(b)
		if i == 0 {
			continue
		}
		before := heard.pieces[i-1]
		if cap(before) == len(before) || &before[:len(before)+1][len(before)] != &b[0] {
			count++
		}
	}
	// 1, 2, 4 and 8 KiB, and then 16 KiB each; a message is as long as two hundred bytes at most.
	if most := 4 + 1 + bytes/(16<<10-200); count > most {
		t.Errorf("%d bytes lie in %d stretches of memory, want at most %d", bytes, count, most)
	}
	listener.End("")
}
