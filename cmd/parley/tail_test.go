package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// tailed is a tail that runs in this process.
type tailed struct {
	t     *testing.T
	lines chan string
	code  chan int
	stop  context.CancelFunc

	mu   sync.Mutex
	errs strings.Builder
}

func (f *tailed) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.errs.Write(b)
}

func startTail(t *testing.T, args ...string) *tailed {
	ctx, stop := context.WithCancel(t.Context())
	f := &tailed{t: t, lines: make(chan string), code: make(chan int, 1), stop: stop}
	out, to := io.Pipe()
	go func() { // ends with stop
		f.code <- run(ctx, append([]string{"tail"}, args...), nil, strings.NewReader(""), to, f)
		to.Close()
	}()
	go func() { // ends when the program does
		for s := bufio.NewScanner(out); s.Scan(); {
			f.lines <- s.Text()
		}
		close(f.lines)
	}()
	t.Cleanup(stop)
	return f
}

func (f *tailed) next() string {
	f.t.Helper()
	select {
	case line := <-f.lines:
		return line
	case <-time.After(time.Minute):
		f.mu.Lock()
		defer f.mu.Unlock()
		f.t.Fatalf("no line came; the notices are %q", f.errs.String())
		return ""
	}
}

// TestTail follows a room over a restart of its server: nothing is missing and
// nothing comes twice.
func TestTail(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	server := serveChild(t, data)
	bob := guest(t, server.text, "bob")
	for i := range 5 {
		bob.must(t, "say", "lobby", fmt.Sprint("before ", i))
	}
	f := startTail(t, "text://"+server.text, "lobby", "-n", "2")
	for _, want := range []string{"before 3", "before 4"} {
		if line := f.next(); !strings.HasSuffix(line, " <bob> "+want) {
			t.Fatalf("%q, want %q of bob", line, want)
		}
	}
	within(t, time.Minute, "the room is followed", func() bool {
		got, err := bob.do("members", "lobby")
		return err == nil && len(got) == 2
	})
	bob.must(t, "join", "lobby")
	if line := f.next(); line != "-- bob joined" {
		t.Fatalf("%q, want that bob joined", line)
	}
	bob.must(t, "say", "lobby", "two\nlines \x1b[2J")
	for _, want := range []string{"two", "lines \ufffd[2J"} {
		if line := f.next(); !strings.HasSuffix(line, " <bob> "+want) {
			t.Fatalf("%q, want %q of bob", line, want)
		}
	}
	server.stop(syscall.SIGKILL)
	server = serveChild(t, data, "--text", server.text)
	bob = guest(t, server.text, "bob")
	for i := range 3 {
		bob.must(t, "say", "lobby", fmt.Sprint("after ", i))
	}
	for i := range 3 {
		if line := f.next(); !strings.HasSuffix(line, fmt.Sprint(" <bob> after ", i)) {
			t.Fatalf("%q, want after %d of bob", line, i)
		}
	}
	f.stop()
	if code := <-f.code; code != exitInterrupted {
		t.Errorf("exit code %d, want %d", code, exitInterrupted)
	}
}

// TestTailAsJSON prints objects, from an id on.
func TestTailAsJSON(t *testing.T) {
	server := serveChild(t, filepath.Join(t.TempDir(), "data"))
	bob := guest(t, server.text, "bob")
	first, err := bob.do("say", "lobby", "first")
	if err != nil {
		t.Fatal(err)
	}
	bob.must(t, "say", "lobby", "second\n")
	f := startTail(t, "text://"+server.text, "lobby", "--json", "--since", first[1])
	var got line
	if err := json.Unmarshal([]byte(f.next()), &got); err != nil || got.Event != "said" || got.Room != "lobby" || got.User != "bob" || got.Text != "second\n" || got.ID == "" || got.Time == "" {
		t.Errorf("%+v, %v; want the second", got, err)
	}
}

func TestTailRefusals(t *testing.T) {
	server := serveChild(t, filepath.Join(t.TempDir(), "data"))
	for _, tt := range []struct {
		args []string
		code int
		errs string
	}{
		{[]string{"text://" + server.text, "nowhere"}, 1, "room_not_found"},
		{[]string{"text://" + server.text}, exitUsage, "arg"},
		{[]string{"text://127.0.0.1:1", "lobby"}, exitUnreachable, "refused"},
		{[]string{"text://" + server.text, "lobby", "--name", "server"}, exitRefused, "invalid_name"},
	} {
		if code, _, errs := program(t.Context(), append([]string{"tail"}, tt.args...)...); code != tt.code || !strings.Contains(errs, tt.errs) {
			t.Errorf("%q: exit code %d, %q; want %d, %q", tt.args, code, errs, tt.code, tt.errs)
		}
	}
}
