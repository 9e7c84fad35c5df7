package server_test

import (
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/parley-chat/parley"
)

// allocated tells how many bytes were allocated so far, and how many are held.
func allocated() (total, held uint64) {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.TotalAlloc, m.HeapAlloc + m.StackInuse
}

// descriptors counts the open files of the process; 0 where it cannot be told.
func descriptors() int {
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(open)
}

// T02: a length of 4 GiB costs nothing but its answer.
func TestLengthBombs(t *testing.T) {
	h := start(t, onSockets)
	conns := make([]*net.TCPConn, heavy(100, 1000, 10000))
	for i := range conns {
		conns[i] = h.lineOrText("text")
	}
	before, _ := allocated()
	for _, c := range conns {
		c.Write([]byte("\xff\xff\xff\xff"))
	}
	want := string(frame("error", "fatal", "request_too_long", "a request has at most 65536 bytes"))
	buf := make([]byte, 200)
	for i, c := range conns {
		if n, err := io.ReadFull(c, buf[:len(want)]); string(buf[:n]) != want {
			t.Fatalf("connection %d: got %q, %v; want %q", i, buf[:n], err, want)
		}
	}
	after, _ := allocated()
	if got := int(after-before) / len(conns); got > 16<<10 {
		t.Errorf("each answer cost %d bytes, want at most 16 KiB", got)
	}
	for _, c := range conns {
		c.Close()
	}
}

// F20, and promise 8: what a connection that is nobody yet may cost.
func TestStalledConnectionsCostLittle(t *testing.T) {
	for _, tt := range []struct {
		name, door, sent string
	}{
		{name: "silent", door: "text"},
		{name: "the longest frame, without its data", door: "text", sent: "\x00\x01\x00\x00\x00"},
		{name: "a frame that has begun", door: "text", sent: "\x00\x01\x00\x00\x00" + strings.Repeat("x", 4000)},
		{name: "silent, without a name", door: "line"},
		{name: "a held chunk", door: "line", sent: strings.Repeat("x", 4000)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := start(t, onSockets, func(s *setup) { s.cfg.Timeouts.Request = "1h" },
				limits(func(l *parley.Limits) { l.ChunkRest, l.Naming, l.Request = patience, patience, patience }))
			_, before := allocated()
			conns := make([]net.Conn, heavy(200, 1000, 5000))
			for i := range conns {
				conns[i] = h.lineOrText(tt.door)
				conns[i].Write([]byte(tt.sent))
			}
			h.textOn().ask("nop") // the doors are open to others
			_, after := allocated()
			got := (int(after) - int(before)) / len(conns)
			if got > 16<<10 {
				t.Errorf("each connection costs %d bytes, want at most 16 KiB", got)
			}
			for _, c := range conns {
				c.Close()
			}
		})
	}
}

// T46: whatever way connections go, nothing of them stays.
func TestNothingStays(t *testing.T) {
	h := start(t, onSockets)
	watch := h.text()
	cycle := func(i int) {
		c, line := h.textOn(), h.lineOn("")
		c.send("guest", "alice")
		line.send("bob")
		c.recv()
		line.recv()
		switch i % 4 {
		case 0:
			c.Close()
			line.Close()
		case 1:
			reset(c.Conn)
			reset(line.Conn)
		case 2:
			c.raw([]byte("\xff\xff\xff\xff"))
			c.fatal("request_too_long")
			line.send("exit")
			line.ended()
		case 3:
			c.raw([]byte("\x00\x00"))
			reset(c.Conn)
			line.raw([]byte("send lobby - half"))
			line.Conn.(*net.TCPConn).CloseWrite()
		}
		c.Close()
		line.Close()
		eventually(t, "both names are free", func() bool { return len(watch.ask("users")) == 1 })
	}
	for i := range 8 {
		cycle(i)
	}
	goroutines, files := runtime.NumGoroutine(), descriptors()
	for i := range heavy(20, 200, 10000) {
		cycle(i)
	}
	eventually(t, "goroutines and files are as before", func() bool {
		runtime.Gosched()
		return runtime.NumGoroutine() <= goroutines+5 && descriptors() <= files+2
	})
}
