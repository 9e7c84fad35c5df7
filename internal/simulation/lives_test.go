package simulation

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alexedwards/argon2id"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/config"
	"github.com/parley-chat/parley/internal/hub"
	"github.com/parley-chat/parley/internal/memnet"
	"github.com/parley-chat/parley/internal/server"
)

// An ending is how a life of the server ends.
type ending string

const (
	stays       ending = "stays"                               // until the clients are done
	stops       ending = "is shut down"                        // in good order, with clients at work
	diesBefore  ending = "dies before a commit"                // of which nothing is kept
	diesAfter   ending = "dies after a commit"                 // that nobody hears of
	diesSoon    ending = "dies a moment after a commit"        // of which some may have heard
	breaksStore ending = "cannot trust its store, and is shut" // that commit is kept, or not
)

var endings = []ending{stops, diesBefore, diesAfter, diesSoon, breaksStore}

// life is one server, from its start to its end.
type life struct {
	world  *world
	server *server.Server
	way    ending
	last   int           // the commit with which it ends
	over   chan struct{} // closed when it is to end, once
	once   sync.Once
	armed  atomic.Bool // faults may happen
	dead   atomic.Bool // it died: nothing of it matters any more
	ended  atomic.Bool // it ended before it could die
	broke  atomic.Bool // its store said that it cannot be trusted

	mu   sync.Mutex
	ends []*memnet.Conn // of its connections, in the network
}

func (l *life) end() { l.once.Do(func() { close(l.over) }) }

// die is a crash: from this instant on nobody hears of the server, and nothing
// is kept.
func (l *life) die() {
	if l.ended.Load() {
		return
	}
	l.mu.Lock()
	l.dead.Store(true)
	ends := l.ends
	l.mu.Unlock()
	for _, c := range ends {
		c.Reset()
	}
	l.world.note("the server is dead")
	if l.world.plant.died != nil {
		l.world.plant.died(l.world.disk)
	}
	l.end()
}

// attach notes a connection; false: too late.
func (l *life) attach(c *memnet.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead.Load() {
		return false
	}
	l.ends = append(l.ends, c)
	return true
}

// lives ends one life after the other, until the clients are done.
func (w *world) lives(rng *rand.Rand, l *life, done <-chan struct{}) {
	for lives := 1; ; lives++ {
		select {
		case <-l.over:
		case <-l.server.Ended():
		case <-done:
		}
		w.finish(l)
		select {
		case <-done:
			return
		default:
		}
		pass(upTo(rng, 3*time.Second))
		way := stays
		if lives < 3 {
			way = endings[rng.IntN(len(endings))]
		}
		l = w.begin(way, 1+rng.IntN(60))
		l.armed.Store(true)
	}
}

// begin starts the server on what is on the disk.
func (w *world) begin(way ending, last int) *life {
	l := &life{world: w, way: way, last: last, over: make(chan struct{})}
	w.mu.Lock()
	w.stats.lives++
	n := w.stats.lives
	w.mu.Unlock()
	cfg := config.Default()
	cfg.Text, cfg.Line, cfg.Data, cfg.Durability = config.Off, config.Off, w.data, "relaxed"
	opts := server.Options{
		Log: slog.New(&logbook{life: l}),
		// Next to no work: this is not about the strength of hashes.
		Hash:   &argon2id.Params{Memory: 8, Iterations: 1, Parallelism: 1, SaltLength: 8, KeyLength: 16},
		Limits: w.limits,
		Store: func(s hub.Store) hub.Store {
			if w.plant.store != nil {
				s = w.plant.store(s)
			}
			return &faulty{Store: s, life: l, rng: w.stream(ofStores, n)}
		},
	}
	if w.data == "" {
		opts.Open = w.disk.open
	}
	started, err := server.Start(context.Background(), cfg, opts)
	if err != nil {
		panic(fmt.Sprintf("seed %d: the server does not start: %v", w.seed, err))
	}
	l.server = started
	w.note("the server starts")
	w.mu.Lock()
	w.now = l
	w.mu.Unlock()
	return l
}

// finish ends a life in good order, or clears away what died.
func (w *world) finish(l *life) {
	w.mu.Lock()
	w.now = nil
	w.mu.Unlock()
	drain := parley.DefaultLimits().Drain
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	dead := l.dead.Load()
	if dead {
		cancel()
	}
	begin := time.Now()
	err := l.server.Shutdown(ctx)
	l.ended.Store(true)
	took := time.Since(begin)
	w.note("the server has ended after %v: %v", took, err)
	if dead || l.dead.Load() {
		return
	}
	if err != nil {
		w.fault("Shutdown: %v", err)
	}
	// What is being committed is committed, and what waits behind it.
	if most := drain + parley.DefaultLimits().Linger + 4*slowest; took > most {
		w.fault("Shutdown took %v, want at most %v", took, most)
	}
}

// logbook holds the log of one life against what was made to go wrong in it.
type logbook struct{ life *life }

func (b *logbook) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelError }

func (b *logbook) Handle(_ context.Context, r slog.Record) error {
	if b.life.dead.Load() || b.life.broke.Load() && r.Message == "the store is broken; nothing more is accepted" {
		return nil
	}
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		text += " " + a.String()
		return true
	})
	b.life.world.fault("the server logged an error: %s", text)
	return nil
}

func (b *logbook) WithAttrs([]slog.Attr) slog.Handler { return b }
func (b *logbook) WithGroup(string) slog.Handler      { return b }
