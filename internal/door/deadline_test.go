package door_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/command"
	"github.com/parley-chat/parley/internal/door"
	"github.com/parley-chat/parley/internal/door/linedoor"
	"github.com/parley-chat/parley/internal/door/textdoor"
	"github.com/parley-chat/parley/internal/hub"
	"github.com/parley-chat/parley/internal/store"
	"github.com/parley-chat/parley/wire/textwire"
)

// TestDeadlinesAreAbsolute lets peers say a little now and then, so that they
// are never silent for long. They are closed all the same when the time for the
// whole is over (T03). How exactly, the tests of the server hold on simulated
// time, where there are no loops.
func TestDeadlinesAreAbsolute(t *testing.T) { onBoth(t, testDeadlinesAreAbsolute) }

func testDeadlinesAreAbsolute(t *testing.T, loops *door.Loops) {
	const limit, pause = 200 * time.Millisecond, 20 * time.Millisecond
	frame := string(textwire.AppendFrame(nil, "say", "lobby", strings.Repeat("x", 1000)))
	for _, tt := range []struct {
		name, door string
		first      string   // at once
		drip       []string // one by one
		want       string   // part of the last words
		limits     func(*parley.Limits)
	}{
		{
			name: "a frame from its first byte on", door: "text", drip: strings.Split(frame, ""), want: "error,fatal,timeout,",
			limits: func(l *parley.Limits) { l.Request = limit },
		},
		{
			name: "the data of a frame", door: "text", first: frame[:6], drip: strings.Split(frame[6:], ""), want: "error,fatal,timeout,",
			limits: func(l *parley.Limits) { l.Request = limit },
		},
		{
			name: "a name that always ends inside a character", door: "line", first: "\xc3", drip: slices.Repeat([]string{"\xa9\xc3"}, 1000),
			limits: func(l *parley.Limits) { l.Naming, l.ChunkRest = limit, time.Minute },
		},
		{
			name: "nothing at all", door: "text", want: "error,fatal,timeout,",
			limits: func(l *parley.Limits) { l.Session = limit },
		},
		{
			name: "no name", door: "line",
			limits: func(l *parley.Limits) { l.Naming = limit },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // it mostly waits
			limits := parley.DefaultLimits()
			tt.limits(&limits)
			begun := time.Now()
			conn := dialDoor(t, tt.door, &limits, loops)
			var dripping sync.WaitGroup
			dripping.Go(func() { // ends with the connection
				_, err := io.WriteString(conn, tt.first)
				for tick := time.Tick(pause); err == nil && len(tt.drip) > 0; <-tick {
					_, err = io.WriteString(conn, tt.drip[0])
					tt.drip = tt.drip[1:]
				}
			})
			conn.SetReadDeadline(begun.Add(time.Minute))
			said, err := io.ReadAll(conn)
			took := time.Since(begun)
			conn.Close()
			dripping.Wait()
			if err != nil || !strings.Contains(string(said), tt.want) || tt.want == "" && len(said) > 0 {
				t.Errorf("the last words are %q, %v; want %q and the end", said, err, tt.want)
			}
			if most := 50 * limit; took < limit || took > most {
				t.Errorf("closed after %v, want %v, and at most %v on a slow machine", took, limit, most)
			}
		})
	}
}

// dialDoor connects to a real door with limits of its own, which ends with the test.
func dialDoor(t *testing.T, name string, limits *parley.Limits, loops *door.Loops) net.Conn {
	t.Helper()
	kept, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Relaxed: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kept.Close() })
	h, err := hub.New(t.Context(), hub.Config{Store: kept, Limits: *limits, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	open := textdoor.New(h, command.NewTable()).Open
	if name == "line" {
		open = linedoor.New(h, func(*hub.Session, string) error { return nil }).Open
	}
	pool := door.NewPool(limits.Workers)
	t.Cleanup(pool.Close)
	l := &door.Listener{Name: name, Open: open, Limits: limits, Log: slog.New(slog.DiscardHandler), Pool: pool, Loops: loops}
	from, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { l.Serve(from) })
	t.Cleanup(func() {
		l.Shutdown(context.Background(), parley.ErrShuttingDown)
		serving.Wait()
	})
	conn, err := net.Dial("tcp", from.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}
