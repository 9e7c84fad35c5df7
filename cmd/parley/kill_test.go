package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// writer is a client that posts until its server dies, and remembers what was
// acknowledged: "id text".
type writer struct {
	name  string
	next  int
	acked []string
	// unsure is the post whose answer never came; it is said again, with its
	// client id, after the restart.
	unsure string
}

// write posts until the connection breaks. Any answer but ok fails the test.
func (w *writer) write(t *testing.T, address string) {
	c, err := dialText(address)
	if err != nil {
		return
	}
	defer c.conn.Close()
	if got, err := c.do("login", w.name, "secret"); err != nil || got[0] != "ok" {
		if err == nil && got[0] == "error" && got[2] != "unavailable" {
			t.Errorf("login of %s: %q", w.name, got)
		}
		return
	}
	for {
		if w.unsure == "" {
			w.next++
			w.unsure = fmt.Sprintf("%s-%d", w.name, w.next)
		}
		got, err := c.do("post", "lobby", w.unsure, w.unsure)
		switch {
		case err != nil:
			return
		case got[0] == "error":
			if got[2] != "unavailable" {
				t.Errorf("post of %s: %q", w.unsure, got)
			}
			return
		}
		w.acked = append(w.acked, got[1]+" "+w.unsure)
		w.unsure = ""
	}
}

// TestKilledServerLosesNothing kills a server under load, again and again, and
// finds every acknowledged message and account after each restart: in order,
// and once.
func TestKilledServerLosesNothing(t *testing.T) {
	cycles := 5
	if os.Getenv("PARLEY_SOAK") != "" {
		cycles = 200
	}
	data := t.TempDir()
	writers := []*writer{{name: "anna"}, {name: "berta"}, {name: "carla"}}
	server := serveChild(t, data)
	setUp, err := dialText(server.text)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range writers {
		setUp.must(t, "register", w.name, "secret")
	}
	for range cycles {
		var all sync.WaitGroup
		for _, w := range writers {
			all.Go(func() { w.write(t, server.text) })
		}
		all.Go(func() { shout(server.line) })
		after := time.Duration(200+rand.IntN(300)) * time.Millisecond
		kill := time.AfterFunc(after, func() { server.cmd.Process.Signal(syscall.SIGKILL) })
		all.Wait()
		kill.Stop()
		server.cmd.Wait()
		server = serveChild(t, data)
		checkHistory(t, server.text, writers)
	}
	if code := server.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
}

// shout speaks on the line door until the server dies: its messages have no
// client id, and must still be there once or not at all.
func shout(address string) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer conn.Close()
	go io.Copy(io.Discard, conn) // ends when the connection does
	for n := 0; ; n++ {
		line := fmt.Sprintf("send lobby - shout-%d-%d\n", time.Now().UnixNano(), n)
		if n == 0 {
			line = "shouter\n"
		}
		if _, err := conn.Write([]byte(line)); err != nil {
			return
		}
	}
}

func checkHistory(t *testing.T, address string, writers []*writer) {
	t.Helper()
	c, err := dialText(address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.conn.Close()
	c.must(t, "login", writers[0].name, "secret")
	history := c.history(t, "lobby")
	at, texts := map[string]int{}, map[string]bool{}
	for i, message := range history {
		_, text, _ := strings.Cut(message, " ")
		if texts[text] {
			t.Errorf("%q is there twice", text)
		}
		texts[text] = true
		at[message] = i
	}
	if !slices.IsSorted(history) {
		t.Error("the history is not in the order of its ids")
	}
	for _, w := range writers {
		last := -1
		for _, message := range w.acked {
			i, ok := at[message]
			switch {
			case !ok:
				t.Fatalf("%q was acknowledged and is lost", message)
			case i < last:
				t.Fatalf("%q stands before an earlier post of %s", message, w.name)
			}
			last = i
		}
	}
}

func TestSecondServerIsRefused(t *testing.T) {
	data := t.TempDir()
	server := serveChild(t, data)
	second := &strings.Builder{}
	code := run(t.Context(), []string{"serve", "--data", data, "--text", "127.0.0.1:0", "--line", "off"}, nil, nil, io.Discard, second)
	if code != 1 || !strings.Contains(second.String(), "another") {
		t.Errorf("exit %d, %q; want 1 and a word of another server", code, second)
	}
	server.stop(syscall.SIGKILL)
}

func TestSignalsEndTheServer(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		server := serveChild(t, t.TempDir())
		c, err := dialText(server.text)
		if err != nil {
			t.Fatal(err)
		}
		c.must(t, "guest", "bob")
		if code := server.stop(sig); code != 0 {
			t.Errorf("%v: exit code %d, want 0", sig, code)
		}
		if got, err := c.read(); err != nil || got[0] != "error" || got[1] != "fatal" {
			t.Errorf("%v: the client was told %q, %v; want a fatal error", sig, got, err)
		}
		if _, err := c.read(); !errors.Is(err, io.EOF) {
			t.Errorf("%v: then %v, want the end", sig, err)
		}
	}
}
