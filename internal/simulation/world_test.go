package simulation

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"net"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alexedwards/argon2id"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/config"
	"github.com/parley-chat/parley/internal/hub"
	"github.com/parley-chat/parley/internal/memnet"
	"github.com/parley-chat/parley/internal/proof"
	"github.com/parley-chat/parley/internal/server"
)

// world is one run: a seed, and everything that came of it.
type world struct {
	// Fixed once it has begun.
	seed     uint64
	plant    plant
	log      *proof.Log
	disk     *disk
	data     string // the directory of a real store; empty: disk
	weather  weather
	outages  bool
	together bool // users leave rooms with several sessions
	limits   func(*parley.Limits)
	begun    time.Time
	links    sync.WaitGroup

	mu       sync.Mutex
	now      *life // nil between lives
	trace    []string
	sessions map[*client]string // that are live
	barred   map[string]bool    // who must not come into which room
	visits   []*visit           // that are over
	forced   bool               // a shutdown was not over in time
	known    []string           // faults, see the flag -strict
	faults   []string           // what is wrong and the log does not show
	stats    stats
}

// stats tell what a run did, so that a simulation of nothing is noticed.
type stats struct {
	posts, unknown, refused, repeated, resets, lives, cut, known int
	fake                                                         time.Duration
}

// outcome is what a run found.
type outcome struct {
	seed       uint64
	violations []proof.Violation
	faults     []string
	known      []string // faults, see the flag -strict
	trace      []string
	stats      stats
}

// plant is a bug to be found.
type plant struct {
	store func(hub.Store) hub.Store
	died  func(*disk)
	wrote func(c *watched, b []byte) (keep bool)
}

// The owners of streams of random numbers.
const (
	ofWorld = iota
	ofLives
	ofStores
	ofWires
	ofLinks
	ofClients
)

// stream gives the random numbers of one owner.
func (w *world) stream(kind, n int) *rand.Rand {
	return rand.New(rand.NewPCG(w.seed, uint64(kind)<<32|uint64(n)))
}

// pass lets time go by.
func pass(d time.Duration) { <-time.After(d) }

// upTo draws a time that is not nothing.
func upTo(rng *rand.Rand, most time.Duration) time.Duration {
	return 1 + time.Duration(rng.Int64N(int64(most)))
}

// simulate runs one seed in a bubble. With data it runs on a real store there.
func simulate(t *testing.T, seed uint64, data string, p plant) (o outcome) {
	t.Helper()
	// The collector would run at other instants each time.
	defer runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	// A bubble in which somebody waits for a lock never ends by itself.
	stuck := time.AfterFunc(2*time.Minute, func() { panic(fmt.Sprintf("seed %d: two minutes have passed outside of the bubble", seed)) })
	defer stuck.Stop()
	synctest.Test(t, func(*testing.T) {
		w := newWorld(seed, data, p)
		w.run()
		o = w.judge()
	})
	return o
}

func newWorld(seed uint64, data string, p plant) *world {
	w := &world{
		seed: seed, plant: p, data: data, log: &proof.Log{}, disk: newDisk(),
		begun: time.Now(), sessions: map[*client]string{}, barred: map[string]bool{},
	}
	rng := w.stream(ofWorld, 0)
	w.weather = weathers[rng.IntN(len(weathers))]
	w.outages = rng.IntN(2) == 0
	w.together = rng.IntN(2) == 0
	w.limits = func(l *parley.Limits) {
		rng := w.stream(ofWorld, 1) // the same in each life
		pick := func(limit *int, values ...int) { *limit = values[rng.IntN(len(values))] }
		pick(&l.Outbox, 4<<10, 32<<10, 1<<20)
		pick(&l.Answers, 1<<10, 64<<10)
		pick(&l.PostsInFlight, 1, 4, 256)
		pick(&l.PostBytesInFlight, 4<<10, 1<<20)
		pick(&l.JournalBytes, 1<<10, 8<<20)
		pick(&l.History, 3, 200)
		pick(&l.Workers, 1, 3, 256)
		pick(&l.Hashes, 1, 4)
	}
	return w
}

// note writes a line of the trace.
func (w *world) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trace = append(w.trace, fmt.Sprintf("%13v  "+format, append([]any{time.Since(w.begun)}, args...)...))
}

// fault notes something that must not be.
func (w *world) fault(format string, args ...any) {
	w.note("FAULT: "+format, args...)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = append(w.faults, fmt.Sprintf(format, args...))
}

// knownFault is a fault if known ones are.
func (w *world) knownFault(format string, args ...any) {
	if *strict {
		w.fault(format, args...)
		return
	}
	w.note("known fault: "+format, args...)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.known = append(w.known, fmt.Sprintf(format, args...))
}

func (w *world) wasForced() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.forced
}

func (w *world) count(change func(*stats)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(&w.stats)
}

// longest is how long a world may last on its own clock.
const longest = 30 * 24 * time.Hour

// run lives all lives of the server, and reads what is left.
func (w *world) run() {
	over := time.AfterFunc(longest, func() {
		panic(fmt.Sprintf("seed %d: somebody waits for ever\n%s", w.seed, strings.Join(tail(w.trace), "\n")))
	})
	defer over.Stop()
	rng := w.stream(ofLives, 0)
	first := w.begin(stays, 0)
	clients := w.prepare(rng)
	first.way, first.last = endings[rng.IntN(len(endings))], 1+rng.IntN(60)
	first.armed.Store(true)
	var all sync.WaitGroup
	for _, c := range clients {
		all.Go(c.live)
	}
	done := make(chan struct{})
	go func() { // ends with the clients
		all.Wait()
		close(done)
	}()
	w.lives(rng, first, done)
	w.readAll()
	w.links.Wait()
	w.resumable()
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
	stop := context.AfterFunc(ctx, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.forced = w.forced || !dead
	})
	defer stop()
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

// dial connects to a door through the network, as the nth of all connections;
// nil while there is no server.
func (w *world) dial(door, session string, n int) (net.Conn, *wire) {
	w.mu.Lock()
	l := w.now
	w.mu.Unlock()
	if l == nil {
		return nil, nil
	}
	ours, theirs, made := w.wire(session, door == "line", n)
	limits := parley.DefaultLimits()
	end := &watched{Conn: theirs, wire: made, most: limits.Write + limits.Write/5}
	if !l.attach(made.far) {
		ours.Reset()
		made.far.Reset()
		return nil, nil
	}
	l.server.Drive(door, end)
	if door == "line" {
		return newLineEnd(ours), made
	}
	return &textEnd{Conn: ours}, made
}

// direct connects to a door as if there were no network.
func (w *world) direct(door string) net.Conn {
	ours, theirs := memnet.Pipe(1 << 30)
	w.now.server.Drive(door, theirs)
	return ours
}

// judge holds everything against what must be.
func (w *world) judge() outcome {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stats.fake = time.Since(w.begun)
	w.stats.known = len(w.known)
	return outcome{w.seed, w.log.Check(), w.faults, w.known, w.trace, w.stats}
}

func (o *outcome) wrong() bool { return len(o.violations)+len(o.faults) > 0 }

// sum tells two runs apart.
func (o *outcome) sum() uint64 {
	h := fnv.New64a()
	for _, line := range o.trace {
		h.Write([]byte(line + "\n"))
	}
	return h.Sum64()
}

// String tells all about a run that failed.
func (o *outcome) String() string {
	return filler.ReplaceAllString(fmt.Sprintf("seed %d is wrong; to see it again:\n\tgo test ./internal/simulation -run TestSimulation -seed %d\n%s%s\nthe end of the trace:\n%s",
		o.seed, o.seed, proof.Report(o.violations), strings.Join(o.faults, "\n"), strings.Join(tail(o.trace), "\n")), "x…")
}

// filler is what texts have behind their name.
var filler = regexp.MustCompile("xxx+")

// tail gives the end of a trace: all of it with the flag -whole.
func tail(trace []string) []string {
	if *whole {
		return trace
	}
	return trace[max(0, len(trace)-40):]
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
	w := b.life.world
	if strings.Contains(text, "context canceled") {
		w.knownFault("the server logged an error: %s", text)
	} else {
		w.fault("the server logged an error: %s", text)
	}
	return nil
}

func (b *logbook) WithAttrs([]slog.Attr) slog.Handler { return b }
func (b *logbook) WithGroup(string) slog.Handler      { return b }

// password is everybody's.
const password = "secret"

// names look like no other of them.
var (
	accountNames = []string{"anna", "bert", "carlos", "dmitri", "ellen"}
	guestNames   = []string{"quentin", "rosa", "steve", "ursula", "victor", "wanda", "xenia", "yvonne"} // one each
	roomNames    = []string{"lobby", "attic", "garden", "harbour"}
)

// prepare makes accounts and the clients that will speak.
func (w *world) prepare(rng *rand.Rand) []*client {
	setup := proof.NewText(w.log, "setup", w.direct("text"))
	defer setup.Close()
	accounts := accountNames[:1+rng.IntN(len(accountNames))]
	for _, name := range accounts {
		if err := setup.Register(name, password); err != nil {
			w.fault("register %s: %v", name, err)
		}
	}
	// Two rooms are there from the beginning, others may be made.
	if err := setup.Login(accounts[0], password); err != nil {
		w.fault("login: %v", err)
	}
	if _, err := setup.Do("new", roomNames[1]); err != nil {
		w.fault("new: %v", err)
	}
	var clients []*client
	for n := range 3 + rng.IntN(6) {
		c := &client{world: w, n: n, rng: w.stream(ofClients, n), account: rng.IntN(3) > 0}
		c.user = accounts[n%len(accounts)]
		if !c.account {
			c.user = guestNames[n]
		}
		c.steps = 5 + c.rng.IntN(35)
		clients = append(clients, c)
	}
	turns := map[string]chan struct{}{}
	for _, c := range clients {
		if turns[c.user] == nil {
			turns[c.user] = make(chan struct{}, 1)
		}
		c.turn = turns[c.user]
		for _, o := range clients {
			if o.user != c.user && !slices.Contains(c.others, o.user) {
				c.others = append(c.others, o.user)
			}
		}
	}
	return clients
}

// live notes that a client has a session, or has none any more.
func (w *world) live(c *client, is bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if delete(w.sessions, c); is {
		w.sessions[c] = c.name
	}
}

// sessionsOf gives the user's sessions but one.
func (w *world) sessionsOf(user, but string) (names []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c, name := range w.sessions {
		if c.user == user && name != but {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// bar keeps a user from coming into a room.
func (w *world) bar(user, room string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.barred[user+" "+room] = true
}

func (w *world) isBarred(user, room string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.barred[user+" "+room]
}

// readAll reads every history to its end, when nothing is under way.
func (w *world) readAll() {
	last := w.begin(stays, 0)
	for i, name := range accountNames {
		c := proof.NewText(w.log, "reader "+name, w.direct("text"))
		if err := c.Login(name, password); err != nil { // it is not in this world
			c.Close()
			break
		}
		if i < 2 {
			for _, room := range w.rooms(c) {
				w.read(c, room)
			}
		}
		for _, other := range accountNames {
			if other != name {
				w.read(c, proof.Pair(name, other))
			}
		}
		c.Close()
	}
	w.finish(last)
}

func (w *world) rooms(c *proof.Text) []string {
	answer, err := c.Do("rooms")
	if err != nil {
		w.fault("rooms: %v", err)
		return nil
	}
	return answer[1:]
}

func (w *world) read(c *proof.Text, conversation string) {
	_, err := c.History(conversation, "")
	if refusal := (*proof.Refusal)(nil); err != nil && !errors.As(err, &refusal) { // refused: it is of another world
		w.fault("read %s: %v", conversation, err)
	}
}
