package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
	"github.com/parley-chat/parley/internal/proof"
	"github.com/parley-chat/parley/internal/store"
)

// filling is the text of a message of fillStore.
func filling(seq int64, size int) string {
	text := fmt.Sprintf("this is message %d ", seq)
	return text + strings.Repeat("x", max(0, size-len(text)))
}

// fillStore makes a store with so many messages, of so many bytes, in the
// lobby, and gives the number of bytes that it takes: more than what is checked
// before it is used.
func fillStore(t *testing.T, data string, messages, text int) int64 {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{Dir: data, Relaxed: true})
	if err != nil {
		t.Fatal(err)
	}
	name, err := parley.ParseRoomName("lobby")
	if err != nil {
		t.Fatal(err)
	}
	lobby := hub.RoomRecord{Name: name, Open: true}
	for written := 0; written < messages; {
		err := s.Commit(t.Context(), func(tx hub.Tx) error {
			if written == 0 {
				if err := tx.CreateRoom(&lobby); err != nil {
					return err
				}
			}
			for n := 0; n < 1000 && written < messages; n++ {
				written++
				_, err := tx.Append(&hub.Record{Message: &parley.Message{
					Conversation: lobby.ID, Kind: parley.KindMessage, Sender: -1, SenderName: "filler",
					Text: filling(int64(written), text),
				}})
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(data, "parley.db"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() < 4<<20 {
		t.Fatalf("the database has %d bytes, which is too small for this test", info.Size())
	}
	return info.Size()
}

// TestStartIsFast kills a server that holds many messages while a client posts,
// and measures from the next start to the first answered post: at the size of a
// proof, a million messages and a second. Then everything is there.
func TestStartIsFast(t *testing.T) {
	messages := proof.Size(5_000, 1_000_000, 1_000_000)
	// The whole limit only where it was asked for: a machine that does many
	// other things is slow for other reasons.
	limit, text := 5*time.Second, 1000
	if messages == 1_000_000 {
		limit, text = time.Second, 20
	}
	data := filepath.Join(t.TempDir(), "data")
	size := fillStore(t, data, messages, text)
	const starts = 3
	fastest := time.Hour
	var acked []string
	for n := range starts {
		began := time.Now()
		server := serveChild(t, data)
		c, err := dialText(server.text)
		if err != nil {
			t.Fatal(err)
		}
		c.must(t, "guest", "poster")
		first := fmt.Sprintf("start %d", n)
		c.must(t, "say", "lobby", first)
		took := time.Since(began)
		t.Logf("%d messages, %d bytes: the first answer came after %v", messages, size, took)
		fastest = min(fastest, took)
		if acked = append(acked, first); n < starts-1 {
			acked = append(acked, postUntilKilled(t, server, c, n)...)
		} else if code := server.stop(syscall.SIGTERM); code != 0 {
			t.Errorf("exit code %d, want 0", code)
		}
		c.conn.Close()
	}
	if fastest > limit {
		t.Errorf("the fastest of %d starts took %v, want %v", starts, fastest, limit)
	}
	checkFilled(t, data, messages, text, acked)
}

// postUntilKilled kills a server while a client posts, and gives what was
// acknowledged.
func postUntilKilled(t *testing.T, server *child, c *textClient, life int) (acked []string) {
	t.Helper()
	const posts = 200
	for {
		if len(acked) == posts {
			server.cmd.Process.Signal(syscall.SIGKILL) // and go on until it is felt
		}
		text := fmt.Sprintf("post %d of life %d", len(acked), life)
		got, err := c.do("say", "lobby", text)
		if err != nil {
			server.wait()
			return acked
		}
		if got[0] != "ok" {
			t.Fatalf("%s was answered %q", text, got)
		}
		acked = append(acked, text)
	}
}

// checkFilled wants all that fillStore wrote, and behind it what was
// acknowledged, in order; other posts may stand between.
func checkFilled(t *testing.T, data string, messages, text int, acked []string) {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{Dir: data})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var after int64
	for {
		page, err := s.History(t.Context(), hub.HistoryQuery{Conversation: 1, After: after, Forward: true, Limit: 10_000})
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, m := range page {
			after = m.Seq
			if want := filling(m.Seq, text); m.Seq <= int64(messages) && m.Text != want {
				t.Fatalf("message %d says %q, want %q", m.Seq, m.Text, want)
			}
			if len(acked) > 0 && m.Text == acked[0] {
				acked = acked[1:]
			}
		}
	}
	if after < int64(messages) || len(acked) > 0 {
		t.Errorf("there are %d messages; %d that were acknowledged are lost, or out of order: %.3q", after, len(acked), acked)
	}
}

// TestDamageIsFoundWhileServing damages a large database: the server serves,
// finds it, acknowledges nothing more, and ends as after a broken disk; started
// again it does not serve at all.
func TestDamageIsFoundWhileServing(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	fillStore(t, data, 2_000, 3000)
	spoilClientIDs(t, filepath.Join(data, "parley.db"))
	server := serveChild(t, data)
	if c, err := dialText(server.text); err == nil { // else it has ended already
		defer c.conn.Close()
		got, err := c.do("guest", "poster")
		for err == nil && got[0] != "error" { // until the check has found it
			got, err = c.do("whoami")
		}
	}
	if code := server.wait(); code != exitBroken {
		t.Errorf("exit code %d, want %d", code, exitBroken)
	}
	var said strings.Builder
	code := run(t.Context(), []string{"serve", "--data", data, "--text", "127.0.0.1:0", "--line", "off"}, nil, nil, &said, &said)
	if code != 1 || !strings.Contains(said.String(), "restore a backup") {
		t.Errorf("started again: exit %d, %q; want 1 and what to do", code, said.String())
	}
}

// spoilClientIDs overwrites the first page of the table of client ids, which
// nothing that the test does reads.
func spoilClientIDs(t *testing.T, db string) {
	t.Helper()
	content, err := os.ReadFile(db)
	if err != nil {
		t.Fatal(err)
	}
	root, pageSize := rootPage(t, content, "CREATE TABLE client_ids"), 4096
	for i := range pageSize {
		content[(root-1)*pageSize+i] = 0x5a
	}
	if err := os.WriteFile(db, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// rootPage finds where a table begins: its number stands before the statement
// that made it.
func rootPage(t *testing.T, db []byte, statement string) int {
	t.Helper()
	at := strings.Index(string(db), statement)
	if at < 1 {
		t.Fatalf("the database has no %q", statement)
	}
	return int(db[at-1])
}
