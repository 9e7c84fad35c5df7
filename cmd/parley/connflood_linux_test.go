package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/parley-chat/parley/internal/config"
	"github.com/parley-chat/parley/internal/proof"
	"github.com/parley-chat/parley/internal/server"
)

// TestConnectionFlood lets thousands come to both doors at full speed who say
// nothing, or never end what they say. No session that was there before loses a
// message; each attempt costs little; afterwards nothing of them is left (L5,
// T02, T03, T07).
func TestConnectionFlood(t *testing.T) {
	if args, ok := os.LookupEnv(floodArgs); ok {
		runFlood(t, args)
		return
	}
	n, open := proof.Size(2000, 20_000, 50_000), proof.Size(1200, 9000, 9000)
	long := open > 2000
	if long {
		// So that the silent ones of the text door end within this test, too.
		t.Setenv("PARLEY_TIMEOUTS_SESSION", (20 * time.Second).String())
	}
	server := serveChild(t, filepath.Join(t.TempDir(), "data"))
	c := establish(t, server, 50*time.Millisecond)
	quiet := time.Duration(proof.Size(300, 1500, 3000)) * time.Millisecond
	c.paceFor(quiet)
	base := server.figures()
	f := startFlood(t, server, open)
	var peak figures
	if long {
		peak = f.compare(c, n, quiet)
	} else {
		peak = f.rush(n)
	}
	each := (peak.most - base.most) / int64(peak.descriptors-base.descriptors)
	t.Logf("before: %v; at the peak: %v, %d bytes for each connection", base, peak, each)
	if each > 16<<10 && !underRace() {
		t.Errorf("each connection before login costs %d bytes, want at most 16 KiB", each)
	}
	if got := peak.threads - base.threads; got > 20 {
		t.Errorf("%d threads were added for %d connections", got, peak.descriptors-base.descriptors)
	}
	f.subside(base, long)
	t.Log("after the flood:", c.take())
	c.hush()
	c.judge(server)
}

// compare measures the company's pace three times: when nothing else happens,
// when another server on this machine is flooded, and when its own is. That may
// not make it worse than twice the worse one of the others. What else the
// machine does makes it worse, too, so there are several tries.
func (f *flooder) compare(c *company, n int, quiet time.Duration) (peak figures) {
	f.t.Helper()
	const tries, slack = 5, 20 * time.Millisecond
	other := startFlood(f.t, serveChild(f.t, filepath.Join(f.t.TempDir(), "data")), f.open)
	for range tries {
		calm := c.paceFor(quiet)
		other.do(fmt.Sprint("rush ", n))
		busy := c.take()
		other.do("leave")
		other.awaitOpen(0)
		c.take()
		peak = peak.or(f.rush(n))
		flooded := c.take()
		f.t.Logf("the company at peace: %v; another server flooded: %v; its own flooded: %v", calm, busy, flooded)
		f.awaitOpen(f.open)
		if flooded.answer <= 2*max(calm.answer, busy.answer)+slack && flooded.heard <= 2*max(calm.heard, busy.heard)+slack {
			return peak
		}
	}
	f.t.Errorf("a flood made the p99 of the others more than twice as long, %d times", tries)
	return peak
}

// rush lets the flood come, and gives the most that the server took meanwhile.
func (f *flooder) rush(n int) (peak figures) {
	f.t.Helper()
	stop := make(chan struct{})
	watched := make(chan figures, 1)
	go func() { // ends when it is told to
		defer close(watched)
		watched <- f.server.watch(stop)
	}()
	took := f.do(fmt.Sprint("rush ", n))
	close(stop)
	peak = <-watched
	f.t.Logf("%d attempts in %v, %.0f a second, %d descriptors at the most", n, took.Round(time.Millisecond),
		float64(n)/took.Seconds(), peak.descriptors)
	return peak
}

// awaitOpen waits until the server has done with all but so many attempts.
func (f *flooder) awaitOpen(open int) {
	f.t.Helper()
	within(f.t, time.Minute, "the server has done with the flood", func() bool {
		return f.server.figures().descriptors <= f.before.descriptors+open+20
	})
}

// memorySlack is what the server may keep after a flood: what the runtime has
// not given back yet, and what the talking meanwhile has put into the caches of
// the store.
const memorySlack = 24 << 20

// subside lets the flood go, or lets the server end what is left of it, and
// wants that within 30 s the server is as before.
func (f *flooder) subside(before figures, byServer bool) {
	t := f.t
	t.Helper()
	begun := time.Now()
	if !byServer {
		f.do("leave")
	}
	within(t, 30*time.Second, "all descriptors but the server's own are closed", func() bool {
		return f.server.figures().descriptors <= before.descriptors+2
	})
	took := time.Since(begun)
	if byServer {
		f.do("ended")
	}
	f.end()
	if !comesIn(f.server.text) {
		t.Error("nobody new is served after the flood")
	}
	within(t, 30*time.Second, "the memory of the flood is given back", func() bool {
		return underRace() || f.server.figures().resident <= before.resident+memorySlack
	})
	after := f.server.figures()
	t.Logf("all connections were closed after %v, all memory given back after %v: %v",
		took.Round(time.Millisecond), time.Since(begun).Round(time.Millisecond), after)
	if got := after.threads - before.threads; got > 20 {
		t.Errorf("%d threads are still there", got)
	}
}

// watch gives the most that a server took until it is told to stop.
func (c *child) watch(stop <-chan struct{}) (peak figures) {
	for tick := time.Tick(50 * time.Millisecond); ; {
		peak = peak.or(c.figures())
		select {
		case <-stop:
			return peak
		case <-tick:
		}
	}
}

// startHere runs a server with both doors in this process.
func startHere(t *testing.T) *server.Server {
	t.Helper()
	cfg := config.Default()
	cfg.Data, cfg.Text, cfg.Line = t.TempDir(), "127.0.0.1:0", "127.0.0.1:0"
	s, err := server.Start(t.Context(), cfg, server.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Shutdown(context.Background()) })
	return s
}

// TestSilentConnections holds that on a loop whoever says nothing costs no
// goroutine, and nothing at all when it has gone.
func TestSilentConnections(t *testing.T) {
	s := startHere(t)
	const n, slack = 400, 100 << 10
	const others = 10 // descriptors that other tests left, or the store opens
	goroutines, first := runtime.NumGoroutine(), heldBytes()
	for round := range proof.Size(4, 20, 100) {
		files := openFiles(t, "/proc/self/")
		open := dialMany(t, n, s.Addr("text").String(), s.Addr("line").String())
		within(t, time.Minute, "all are accepted", func() bool { return openFiles(t, "/proc/self/") >= files+2*n-others })
		if got := runtime.NumGoroutine() - goroutines; got > 5 {
			t.Fatalf("%d connections have %d goroutines, want none", n, got)
		}
		for _, conn := range open {
			conn.Close()
		}
		within(t, time.Minute, "all are closed", func() bool { return openFiles(t, "/proc/self/") <= files+others })
		switch held := heldBytes(); {
		case round == 0: // what grows with the most that were there is there by now
			first = held
		case held > first+slack:
			t.Fatalf("after %d connections %d bytes more are held than after %d", (round+1)*n, held-first, n)
		}
	}
}

// heldBytes tells how much of the heap is in use.
func heldBytes() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what had finalizers the first time
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestBacklog holds that thousands may wait to be accepted, if the system lets
// them.
func TestBacklog(t *testing.T) {
	s := startHere(t)
	guest(t, s.Addr("text").String(), "gast") // both doors serve by now
	dialLine(t, s.Addr("line").String(), "lina")
	var allowed int
	if text, err := os.ReadFile("/proc/sys/net/core/somaxconn"); err != nil {
		t.Skip(err)
	} else if _, err := fmt.Sscan(string(text), &allowed); err != nil {
		t.Fatal(err)
	}
	for _, door := range []string{"text", "line"} {
		port := s.Addr(door).(*net.TCPAddr).Port
		if got, want := backlog(t, port), min(4096, allowed); got < want {
			t.Errorf("%d connections may wait at the %s door, want %d", got, door, want)
		}
	}
}

// backlog finds the socket of this process that listens at a port, and tells
// how many connections may wait there.
func backlog(t *testing.T, port int) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		fd, _ := strconv.Atoi(file.Name())
		if listens, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || listens == 0 {
			continue
		}
		if at, err := unix.Getsockname(fd); err != nil {
			t.Fatal(err)
		} else if at, ok := at.(*unix.SockaddrInet4); !ok || at.Port != port {
			continue
		}
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			t.Fatal(err)
		}
		return int(info.Sacked) // of a listening socket: its backlog
	}
	t.Fatalf("no socket listens at port %d", port)
	return 0
}
