package door_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/door"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo is a protocol of lines: it answers each, after what the line asks for.
type echo struct {
	mu       *sync.Mutex
	ended    *int
	panicsIn string
}

func (e *echo) Feed(c *door.Conn, in []byte, _ int) (used int) {
	for !c.Waiting() {
		line, _, ok := strings.Cut(string(in[used:]), "\n")
		if !ok {
			return used
		}
		used += len(line) + 1
		e.serve(c, line)
	}
	return used
}

func (e *echo) ReadsAhead(*door.Conn) bool { return false }

func (e *echo) InputOver(*door.Conn) {}

func (e *echo) serve(c *door.Conn, line string) {
	switch line {
	case "panic":
		panic("in Feed")
	case "panic later":
		c.Park(func(context.Context) func() { panic("in parked work") })
	case "panic after":
		c.Park(func(context.Context) func() { return func() { panic("in the result of parked work") } })
	case "panic soon":
		c.SetDeadline(time.Now())
	case "work":
		c.Park(func(context.Context) func() { return func() { c.Answer([]byte("worked\n")) } })
	case "panic at the end":
		e.panicsIn = "End"
	case "panic in farewell":
		e.panicsIn = "Farewell"
		c.Cut(parley.Errorf(parley.CodeForbidden, "cut"))
	case "cut":
		c.Cut(parley.Errorf(parley.CodeForbidden, "cut"))
	case "close":
		c.Answer([]byte("closing\n"))
		c.Close()
	case "flood":
		for range 100 {
			c.Put([]byte(strings.Repeat("x", 4096)))
		}
	default:
		c.Answer([]byte(line + "\n"))
	}
}

func (e *echo) Deadline(*door.Conn) { panic("in Deadline") }

func (e *echo) Farewell(c *door.Conn, why *parley.Error) {
	c.Answer([]byte("bye " + string(why.Code) + "\n"))
	if e.panicsIn == "Farewell" {
		panic("in Farewell")
	}
}

func (e *echo) End(*door.Conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	*e.ended++
	if e.panicsIn == "End" {
		panic("in End")
	}
}

// onBoth runs a test on each driver: with a goroutine for each connection, and
// on loops where there are any.
func onBoth(t *testing.T, test func(t *testing.T, loops *door.Loops)) {
	t.Run("pump", func(t *testing.T) { test(t, nil) })
	t.Run("loop", func(t *testing.T) { test(t, startLoops(t)) })
}

func startLoops(t *testing.T) *door.Loops {
	t.Helper()
	loops, err := door.NewLoops()
	if err != nil {
		t.Fatal(err)
	}
	if loops == nil {
		t.Skip("there are no loops on this system")
	}
	t.Cleanup(loops.Close)
	return loops
}

// listen starts a listener of echoes on loopback; it counts their ends.
func listen(t *testing.T, loops *door.Loops, change ...func(*parley.Limits)) (address string, ended func() int) {
	t.Helper()
	limits := parley.DefaultLimits()
	for _, f := range change {
		f(&limits)
	}
	pool := door.NewPool(2)
	var mu sync.Mutex
	count := 0
	l := &door.Listener{
		Name: "echo", Limits: &limits, Pool: pool, Loops: loops, Log: slog.New(slog.DiscardHandler),
		Open: func(*door.Conn) door.Protocol { return &echo{mu: &mu, ended: &count} },
	}
	from, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { l.Serve(from) })
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		l.Shutdown(ctx, parley.ErrShuttingDown)
		serving.Wait()
		pool.Close()
	})
	return from.Addr().String(), func() int {
		mu.Lock()
		defer mu.Unlock()
		return count
	}
}

// talk sends lines, ends its direction, and gives all that comes back.
func talk(t *testing.T, address string, lines ...string) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(conn, strings.Join(lines, "\n")+"\n"); err != nil {
		t.Fatal(err)
	}
	conn.(*net.TCPConn).CloseWrite()
	all, err := io.ReadAll(conn)
	if err != nil {
		t.Fatalf("after %q: %v", all, err)
	}
	return string(all)
}

func TestWhatAConnectionIsTold(t *testing.T) { onBoth(t, testWhatAConnectionIsTold) }

func testWhatAConnectionIsTold(t *testing.T, loops *door.Loops) {
	address, ended := listen(t, loops)
	for i, tt := range []struct {
		name  string
		lines []string
		want  string
	}{
		{"answers in order", []string{"a", "work", "b", "work", "c"}, "a\nworked\nb\nworked\nc\n"},
		{"closed by its protocol", []string{"a", "close", "b"}, "a\nclosing\n"},
		{"cut", []string{"a", "cut"}, "a\nbye forbidden\n"},
		{"panic in Feed", []string{"a", "panic", "b"}, "a\nbye unhandled\n"},
		{"panic in parked work", []string{"a", "panic later", "b"}, "a\nbye unhandled\n"},
		{"panic in a result", []string{"a", "panic after", "b"}, "a\nbye unhandled\n"},
		{"panic in Farewell", []string{"a", "panic in farewell"}, "a\nbye forbidden\n"},
		{"panic in End", []string{"a", "panic at the end", "b"}, "a\nb\n"},
	} {
		if got := talk(t, address, tt.lines...); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
		if got := talk(t, address, "well"); got != "well\n" {
			t.Errorf("after %s another is told %q", tt.name, got)
		}
		if got := ended(); got > 2*(i+1) {
			t.Errorf("after %s: %d ends of %d connections", tt.name, got, 2*(i+1))
		}
	}
}

// TestPanicInDeadline needs a connection whose input goes on.
func TestPanicInDeadline(t *testing.T) { onBoth(t, testPanicInDeadline) }

func testPanicInDeadline(t *testing.T, loops *door.Loops) {
	address, _ := listen(t, loops)
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "panic soon\n")
	if all, err := io.ReadAll(conn); err != nil || string(all) != "bye unhandled\n" {
		t.Errorf("told %q, %v", all, err)
	}
}

// TestPushesAreBounded holds that a peer for which too much waits is cut, and
// told why if it reads after all.
func TestPushesAreBounded(t *testing.T) { onBoth(t, testPushesAreBounded) }

func testPushesAreBounded(t *testing.T, loops *door.Loops) {
	address, _ := listen(t, loops, func(l *parley.Limits) { l.Outbox = 64 << 10 })
	got := talk(t, address, "flood", "flood")
	if last := got[max(0, len(got)-18):]; last != "bye slow_consumer\n" {
		t.Errorf("the end of %d bytes is %q, want the reason", len(got), last)
	}
	if most := 128 << 10; len(got) > most {
		t.Errorf("%d bytes were kept for the peer, want at most %d", len(got), most)
	}
}

func TestTooManyConnections(t *testing.T) { onBoth(t, testTooManyConnections) }

func testTooManyConnections(t *testing.T, loops *door.Loops) {
	address, _ := listen(t, loops, func(l *parley.Limits) { l.Connections = 1 })
	first, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	io.WriteString(first, "a\n")
	answer := make([]byte, 2)
	if _, err := io.ReadFull(first, answer); err != nil {
		t.Fatal(err)
	}
	second, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if n, err := second.Read(answer); err == nil {
		t.Errorf("one connection too many was told %d bytes", n)
	}
}

// reach connects to a listener: in memory, or by a socket for its loops.
func reach(t *testing.T, l *door.Listener) net.Conn {
	t.Helper()
	if l.Loops == nil {
		ours, theirs := net.Pipe()
		t.Cleanup(func() { ours.Close() })
		l.Drive(theirs)
		return ours
	}
	from, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { l.Serve(from) }) // ends with the listener
	t.Cleanup(serving.Wait)
	conn, err := net.Dial("tcp", from.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestShutdownByForce(t *testing.T) { onBoth(t, testShutdownByForce) }

func testShutdownByForce(t *testing.T, loops *door.Loops) {
	limits := parley.DefaultLimits()
	release := make(chan struct{})
	pool := door.NewPool(1)
	l := &door.Listener{
		Name: "stuck", Limits: &limits, Pool: pool, Loops: loops, Log: slog.New(slog.DiscardHandler),
		Open: func(c *door.Conn) door.Protocol {
			c.Park(func(ctx context.Context) func() {
				close(release)
				<-ctx.Done()
				return func() {}
			})
			return &echo{mu: &sync.Mutex{}, ended: new(int)}
		},
	}
	reach(t, l)
	<-release
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	pool.Cancel()
	l.Shutdown(ctx, parley.ErrShuttingDown)
	pool.Close()
}

// TestPanicInOpen holds that a protocol that cannot even begin costs its
// connection alone.
func TestPanicInOpen(t *testing.T) { onBoth(t, testPanicInOpen) }

func testPanicInOpen(t *testing.T, loops *door.Loops) {
	limits := parley.DefaultLimits()
	l := &door.Listener{
		Name: "mined", Limits: &limits, Loops: loops, Log: slog.New(slog.DiscardHandler),
		Open: func(*door.Conn) door.Protocol { panic("in Open") },
	}
	if all, err := io.ReadAll(reach(t, l)); len(all) > 0 || err != nil {
		t.Errorf("told %q, %v; want the end of the connection", all, err)
	}
	l.Shutdown(t.Context(), parley.ErrShuttingDown)
}

// scarce is a net.Listener that has no descriptor for a connection so many
// times; it notes when it was asked.
type scarce struct {
	refuses int
	asked   []time.Time
	conns   chan net.Conn
}

func (s *scarce) Accept() (net.Conn, error) {
	s.asked = append(s.asked, time.Now())
	if s.refuses--; s.refuses >= 0 {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: syscall.EMFILE}
	}
	if conn, ok := <-s.conns; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (s *scarce) Close() error   { close(s.conns); return nil }
func (s *scarce) Addr() net.Addr { return &net.TCPAddr{} }

// TestOutOfDescriptors holds that accepting neither ends nor spins when there
// are no descriptors left, and goes on when there are (T08).
func TestOutOfDescriptors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := parley.DefaultLimits()
		l := &door.Listener{
			Name: "echo", Limits: &limits, Log: slog.New(slog.DiscardHandler),
			Open: func(*door.Conn) door.Protocol { return &echo{mu: &sync.Mutex{}, ended: new(int)} },
		}
		from := &scarce{refuses: 10, conns: make(chan net.Conn, 1)}
		ours, theirs := net.Pipe()
		from.conns <- theirs
		var serving sync.WaitGroup
		serving.Go(func() { l.Serve(from) })
		io.WriteString(ours, "well\n")
		answer := make([]byte, 5)
		if _, err := io.ReadFull(ours, answer); err != nil || string(answer) != "well\n" {
			t.Errorf("told %q, %v", answer, err)
		}
		ours.Close()
		l.Shutdown(t.Context(), parley.ErrShuttingDown)
		serving.Wait()
		want := 10 * time.Millisecond
		for i := range 10 {
			if got := from.asked[i+1].Sub(from.asked[i]); got != want {
				t.Errorf("pause %d was %v, want %v", i, got, want)
			}
			want = min(2*want, time.Second)
		}
	})
}
