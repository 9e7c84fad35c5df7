package hub_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
)

// callable is a dialect of calls alone: a line for each, with its number and its
// first argument.
var callable = &hub.Dialect{Name: "callable", Calls: true, Append: func(dst []byte, e parley.Event) []byte {
	if e, is := e.(parley.Called); is {
		return fmt.Appendf(dst, "%d %s\n", e.Number, e.Args[0])
	}
	return dst
}}

// desk is a program: what it does with a call is the test's.
type desk struct {
	*hub.Session
	serve func(number uint64, arg string) // nil: nothing
}

func (d *desk) Put(encoded []byte) {
	for line := range splitLines(encoded) {
		var number uint64
		var arg string
		if n, _ := fmt.Sscan(line, &number, &arg); n == 2 && d.serve != nil {
			d.serve(number, arg)
		}
	}
}

// desk makes a program that provides the command dice.
func (w *world) desk() *desk {
	w.t.Helper()
	w.hub.Grant(hub.Grants{Accounts: map[string]hub.Rights{"robot": hub.Provide}})
	d := &desk{}
	d.Session = w.hub.Attach(d, callable)
	if err := d.Register(w.t.Context(), "robot", "secret"); err != nil && !errors.Is(err, parley.Errorf(parley.CodeNameTaken, "")) {
		w.t.Fatal(err)
	}
	w.ok(d.Login(w.t.Context(), "robot", "secret"))
	w.ok(d.Provide(dice))
	return d
}

var dice = hub.Offer{Command: "dice", Most: -1}

// ending is how a call ended.
type ending struct {
	values []string
	err    error
	after  time.Duration
}

// String gives the values, or the code of the refusal.
func (e ending) String() string {
	var refusal *parley.Error
	if errors.As(e.err, &refusal) {
		return string(refusal.Code)
	}
	return fmt.Sprint(e.values, e.err)
}

// call calls dice, of anybody.
func call(s *hub.Session, arg string, size int) <-chan ending {
	return begin(s, hub.Call{Command: "dice", Args: []string{arg}, Size: size})
}

// ask calls dice, of robot.
func ask(s *hub.Session) <-chan ending {
	return begin(s, hub.Call{To: "robot", Command: "dice", Args: []string{"x"}, Size: 1})
}

// begin calls. The channel has room for an end too many.
func begin(s *hub.Session, c hub.Call) <-chan ending {
	ended, began := make(chan ending, 2), time.Now()
	s.Call(c, func(values []string, err error) {
		ended <- ending{values, err, time.Since(began)}
	})
	return ended
}

// end gives how a call has ended by now.
func end(ended <-chan ending) string {
	synctest.Wait()
	select {
	case e := <-ended:
		return e.String()
	default:
		return "not ended"
	}
}

const (
	returned = "[7] <nil>"
	busy     = string(parley.CodeRateLimited)
	gaveUp   = string(parley.CodeTimeout)
	fault    = string(parley.CodeUnhandled)
	gone     = string(parley.CodeCommandNotFound)
	offline  = string(parley.CodeUserOffline)
)

var seven = []string{"7"}

// Of many calls that come and are returned at any time each ends once: when it is
// returned, or five seconds after it was handed over.
func TestCallsEndInTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		robot, alice := w.desk(), w.guest("alice")
		limit := w.hub.Limits().Call
		rng := rand.New(rand.NewPCG(7, 7))
		late, heldUp := 0, map[string]time.Duration{}
		robot.serve = func(number uint64, arg string) {
			time.AfterFunc(heldUp[arg], func() { robot.Return(number, []string{arg}, nil) })
		}
		all := map[string]<-chan ending{}
		for i := range 1000 {
			arg := fmt.Sprint(i)
			heldUp[arg] = time.Duration(rng.Int64N(int64(2*limit)) | 1) // never just when the time is over
			all[arg] = call(alice.Session, arg, 1)
			if i%100 == 0 {
				<-time.After(time.Duration(rng.Int64N(int64(2 * limit)))) // with none in hand, at times
			} else {
				<-time.After(time.Duration(rng.Int64N(int64(limit / 100))))
			}
		}
		<-time.After(2 * limit)
		for arg, ended := range all {
			e := <-ended
			want, after := fmt.Sprint([]string{arg}, nil), heldUp[arg]
			if after > limit {
				want, after = gaveUp, limit
				late++
			}
			if e.String() != want || e.after != after || len(ended) > 0 {
				t.Errorf("call %s ended as %v after %v, want %s after %v, once", arg, e, e.after, want, after)
			}
		}
		if late < 300 || late > 700 || robot.Calls() != 0 {
			t.Errorf("%d of 1000 calls were late, and %d are in hand", late, robot.Calls())
		}
	})
}

// What a program may have in hand, it may again when calls have ended, in
// whatever way; what it was refused is not counted.
func TestRoomOfCallsIsFreed(t *testing.T) {
	limits := func(cfg *hub.Config) { cfg.Limits.Calls, cfg.Limits.CallBytes = 3, 100 }
	for _, tt := range []struct {
		name string
		end  func(robot *desk, number uint64)
		want string
	}{
		{"returned", func(robot *desk, n uint64) { robot.Return(n, seven, nil) }, returned},
		{"refused", func(robot *desk, n uint64) { robot.Return(n, nil, parley.Errorf("odd", "")) }, "odd"},
		{"given up", func(robot *desk, n uint64) { <-time.After(10 * time.Second) }, gaveUp},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, limits)
				robot, alice := w.desk(), w.guest("alice")
				var numbers []uint64
				robot.serve = func(number uint64, _ string) { numbers = append(numbers, number) }
				for _, sizes := range [][]int{{1, 1, 1, 1}, {100, 1}, {50, 50, 1}, {33, 33, 33, 1}, {60, 41}} {
					var all []<-chan ending
					for _, size := range sizes {
						all = append(all, call(alice.Session, "x", size))
					}
					last := len(all) - 1
					if got := end(all[last]); got != busy || robot.Calls() != last {
						t.Errorf("%v: the last ended as %s, and %d are in hand; want %s, and %d", sizes, got, robot.Calls(), busy, last)
					}
					for i, number := range numbers {
						tt.end(robot, number)
						if got := end(all[i]); got != tt.want {
							t.Errorf("%v: call %d ended as %s, want %s", sizes, i, got, tt.want)
						}
					}
					numbers = nil
				}
				if got := end(call(alice.Session, "x", 101)); got != busy {
					t.Errorf("a call of more bytes than a program may have: %s", got)
				}
			})
		})
	}
}

// A session that says nothing more, or has ended, has no calls, and gets none.
func TestCallsEndWithTheSession(t *testing.T) {
	for name, over := range map[string]func(*desk){
		"deaf":      func(d *desk) { d.EndCalls() },
		"ended":     func(d *desk) { d.End("") },
		"both":      func(d *desk) { d.EndCalls(); d.End("") },
		"both late": func(d *desk) { d.Drain(); d.EndCalls(); d.End("") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				robot, alice := w.desk(), w.guest("alice")
				var last uint64
				robot.serve = func(number uint64, _ string) { last = number }
				all := []<-chan ending{call(alice.Session, "x", 1), call(alice.Session, "x", 1), call(alice.Session, "x", 1)}
				robot.Return(last, seven, nil)
				over(robot)
				robot.Return(1, seven, nil)
				for i, want := range []string{fault, fault, returned} {
					if got := end(all[i]); got != want {
						t.Errorf("call %d ended as %s, want %s", i, got, want)
					}
				}
				if got := end(ask(alice.Session)); got != offline {
					t.Errorf("then an ask ends as %s", got)
				}
				if got := end(call(alice.Session, "x", 1)); got != gone || robot.Calls() != 0 || len(robot.Commands()) != 0 {
					t.Errorf("then a call ends as %s, and %d are in hand, of %q", got, robot.Calls(), robot.Commands())
				}
			})
		})
	}
}

// A session that was never called, and says nothing more, cannot be asked.
func TestDeafIsOffline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		robot := w.account("robot")
		robot.SetDialect(callable)
		robot.EndCalls()
		if got := end(ask(w.guest("alice").Session)); got != offline {
			t.Errorf("it was asked, which ended as %s", got)
		}
	})
}

// Drained is a session that gets no more calls, and returns those that it has.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		robot, alice := w.desk(), w.guest("alice")
		under := call(alice.Session, "x", 1)
		robot.Drain()
		w.refused(robot.Provide(dice), parley.CodeForbidden)
		if got := end(call(alice.Session, "x", 1)); got != gone {
			t.Errorf("a call of a drained program ended as %s", got)
		}
		if got := end(ask(alice.Session)); got != offline {
			t.Errorf("a drained program was asked, which ended as %s", got)
		}
		other := w.desk()
		other.serve = func(number uint64, _ string) { other.Return(number, seven, nil) }
		if got := end(call(alice.Session, "x", 1)); got != returned {
			t.Errorf("a call of the one that is there ended as %s", got)
		}
		if robot.Return(1, seven, nil); end(under) != returned {
			t.Error("what a drained program had in hand is not returned")
		}
	})
}

// Hung is a program that let a call pass, and said nothing since it came.
func TestHung(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before bool // it says something before the call comes
		after  bool // and after that
		served bool
		want   bool
	}{
		{name: "silent", want: true},
		{name: "silent since", before: true, want: true},
		{name: "alive", after: true},
		{name: "alive before and after", before: true, after: true},
		{name: "served", served: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				robot, alice := w.desk(), w.guest("alice")
				if tt.before {
					robot.Heard()
				}
				ended := call(alice.Session, "x", 1)
				<-time.After(time.Second)
				if tt.after {
					robot.Heard()
				}
				if tt.served {
					robot.Return(1, seven, nil)
				}
				<-time.After(time.Hour)
				hung := false
				select {
				case <-robot.Hung():
					hung = true
				default:
				}
				if got := end(ended); hung != tt.want || (got == returned) != tt.served {
					t.Errorf("hung is %v, want %v; the call ended as %s", hung, tt.want, got)
				}
				again := call(alice.Session, "x", 1) // for a second time
				<-time.After(time.Hour)
				if got := end(again); got != gaveUp {
					t.Errorf("the next call ended as %s", got)
				}
			})
		})
	}
}

// The median is of the latest calls, whatever became of others.
func TestMedianIsOfTheLatest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		robot, alice := w.desk(), w.guest("alice")
		takes, refuses := time.Second, false
		robot.serve = func(number uint64, _ string) {
			var refusal *parley.Error
			if refuses {
				refusal = parley.ErrUnhandled
			}
			time.AfterFunc(takes, func() { robot.Return(number, nil, refusal) })
		}
		for i := range 1000 {
			if i >= 200 {
				takes, refuses = time.Millisecond, i%2 == 0
			}
			<-call(alice.Session, "x", 1)
		}
		if p := w.hub.Programs()[0]; p.Median != time.Millisecond || p.Calls != 1000 || p.Errors != 400 {
			t.Errorf("the figures are %+v, want a median of 1ms, 1000 calls and 400 errors", p)
		}
	})
}

// Callers, and programs that come, return, withdraw, are drained, and end, all at
// once: each call ends, once, and soon, for none is lost to somebody who has gone.
func TestCallsWhileProgramsGo(t *testing.T) {
	for _, tt := range []struct {
		name     string
		provides bool
		call     func(*hub.Session) <-chan ending
		rounds   int
		nobody   string // how a call ends while no program is there
	}{
		{"provided", true, func(s *hub.Session) <-chan ending { return call(s, "x", 1) }, 200, gone},
		{"asked", false, ask, 50, offline}, // of the store, while nobody is there
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, func(cfg *hub.Config) { cfg.Limits.Call = time.Hour })
			all, total := w.callWhileTheyGo(tt.provides, tt.rounds, tt.call)
			if all[returned] == 0 || all[fault] == 0 || all[returned]+all[fault]+all[tt.nobody] != total {
				t.Errorf("%d calls ended as %v, want some returned, some unhandled, and the others %s", total, all, tt.nobody)
			}
			if !tt.provides {
				return
			}
			if p := w.hub.Programs()[0]; p.Calls != all[returned]+all[fault] || p.Errors != all[fault] || len(p.Commands) > 0 {
				t.Errorf("the figures are %+v, and the calls ended as %v", p, all)
			}
		})
	}
}

// callWhileTheyGo counts how calls end.
func (w *world) callWhileTheyGo(provides bool, rounds int, call func(*hub.Session) <-chan ending) (all map[string]int, total int) {
	w.t.Helper()
	const programs, callers, atOnce = 4, 4, 16
	robot, err := w.hub.Module(w.t.Context(), "robot")
	w.ok(err)
	var going, calling sync.WaitGroup
	var over atomic.Bool
	for i := range programs {
		going.Go(func() { // until over
			for n := i; !over.Load(); n++ {
				w.passing(robot, provides, n)
			}
		})
	}
	var mu sync.Mutex
	all = map[string]int{}
	for i := range callers {
		caller := w.guest(fmt.Sprint("caller", i))
		calling.Go(func() {
			for range rounds {
				ends := w.callAtOnce(atOnce, func() <-chan ending { return call(caller.Session) })
				mu.Lock()
				for _, how := range ends {
					all[how]++
				}
				mu.Unlock()
			}
		})
	}
	calling.Wait()
	over.Store(true)
	going.Wait()
	return all, callers * rounds * atOnce
}

// callAtOnce begins so many calls, and tells how each ended.
func (w *world) callAtOnce(n int, call func() <-chan ending) (ends []string) {
	var all []<-chan ending
	for range n {
		all = append(all, call())
	}
	for _, ended := range all {
		select {
		case e := <-ended:
			ends = append(ends, e.String())
		case <-time.After(time.Minute):
			ends = append(ends, "lost")
		}
	}
	if slices.ContainsFunc(all, func(ended <-chan ending) bool { return len(ended) > 0 }) {
		ends = append(ends, "twice")
	}
	return ends
}

// passing is a program that comes, returns some calls, and goes in one of several
// ways.
func (w *world) passing(as parley.User, provides bool, n int) {
	numbers := make(chan uint64, 1000)
	d := &desk{serve: func(number uint64, _ string) { numbers <- number }}
	var err error
	if d.Session, err = w.hub.AttachModule(d, callable, as); err == nil && provides {
		err = d.Provide(dice)
	}
	if err != nil {
		w.t.Error(err)
		return
	}
	for range 50 * (n % 3) {
		select {
		case number := <-numbers:
			d.Return(number, seven, nil)
		default:
			runtime.Gosched()
		}
	}
	switch n % 4 {
	case 0:
		d.Drain()
	case 1:
		d.EndCalls()
	case 2:
		if provides {
			err = d.Withdraw(dice.Command)
		}
	}
	if d.End(""); err != nil {
		w.t.Error(err)
	}
}
