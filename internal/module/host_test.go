//go:build linux || darwin

package module

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/module/hostile"
	"github.com/parley-chat/parley/wire/textwire"
)

// host lets real programs in, and calls them.
type host struct {
	t    *testing.T
	dir  string
	log  syncBuffer
	s    *Supervisor
	opts Options

	mu    sync.Mutex
	seats []*seat
}

// seat serves a module's socket: it notes what is provided, and hands calls over.
type seat struct {
	name  string
	conn  net.Conn
	ended chan struct{}
	hung  chan struct{}

	mu       sync.Mutex
	provides []string
	calls    map[string]chan []string
	last     int
	drained  bool
}

// supervise runs real modules. Each line is a name and a kind of hostile module.
func supervise(t *testing.T, plain bool, lines ...string) *host {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		t.Fatal(err)
	}
	h := &host{t: t, dir: dir}
	limits := DefaultLimits()
	limits.Grace = 300 * time.Millisecond
	h.opts = Options{
		Dir: dir, Launcher: []string{program, launchWord}, Host: h, Limits: limits, plain: plain, census: 100 * time.Millisecond,
		Environ: []string{"PATH=" + os.Getenv("PATH"), "LANG=de_DE.UTF-8", "SEED=7", "SECRET=1", "HOME=/nowhere"},
		Log:     slog.New(slog.NewJSONHandler(&h.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Grants: func(name string) Grant {
			return Grant{Network: name == "online", Env: []string{"SEED", "HOME", "ABSENT"}}
		},
	}
	h.write(lines...)
	h.s = Start(h.opts)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		h.s.Close(ctx)
		if t.Failed() {
			t.Log(h.log.String())
		}
	})
	return h
}

func (h *host) write(lines ...string) {
	h.t.Helper()
	program, err := os.Executable()
	if err != nil {
		h.t.Fatal(err)
	}
	var list strings.Builder
	for _, line := range lines {
		name, kind, _ := strings.Cut(line, " ")
		fmt.Fprintln(&list, name, hostile.Words(program, kind))
	}
	if err := os.WriteFile(filepath.Join(h.dir, listName), []byte(list.String()), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// Enter is the host's.
func (h *host) Enter(_ context.Context, name string, socket *os.File) (Seat, error) {
	defer socket.Close()
	conn, err := net.FileConn(socket)
	if err != nil {
		return nil, err
	}
	s := &seat{name: name, conn: conn, ended: make(chan struct{}), hung: make(chan struct{}), calls: map[string]chan []string{}}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seats = append(h.seats, s)
	go s.serve() // ends with the connection
	return s, nil
}

// until waits for something that a module does, or that is done to it.
func (h *host) until(what string, holds func() bool) {
	h.t.Helper()
	late := time.After(30 * time.Second)
	for tick := time.Tick(5 * time.Millisecond); !holds(); {
		select {
		case <-tick:
		case <-late:
			h.t.Fatalf("it did not come true that %s; the log: %s", what, h.log.String())
		}
	}
}

func (h *host) untilLogged(part string) {
	h.t.Helper()
	h.until("the log says "+part, func() bool { return strings.Contains(h.log.String(), part) })
}

// seat waits for the n-th run of a module that provides something.
func (h *host) seat(name string, n int) *seat {
	h.t.Helper()
	var found *seat
	h.until(fmt.Sprintf("%s runs for the %d. time", name, n), func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		count := 0
		for _, s := range h.seats {
			if s.name == name {
				if count++; count == n {
					found = s
				}
			}
		}
		return found != nil && len(found.Commands()) > 0
	})
	return found
}

func (h *host) state(name string) string {
	for _, s := range h.s.States() {
		if s.Name == name {
			return s.State
		}
	}
	return ""
}

// process gives what is known of the running process of a module.
func (h *host) pid(name string) int {
	h.t.Helper()
	text := h.log.String()
	at := strings.LastIndex(text, `"msg":"the module was started","module":"`+name+`","pid":`)
	if at < 0 {
		h.t.Fatalf("the log does not tell the process of %s: %s", name, text)
	}
	_, rest, _ := strings.Cut(text[at:], `"pid":`)
	pid, err := strconv.Atoi(rest[:strings.IndexAny(rest, ",}")])
	if err != nil {
		h.t.Fatal(err)
	}
	return pid
}

func (s *seat) serve() {
	defer close(s.ended)
	defer s.conn.Close()
	defer s.giveUp()
	in := bufio.NewReader(s.conn)
	for {
		var header [textwire.HeaderSize]byte
		if _, err := io.ReadFull(in, header[:]); err != nil || header[4] != 0 {
			return
		}
		size := binary.BigEndian.Uint32(header[:])
		if size > 65536 {
			return
		}
		data := make([]byte, size)
		if _, err := io.ReadFull(in, data); err != nil {
			return
		}
		fields, err := textwire.Parse(data, 4096)
		if err != nil || len(fields) < 2 {
			continue
		}
		s.mu.Lock()
		switch fields[0] {
		case "provide":
			s.provides = append(s.provides, fields[1])
		case "return":
			if back := s.calls[fields[1]]; back != nil {
				delete(s.calls, fields[1])
				back <- fields[2:]
			}
		}
		s.mu.Unlock()
	}
}

// giveUp answers the calls in flight when the module went.
func (s *seat) giveUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.provides = nil
	for n, back := range s.calls {
		delete(s.calls, n)
		back <- []string{"error", "unhandled"}
	}
}

// call hands a call over and waits for what it returns; nil: nothing may be handed over.
func (s *seat) call(args ...string) []string {
	s.mu.Lock()
	if s.drained {
		s.mu.Unlock()
		return nil
	}
	s.last++
	n, back := strconv.Itoa(s.last), make(chan []string, 1)
	s.calls[n] = back
	s.mu.Unlock()
	s.conn.Write(textwire.AppendFrame(nil, append([]string{"call", n, hostile.Command, ""}, args...)...))
	select {
	case got := <-back:
		return got
	case <-s.ended: // before it was noted
		return []string{"error", "unhandled"}
	case <-time.After(30 * time.Second):
		return []string{"error", "timeout"}
	}
}

func (s *seat) Drain()                 { s.mu.Lock(); defer s.mu.Unlock(); s.drained = true }
func (s *seat) Calls() int             { s.mu.Lock(); defer s.mu.Unlock(); return len(s.calls) }
func (s *seat) Commands() []string     { s.mu.Lock(); defer s.mu.Unlock(); return slices.Clone(s.provides) }
func (s *seat) Hung() <-chan struct{}  { return s.hung }
func (s *seat) Ended() <-chan struct{} { return s.ended }
func (s *seat) Close()                 { s.conn.(*net.UnixConn).CloseWrite() }
