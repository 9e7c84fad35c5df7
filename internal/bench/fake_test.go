package bench

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a small server of IRC that can be made to misbehave. Its lock makes it
// one server: what it relays, it relays to each in the same order.
type fake struct {
	t *testing.T
	// relay gives the lines that a receiver gets instead of the nth delivery.
	relay func(f *fake, to *peer, n int, line string) []string
	twice bool // tells of each join twice

	mu      sync.Mutex
	peers   map[string]*peer
	rooms   map[string][]*peer
	n       int      // deliveries
	held    []func() // what a stall keeps back
	both    sync.WaitGroup
	address string
}

type peer struct {
	nick string
	conn net.Conn
}

func startFake(t *testing.T, relay func(f *fake, to *peer, n int, line string) []string) *fake {
	t.Helper()
	needLinux(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{t: t, relay: relay, peers: map[string]*peer{}, rooms: map[string][]*peer{}, address: l.Addr().String()}
	f.both.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			f.both.Go(func() { f.serve(&peer{conn: conn}) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		f.both.Wait() // clients are gone when a run has ended
	})
	return f
}

func (f *fake) serve(p *peer) {
	defer p.conn.Close()
	for lines := bufio.NewScanner(p.conn); lines.Scan(); {
		f.mu.Lock()
		f.take(p, strings.Fields(lines.Text()), lines.Text())
		f.mu.Unlock()
	}
}

func (f *fake) take(p *peer, words []string, line string) {
	switch words[0] {
	case "NICK":
		p.nick = words[1]
		f.peers[p.nick] = p
		f.send(p, "PING :x", ":srv 001 "+p.nick+" :hello", ":srv 376 "+p.nick+" :end")
	case "JOIN":
		f.rooms[words[1]] = append(f.rooms[words[1]], p)
		for _, to := range f.rooms[words[1]] {
			f.send(to, ":"+p.nick+"!u@h JOIN :"+words[1])
			if f.twice {
				f.send(to, ":"+p.nick+"!u@h JOIN :"+words[1])
			}
		}
		f.send(p, ":srv 366 "+p.nick+" "+words[1]+" :end")
	case "PRIVMSG":
		to := f.rooms[words[1]]
		if other := f.peers[words[1]]; other != nil {
			to = []*peer{other}
		}
		for _, other := range to {
			if other != p {
				f.n++
				f.send(other, f.relay(f, other, f.n, ":"+p.nick+"!u@h "+line)...)
			}
		}
	case "QUIT":
		p.conn.Close()
	}
}

func (f *fake) send(p *peer, lines ...string) {
	if len(lines) > 0 {
		p.conn.Write([]byte(strings.Join(lines, "\r\n") + "\r\n")) // whoever has gone needs nothing
	}
}

// honest relays everything as it should.
func honest(_ *fake, _ *peer, _ int, line string) []string { return []string{line} }

// nth misbehaves once, with the fifth delivery.
func nth(fault func(f *fake, to *peer, line string) []string) func(*fake, *peer, int, string) []string {
	return func(f *fake, to *peer, n int, line string) []string {
		if n == 5 {
			return fault(f, to, line)
		}
		return []string{line}
	}
}

// options are those of a small run against the fake.
func (f *fake) options(scenario string) Options {
	return Options{
		Targets: []Target{{URL: "irc://" + f.address}}, Scenario: scenario,
		Clients: 6, Windows: []int{4}, Deliveries: 300, Stall: 300 * time.Millisecond, calm: calm, brief: brief,
	}
}

// calm is what tests take for quiet: what is wrong comes with what is right.
const calm = 20 * time.Millisecond

// brief lets the server run, which is in the same process.
const brief = 50 * time.Microsecond

func TestFaultsAreFound(t *testing.T) {
	t.Parallel()
	kept := ""
	for _, tt := range []struct {
		name     string
		scenario string
		relay    func(f *fake, to *peer, n int, line string) []string
		want     []string // parts of the error
		calm     time.Duration
	}{
		{name: "lost", relay: nth(func(*fake, *peer, string) []string { return nil }), want: []string{"lost 1,"}},
		{name: "the last is lost", relay: func(_ *fake, _ *peer, n int, line string) []string {
			if n == 300 {
				return nil
			}
			return []string{line}
		}, want: []string{"nothing has come for", "299 of 300", "lost 1,"}},
		{name: "repeated", relay: nth(func(_ *fake, _ *peer, line string) []string { return []string{line, line} }), want: []string{"repeated 1,"}},
		{name: "the last is repeated", relay: func(_ *fake, _ *peer, n int, line string) []string {
			if n == 300 {
				return []string{line, line}
			}
			return []string{line}
		}, want: []string{"repeated 1,"}},
		{name: "the last is repeated after a while", relay: func(f *fake, to *peer, n int, line string) []string {
			if n == 300 {
				time.AfterFunc(time.Millisecond, func() { f.send(to, line) })
			}
			return []string{line}
		}, want: []string{"repeated 1,"}, calm: 500 * time.Millisecond},
		{name: "out of order", relay: func(f *fake, to *peer, n int, line string) []string {
			switch {
			case n == 1:
				kept = to.nick + " " + line
				return nil
			case strings.HasPrefix(kept, to.nick):
				late := strings.TrimPrefix(kept, to.nick+" ")
				kept = ""
				return []string{line, late}
			}
			return []string{line}
		}, want: []string{"lost 0,", "out of order 1,"}},
		{name: "damaged", relay: nth(func(_ *fake, _ *peer, line string) []string { return []string{line[:len(line)-1] + "#"} }), want: []string{"damaged 1"}},
		{name: "under another name", relay: nth(func(_ *fake, _ *peer, line string) []string { return []string{":eve" + line[1:]} }), want: []string{"stray 1,"}},
		{name: "to somebody else", scenario: "pairs", relay: nth(func(f *fake, to *peer, line string) []string {
			for _, other := range f.peers {
				if other != to && !strings.HasPrefix(line, ":"+other.nick) {
					f.send(other, line)
					break
				}
			}
			return []string{line}
		}), want: []string{"stray 1,"}},
		{name: "refused", relay: nth(func(*fake, *peer, string) []string { return []string{":srv 404 x #y :Cannot send to channel"} }), want: []string{"Cannot send"}},
		{name: "closed", relay: nth(func(_ *fake, to *peer, line string) []string { to.conn.Close(); return nil }), want: []string{"client b"}},
		{name: "a line without end", relay: nth(func(*fake, *peer, string) []string { return []string{strings.Repeat("x", 2*readSize)} }), want: []string{"never ends"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := startFake(t, tt.relay)
			o := f.options("fan-out")
			o.calm = cmp.Or(tt.calm, calm)
			if tt.scenario != "" {
				o.Scenario = tt.scenario
			}
			report, err := Run(t.Context(), o)
			if err == nil {
				t.Fatalf("the run found nothing: %+v", report.Results)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error is %q, want %q in it", err, want)
				}
			}
			if len(report.Results) > 0 || report.Error == "" {
				t.Errorf("a faulty run left a result: %+v", report)
			}
		})
	}
}

func TestAnHonestServerPasses(t *testing.T) {
	t.Parallel()
	for _, scenario := range []string{"fan-out", "rooms", "pairs", "join", "connect"} {
		t.Run(scenario, func(t *testing.T) {
			f := startFake(t, honest)
			o := f.options(scenario)
			count := int64(300)
			switch scenario {
			case "rooms":
				o.Members = 3
			case "connect", "join":
				o.Windows, count = nil, int64(o.Clients)
				o.Goodbye = scenario == "connect"
			}
			report, err := Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if len(report.Results) != 1 || report.Results[0].Count != count || len(report.Medians) != 1 {
				t.Errorf("got %+v, want one result of %d", report, count)
			}
		})
	}
}

// TestJoinsAreCounted sees that somebody is told of somebody twice.
func TestJoinsAreCounted(t *testing.T) {
	t.Parallel()
	f := startFake(t, honest)
	f.mu.Lock()
	f.twice = true
	f.mu.Unlock()
	o := f.options("join")
	o.Windows = nil
	if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "instead of 21") {
		t.Errorf("Run: %v, want that 21 notices were due", err)
	}
}

// TestOpenLoopChargesAStall has a server keep everything back until it has seen
// message 170 of 200, a message each millisecond. So the first was late by 170 ms
// at least, the next by 169, and more than half by 60 or more. A tool that counts
// from the moment of sending, or waits for answers, would see one slow message.
func TestOpenLoopChargesAStall(t *testing.T) {
	t.Parallel()
	f := startFake(t, func(f *fake, to *peer, n int, line string) []string {
		f.held = append(f.held, func() { f.send(to, line) })
		if n < 170 {
			return nil
		}
		for _, release := range f.held {
			release()
		}
		f.held = nil
		return nil
	})
	o := f.options("fan-out")
	o.Clients, o.Windows, o.Rates, o.Deliveries, o.Stall = 2, nil, []float64{1000}, 200, time.Minute
	report, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	r := report.Results[0]
	if r.Load != "r1000" || r.Count != 200 {
		t.Errorf("measured %s, %d deliveries; want r1000, 200", r.Load, r.Count)
	}
	const ms = 1e3 // microseconds
	if l := r.Latency; l.P50 < 59*ms || l.Max < 168*ms || l.Mean < 70*ms {
		t.Errorf("p50 %.0f µs, max %.0f µs, mean %.0f µs: the stall is not charged to all that it delayed", l.P50, l.Max, l.Mean)
	}
}

// TestNobodyThere tells a server that is not there from one that fails.
func TestNobodyThere(t *testing.T) {
	needLinux(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	_, err = Run(t.Context(), Options{Targets: []Target{{URL: fmt.Sprintf("irc://%s", l.Addr())}}, Scenario: "fan-out", Clients: 2})
	if !errors.Is(err, ErrUnreachable) {
		t.Errorf("Run: %v, want ErrUnreachable", err)
	}
}
