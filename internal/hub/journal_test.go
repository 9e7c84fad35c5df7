package hub_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
	"github.com/parley-chat/parley/internal/store"
)

// TestEverybodySeesOneOrder has many sessions speak at once, joined and left by
// others meanwhile, and compares the order that each hears with the history.
func TestEverybodySeesOneOrder(t *testing.T) {
	const speakers, each = 8, 50
	w := newWorld(t)
	watcher := w.account("watcher")
	watcher.join("lobby")
	actors := make([]*actor, speakers)
	for i := range actors {
		actors[i] = w.account(fmt.Sprintf("speaker_%c", 'b'+i))
		actors[i].join("lobby")
	}
	watcher.take()
	var all sync.WaitGroup
	for _, a := range actors {
		all.Go(func() {
			var posted sync.WaitGroup
			for n := range each {
				posted.Add(1)
				_, later, _ := a.Post(hub.Draft{To: "lobby", Text: fmt.Sprint(n)}, false)
				later.Queue(func(_ hub.Receipt, err error) {
					if err != nil {
						t.Error(err)
					}
					posted.Done()
				})
				a.Flush()
			}
			posted.Wait()
		})
	}
	all.Wait()
	heard := watcher.take()
	if len(heard) != speakers*each {
		t.Fatalf("heard %d messages, want %d", len(heard), speakers*each)
	}
	last := map[string]int{}
	for i, line := range heard {
		f := strings.Fields(line)
		if f[3] != fmt.Sprint(i+1) {
			t.Fatalf("message %d is %q, want seq %d", i, line, i+1)
		}
		if f[4] != fmt.Sprint(last[f[2]]) {
			t.Fatalf("%q, want %d: posts of a session overtook each other", line, last[f[2]])
		}
		last[f[2]]++
	}
}

// failingStore refuses commits while err is set.
type failingStore struct {
	hub.Store
	err     atomic.Pointer[error]
	commits atomic.Int32
}

func (s *failingStore) Commit(ctx context.Context, write func(hub.Tx) error) error {
	s.commits.Add(1)
	if err := s.err.Load(); err != nil {
		return *err
	}
	return s.Store.Commit(ctx, write)
}

func TestFullDiskRefusesAndRecovers(t *testing.T) {
	var failing *failingStore
	w := newWorld(t, func(cfg *hub.Config) {
		failing = &failingStore{Store: cfg.Store}
		cfg.Store = failing
	})
	alice, bob := w.account("alice"), w.guest("bob")
	alice.join("lobby")
	bob.join("lobby")
	alice.take()
	full := fmt.Errorf("disk full: %w", parley.ErrUnavailable)
	failing.err.Store(&full)
	_, err := bob.post(hub.Draft{To: "lobby", Text: "lost"})
	w.refused(err, parley.CodeUnavailable)
	w.refused(bob.NewRoom(t.Context(), "den"), parley.CodeUnavailable)
	alice.hears() // nothing refused is ever delivered
	if _, err := alice.History(t.Context(), "lobby", hub.Page{}); err != nil {
		t.Errorf("reading with a full disk: %v", err)
	}
	failing.err.Store(nil)
	if r := bob.say("lobby", "back"); r.Message.Seq != 1 {
		t.Errorf("seq %d, want 1: what was refused left a gap", r.Message.Seq)
	}
	alice.hears("said lobby bob 1 back")
}

func TestBrokenStoreIsNotTriedAgain(t *testing.T) {
	var failing *failingStore
	var told atomic.Int32
	w := newWorld(t, func(cfg *hub.Config) {
		failing = &failingStore{Store: cfg.Store}
		cfg.Store = failing
		cfg.Broken = func(error) { told.Add(1) }
	})
	bob := w.guest("bob")
	broken := fmt.Errorf("fsync: %w", hub.ErrBroken)
	failing.err.Store(&broken)
	// It may be on the disk all the same: nobody may say that it is not.
	if _, err := bob.post(hub.Draft{To: "lobby", Text: "x"}); !errors.Is(err, hub.ErrUnknown) {
		t.Errorf("error %v, want that nobody knows", err)
	}
	failing.err.Store(nil)
	before := failing.commits.Load()
	_, err := bob.post(hub.Draft{To: "lobby", Text: "x"})
	w.refused(err, parley.CodeUnavailable)
	if told.Load() != 1 || failing.commits.Load() != before {
		t.Errorf("told %d times, %d more commits; want once and none", told.Load(), failing.commits.Load()-before)
	}
}

func TestFaultShowsNoDetail(t *testing.T) {
	var failing *failingStore
	w := newWorld(t, func(cfg *hub.Config) {
		failing = &failingStore{Store: cfg.Store}
		cfg.Store = failing
	})
	bob := w.guest("bob")
	fault := errors.New("near SELECT: syntax error in /var/lib/secret")
	failing.err.Store(&fault)
	_, err := bob.post(hub.Draft{To: "lobby", Text: "x"})
	w.refused(err, parley.CodeUnhandled)
	if strings.Contains(err.Error(), "SELECT") {
		t.Errorf("the error shows %q", err)
	}
}

// TestEncodedOnce counts the encodings of a message that many receive.
func TestEncodedOnce(t *testing.T) {
	w := newWorld(t)
	var encodings atomic.Int32
	counting := &hub.Dialect{Name: "counting", Append: func(dst []byte, e parley.Event) []byte {
		if _, ok := e.(parley.Said); ok {
			encodings.Add(1)
		}
		return words.Append(dst, e)
	}}
	for i := range 20 {
		a := w.guest(fmt.Sprintf("guest_%c", 'b'+i))
		a.join("lobby")
		a.SetDialect(counting)
	}
	w.guest("speaker").say("lobby", "hi")
	if got := encodings.Load(); got != 1 {
		t.Errorf("encoded %d times for 20 receivers, want once", got)
	}
}

// TestPanicInAnEncoderIsContained shows that a faulty door costs its own
// clients the event, and nobody else anything.
func TestPanicInAnEncoderIsContained(t *testing.T) {
	w := newWorld(t)
	bad, good := w.guest("bad"), w.guest("good")
	bad.join("lobby")
	good.join("lobby")
	bad.take()
	bad.SetDialect(&hub.Dialect{Name: "bad", Append: func([]byte, parley.Event) []byte { panic("no") }})
	w.guest("speaker").say("lobby", "hi")
	good.hears("said lobby speaker 1 hi")
	bad.hears()
}

// blackhole is a sink that keeps nothing.
type blackhole struct{ bytes int }

func (b *blackhole) Put(encoded []byte) { b.bytes += len(encoded) }

func BenchmarkDeliver(b *testing.B) {
	for _, n := range []int{1, 100, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { benchmarkDeliver(b, n) })
	}
}

func benchmarkDeliver(b *testing.B, receivers int) {
	st, err := store.Open(b.Context(), store.Options{Dir: b.TempDir(), Relaxed: true})
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	h, err := hub.New(b.Context(), hub.Config{Store: st, Limits: parley.DefaultLimits(), Log: slog.New(slog.DiscardHandler), Rooms: []string{"lobby"}})
	if err != nil {
		b.Fatal(err)
	}
	defer h.Close()
	speaker := h.Attach(&blackhole{}, words)
	if err := speaker.Guest(b.Context(), "speaker"); err != nil {
		b.Fatal(err)
	}
	for i := range receivers {
		s := h.Attach(&blackhole{}, words)
		if err := s.Guest(b.Context(), fmt.Sprintf("r%x_", i)); err != nil {
			b.Fatal(err)
		}
		if _, err := s.Join(b.Context(), "lobby"); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	done := make(chan struct{}, 1)
	for b.Loop() {
		_, later, _ := speaker.Post(hub.Draft{To: "lobby", Text: "hello"}, false)
		later.Queue(func(hub.Receipt, error) { done <- struct{}{} })
		speaker.Flush()
		<-done
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(receivers), "ns/delivery")
}
