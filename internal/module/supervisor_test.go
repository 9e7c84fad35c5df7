//go:build linux || darwin

package module

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley"
)

// stage plays host and programs, so that time can be played too.
type stage struct {
	t    *testing.T
	dir  string
	log  syncBuffer
	s    *Supervisor
	opts Options

	mu      sync.Mutex
	acts    []*act
	refuse  error    // of Enter
	fail    error    // of starting a program
	obey    string   // what ends a program: "input", "term" or "kill"
	provide []string // by a program, at once
}

// act is one run of a program, and its seat.
type act struct {
	module string
	words  []string
	began  time.Time
	stage  *stage

	mu       sync.Mutex
	seen     []string // what was done to it
	provides []string
	calls    int
	state    string
	over     chan struct{} // the program
	hung     chan struct{}
	ended    chan struct{} // the connection
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// play runs a test with a list of modules.
func play(t *testing.T, list string, test func(t *testing.T, st *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		st := &stage{t: t, dir: t.TempDir(), obey: "input", provide: []string{"roll"}}
		st.write(list)
		limits := DefaultLimits()
		st.opts = Options{
			Dir: st.dir, Host: st, Log: slog.New(slog.NewTextHandler(&st.log, nil)), Limits: limits,
			start: st.start, jitter: func(d time.Duration) time.Duration { return d },
		}
		st.s = Start(st.opts)
		synctest.Wait()
		test(t, st)
		st.s.Close(t.Context())
		if t.Failed() {
			t.Log(st.log.String())
		}
	})
}

func (st *stage) write(list string) {
	st.t.Helper()
	if err := os.WriteFile(filepath.Join(st.dir, listName), []byte(list), 0o600); err != nil {
		st.t.Fatal(err)
	}
}

func (st *stage) reload(list string) {
	st.t.Helper()
	st.write(list)
	if err := st.s.Reload(st.t.Context()); err != nil {
		st.t.Fatal(err)
	}
	synctest.Wait()
}

// after lets time pass.
func (st *stage) after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// Enter is the host's.
func (st *stage) Enter(_ context.Context, name string, socket *os.File) (Seat, error) {
	socket.Close()
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.refuse != nil {
		return nil, st.refuse
	}
	a := &act{module: name, stage: st, began: time.Now(), over: make(chan struct{}), hung: make(chan struct{}), ended: make(chan struct{})}
	st.acts = append(st.acts, a)
	return a, nil
}

func (st *stage) start(m *module, _ *os.File) (process, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	a := st.acts[len(st.acts)-1] // each test starts one at a time
	if st.fail != nil {
		a.note("failed")
		close(a.over)
		return nil, st.fail
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.words, a.provides = m.words, st.provide
	return a, nil
}

// latest gives the latest run.
func (st *stage) latest() *act {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.acts[len(st.acts)-1]
}

func (st *stage) runs() int {
	st.mu.Lock()
	defer st.mu.Unlock()
	return len(st.acts)
}

// wantStates compares with "name state name state".
func (st *stage) wantStates(want string) {
	st.t.Helper()
	var got []string
	for _, s := range st.s.States() {
		got = append(got, s.Name, s.State)
	}
	if strings.Join(got, " ") != want {
		st.t.Errorf("the modules are %q, want %q", got, want)
	}
}

func (a *act) note(what string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen = append(a.seen, what)
}

// end ends the program, and with it the connection.
func (a *act) end(state string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	select {
	case <-a.over:
		return
	default:
	}
	a.state = state
	close(a.over)
	a.hangUp()
}

// hangUp ends the connection. The caller holds mu.
func (a *act) hangUp() {
	select {
	case <-a.ended:
	default:
		close(a.ended)
	}
}

func (a *act) meet(what string) {
	a.note(what)
	if a.stage.obey == what {
		a.end("exit status 0")
	}
}

func (a *act) Drain() { a.note("drain") }
func (a *act) Close() {
	select {
	case <-a.over:
		a.mu.Lock()
		defer a.mu.Unlock()
		a.hangUp()
	default:
		a.meet("input")
	}
}
func (a *act) terminate()              { a.meet("term") }
func (a *act) kill()                   { a.note("kill"); a.end("signal: killed") }
func (a *act) gone() <-chan struct{}   { return a.over }
func (a *act) how() string             { return a.state }
func (a *act) Hung() <-chan struct{}   { return a.hung }
func (a *act) Ended() <-chan struct{}  { return a.ended }
func (a *act) Calls() int              { a.mu.Lock(); defer a.mu.Unlock(); return a.calls }
func (a *act) Commands() []string      { a.mu.Lock(); defer a.mu.Unlock(); return a.provides }
func (a *act) setCalls(n int)          { a.mu.Lock(); defer a.mu.Unlock(); a.calls = n }
func (a *act) setCommands(c ...string) { a.mu.Lock(); defer a.mu.Unlock(); a.provides = c }

func (a *act) wantSeen(want ...string) {
	a.stage.t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if !slices.Equal(a.seen, want) {
		a.stage.t.Errorf("%s %q saw %q, want %q", a.module, a.words, a.seen, want)
	}
}

func TestRestartsWithPauses(t *testing.T) {
	play(t, "dice x", func(t *testing.T, st *stage) {
		st.s.opts.Limits.Crashes = 100 // never off
		st.wantStates("dice running")
		var got []time.Duration
		for range 11 {
			st.latest().end("exit status 1")
			synctest.Wait()
			st.wantStates("dice waiting")
			crashed, runs := time.Now(), st.runs()
			for st.runs() == runs {
				st.after(50 * time.Millisecond)
			}
			got = append(got, time.Since(crashed))
			st.wantStates("dice running")
		}
		want := []time.Duration{100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000}
		for i := range want {
			if want[i] *= time.Millisecond; got[i] != want[i] {
				t.Fatalf("the pauses were %v, want %v", got, want)
			}
		}
		st.after(time.Minute) // it ran well for long
		st.latest().end("exit status 1")
		runs := st.runs()
		if st.after(100 * time.Millisecond); st.runs() != runs+1 {
			t.Error("after a minute without a crash the pause is still long")
		}
	})
}

func TestJitter(t *testing.T) {
	s := Start(Options{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler), Limits: DefaultLimits(), start: (&stage{}).start})
	defer s.Close(t.Context())
	seen := map[time.Duration]bool{}
	for range 100 {
		d := s.opts.jitter(time.Second)
		if d < 750*time.Millisecond || d > time.Second {
			t.Fatalf("a pause of a second became %v", d)
		}
		seen[d] = true
	}
	if len(seen) < 10 {
		t.Errorf("a hundred pauses had only %d lengths", len(seen))
	}
}

func TestOffAfterThreeCrashes(t *testing.T) {
	play(t, "dice x", func(t *testing.T, st *stage) {
		for range 3 {
			st.latest().end("exit status 3")
			st.after(time.Second)
		}
		st.wantStates("dice off")
		if log := st.log.String(); !strings.Contains(log, "level=ERROR") || !strings.Contains(log, "modules,reload") || !strings.Contains(log, "exit status 3") {
			t.Errorf("the log does not say what to do: %s", log)
		}
		st.after(time.Hour)
		if got := st.runs(); got != 3 {
			t.Errorf("it was started %d times, want 3", got)
		}
		st.reload("dice x")
		st.wantStates("dice running")
		for range 2 { // as if it were new
			st.latest().end("exit status 3")
			st.after(time.Second)
			st.wantStates("dice running")
		}
	})
}

func TestSeldomCrashesAreForgiven(t *testing.T) {
	play(t, "dice x", func(t *testing.T, st *stage) {
		for range 10 {
			st.after(31 * time.Second)
			st.latest().end("exit status 0") // an end that nobody asked for is a crash, whatever it says
			st.after(31 * time.Second)
			st.wantStates("dice running")
		}
	})
}

func TestReloadStartsWhatWaits(t *testing.T) {
	play(t, "dice x", func(t *testing.T, st *stage) {
		st.s.opts.Limits.Pause = time.Hour
		st.s.opts.Limits.LongPause = time.Hour
		st.latest().end("exit status 1")
		synctest.Wait()
		st.wantStates("dice waiting")
		st.reload("dice x")
		st.wantStates("dice running")
	})
}

func TestStartingUntilItProvides(t *testing.T) {
	play(t, "", func(t *testing.T, st *stage) {
		st.provide = nil
		st.reload("dice x")
		st.wantStates("dice starting")
		st.latest().setCommands("roll")
		st.wantStates("dice running")
	})
}

func TestNotStarted(t *testing.T) {
	for _, tt := range []struct {
		name         string
		refuse, fail error
		want         string
	}{
		{name: "not let in", refuse: errors.New("the name is taken"), want: "dice off"},
		{name: "no such program", fail: errors.New("no such program"), want: "dice off"},
		{name: "no descriptors", fail: fmt.Errorf("pipe: %w", syscall.EMFILE), want: "dice running"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play(t, "", func(t *testing.T, st *stage) {
				st.refuse, st.fail = tt.refuse, tt.fail
				st.reload("dice x")
				st.after(10 * time.Second)
				st.mu.Lock()
				st.refuse, st.fail = nil, nil
				st.mu.Unlock()
				st.after(time.Minute)
				st.wantStates(tt.want)
			})
		})
	}
}

func TestStopLadder(t *testing.T) {
	for _, tt := range []struct {
		obey string
		took time.Duration
		saw  []string
	}{
		{"input", 0, []string{"drain", "input"}},
		{"term", 2 * time.Second, []string{"drain", "input", "term"}},
		{"kill", 4 * time.Second, []string{"drain", "input", "term", "kill"}},
	} {
		t.Run(tt.obey, func(t *testing.T) {
			play(t, "dice x", func(t *testing.T, st *stage) {
				st.obey = tt.obey
				began := time.Now()
				st.reload("")
				<-st.latest().over
				if took := time.Since(began); took != tt.took {
					t.Errorf("it took %v, want %v", took, tt.took)
				}
				synctest.Wait()
				st.latest().wantSeen(tt.saw...)
				st.wantStates("")
			})
		})
	}
}

func TestRemovedDrains(t *testing.T) {
	play(t, "dice x", func(t *testing.T, st *stage) {
		a := st.latest()
		a.setCalls(2)
		st.reload("")
		st.after(time.Second)
		st.wantStates("dice draining")
		a.wantSeen("drain")
		a.setCalls(0)
		st.after(time.Second)
		a.wantSeen("drain", "input")
		st.wantStates("")
	})
}

func TestDrainHasAnEnd(t *testing.T) {
	play(t, "dice x", func(t *testing.T, st *stage) {
		a := st.latest()
		a.setCalls(1)
		began := time.Now()
		st.reload("")
		<-a.over
		if took := time.Since(began); took != st.opts.Limits.Drain {
			t.Errorf("it was ended after %v, want %v", took, st.opts.Limits.Drain)
		}
	})
}

func TestReplaced(t *testing.T) {
	play(t, "dice x", func(t *testing.T, st *stage) {
		old := st.latest()
		old.setCommands("roll", "toss")
		old.setCalls(1)
		st.provide = nil
		st.reload("dice y")
		next := st.latest()
		if next == old || !slices.Equal(next.words, []string{"y"}) {
			t.Fatal("the new program was not started beside the old one")
		}
		next.setCommands("roll")
		st.after(time.Second)
		old.wantSeen() // it alone provides toss
		next.setCommands("toss", "roll", "more")
		st.after(time.Second)
		old.wantSeen("drain") // it has a call in hand
		st.wantStates("dice running")
		old.setCalls(0)
		st.after(time.Second)
		old.wantSeen("drain", "input")
		next.wantSeen()
		st.wantStates("dice running")
	})
}

// TestReplacedByOneThatDoesNotProvide keeps what works: the old program goes on until
// the new one provides anything at all.
func TestReplacedByOneThatDoesNotProvide(t *testing.T) {
	play(t, "dice x", func(t *testing.T, st *stage) {
		old := st.latest()
		old.setCommands("roll", "toss")
		st.provide = nil
		st.reload("dice y")
		next := st.latest()
		st.after(time.Hour)
		old.wantSeen()
		next.setCommands("toss")
		st.after(time.Minute)
		old.wantSeen("drain", "input")
		next.wantSeen()
	})
}

// TestReplacedByAnother replaces a program by one that provides other commands.
func TestReplacedByAnother(t *testing.T) {
	play(t, "dice x", func(t *testing.T, st *stage) {
		old, began := st.latest(), time.Now()
		old.setCommands("roll")
		st.provide = []string{"toss"}
		st.reload("dice y")
		<-old.over
		if took := time.Since(began); took != st.opts.Limits.Handover {
			t.Errorf("the old program went after %v, want %v", took, st.opts.Limits.Handover)
		}
	})
}

// TestReplacedTwice replaces a module before its first replacement provides
// anything: the one that does provide stays until the last one does.
func TestReplacedTwice(t *testing.T) {
	play(t, "dice x", func(t *testing.T, st *stage) {
		first := st.latest()
		st.provide = nil
		st.reload("dice y")
		second := st.latest()
		st.reload("dice z")
		third := st.latest()
		st.after(time.Second)
		first.wantSeen()
		third.setCommands("roll")
		st.after(time.Second)
		first.wantSeen("drain", "input")
		second.wantSeen("drain", "input")
		third.wantSeen()
		st.wantStates("dice running")
	})
}

func TestReloadChangesOnlyWhatChanged(t *testing.T) {
	play(t, "dice x", func(t *testing.T, st *stage) {
		network := false
		st.s.opts.Grants = func(string) Grant { return Grant{Network: network} }
		dice := st.latest()
		st.reload("# more\npoll y\ndice   'x'")
		if st.runs() != 2 || st.latest().module != "poll" {
			t.Fatalf("%d programs were started, the last of %s; want poll's besides dice's", st.runs(), st.latest().module)
		}
		st.wantStates("dice running poll running")
		st.reload("dice x")
		st.wantStates("dice running")
		dice.wantSeen()
		network = true
		st.reload("dice x")
		st.after(time.Second)
		dice.wantSeen("drain", "input")
		if st.runs() != 3 {
			t.Error("a module whose grant changed was not replaced")
		}
		if err := os.Remove(filepath.Join(st.dir, listName)); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(filepath.Join(st.dir, listName), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := st.s.Reload(t.Context()); err == nil {
			t.Error("a list that cannot be read is no error")
		}
		st.wantStates("dice running")
	})
}

func TestHungIsKilled(t *testing.T) {
	play(t, "dice x", func(t *testing.T, st *stage) {
		a := st.latest()
		close(a.hung)
		synctest.Wait()
		a.wantSeen("kill")
		st.wantStates("dice waiting")
		if !strings.Contains(st.log.String(), "it hung") {
			t.Errorf("the log does not say that it hung: %s", st.log.String())
		}
		st.after(time.Second)
		st.wantStates("dice running")
	})
}

// TestHangingNeverSwitchesOff holds that callers cannot end a module for good with
// what takes it long.
func TestHangingNeverSwitchesOff(t *testing.T) {
	play(t, "dice x", func(t *testing.T, st *stage) {
		for range 2 * st.opts.Limits.Crashes {
			close(st.latest().hung)
			st.after(st.opts.Limits.LongPause)
			st.wantStates("dice running")
		}
	})
}

// TestChangedFileIsReplaced reloads an unchanged list after a program or a script of
// it was written anew.
func TestChangedFileIsReplaced(t *testing.T) {
	play(t, "dice x.py\nroll python y.py", func(t *testing.T, st *stage) {
		if err := os.MkdirAll(homeOf(st.dir, parley.StoredName("roll", "roll")), 0o700); err != nil {
			t.Fatal(err)
		}
		reload := func(want int) {
			t.Helper()
			st.reload("dice x.py\nroll python y.py")
			if st.runs() != want {
				t.Errorf("%d programs were started, want %d", st.runs(), want)
			}
			st.after(time.Minute)
		}
		reload(2)
		for _, file := range []string{"x.py", filepath.Join("modules", "roll", "y.py")} {
			if err := os.WriteFile(filepath.Join(st.dir, file), []byte(file), 0o700); err != nil {
				t.Fatal(err)
			}
			reload(st.runs() + 1)
		}
		reload(4)
	})
}

func TestConnectionEndsBeforeTheProgram(t *testing.T) {
	play(t, "dice x", func(t *testing.T, st *stage) {
		st.obey = "term"
		a := st.latest()
		a.mu.Lock()
		a.hangUp()
		a.mu.Unlock()
		st.after(3 * time.Second)
		a.wantSeen("term")
		st.wantStates("dice running")
		if st.runs() != 2 {
			t.Errorf("it was started %d times, want 2", st.runs())
		}
	})
}

func TestCloseHasAnEnd(t *testing.T) {
	play(t, "dice x\npoll y", func(t *testing.T, st *stage) {
		st.obey = "kill"
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		st.s.Close(ctx)
		if took := time.Since(began); took != time.Second {
			t.Errorf("it took %v, want 1s", took)
		}
		for _, a := range st.acts {
			a.wantSeen("input", "kill")
		}
		if err := st.s.Reload(t.Context()); err != nil || st.runs() != 2 {
			t.Errorf("a reload after the end: %v, %d runs", err, st.runs())
		}
	})
}
