package simulation

import (
	"errors"
	"fmt"
	"hash/fnv"
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

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
	"github.com/parley-chat/parley/internal/memnet"
	"github.com/parley-chat/parley/internal/proof"
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
	faults   []string           // what is wrong and the log does not show
	stats    stats
}

// stats tell what a run did, so that a simulation of nothing is noticed.
type stats struct {
	posts, unknown, refused, repeated, resets, lives, cut, returned int
	fake                                                            time.Duration
}

// outcome is what a run found.
type outcome struct {
	seed       uint64
	violations []proof.Violation
	faults     []string
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
	ofCallees
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
		return ours, made
	}
	return &textEnd{Conn: ours, rng: w.stream(ofCallees, n)}, made
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
	return outcome{w.seed, w.log.Check(), w.faults, w.trace, w.stats}
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
