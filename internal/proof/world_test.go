package proof_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"testing"

	"github.com/alexedwards/argon2id"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/config"
	"github.com/parley-chat/parley/internal/hub"
	"github.com/parley-chat/parley/internal/proof"
	"github.com/parley-chat/parley/internal/server"
	"github.com/parley-chat/parley/wire/textwire"
)

// world is a real server with both doors on connections in memory, and the
// clients that use it, for some lives of the server. A plant sits between them.
type world struct {
	t     *testing.T
	plant plant
	log   *proof.Log
	data  string
	life  int
	last  map[string]string // by conversation: the last id that was read

	server *server.Server
	mu     sync.Mutex // guards seams; a plant may use them from the journal
	seams  map[string]*seam

	// alice and bob have accounts; bob has two sessions; dave, with an account,
	// is in the den alone; carl is a guest on the line door.
	alice, bob, bob2, dave *proof.Text
	carl                   *proof.Line
}

var errLost = errors.New("the test wants nothing kept")

// start begins a life of the server, and its clients.
func (w *world) start() {
	w.life++
	w.seams = map[string]*seam{}
	cfg := config.Default()
	cfg.Data, cfg.Durability, cfg.Rooms = w.data, "relaxed", []string{"lobby", "den"}
	cfg.Text, cfg.Line = config.Off, config.Off
	opts := server.Options{
		Log:  slog.New(slog.DiscardHandler),
		Hash: &argon2id.Params{Memory: 64, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32},
	}
	if w.plant.store != nil {
		opts.Store = func(s hub.Store) hub.Store { return w.plant.store(w, s) }
	}
	var err error
	if w.server, err = server.Start(context.Background(), cfg, opts); err != nil {
		w.t.Fatal(err)
	}
	w.alice, w.bob, w.bob2, w.dave = w.account("alice", "alice"), w.account("bob", "bob"), w.account("bob2", "bob"), w.account("dave", "dave")
	w.carl = proof.NewLine(w.log, w.session("carl"), w.connect("line", "carl"))
	w.must(w.carl.Name("carl", ""))
	for _, c := range []*proof.Text{w.alice, w.bob, w.bob2} {
		w.must(c.Join("lobby"))
	}
	w.must(w.carl.Join("lobby"))
	w.must(w.alice.Join("den"))
	w.must(w.dave.Join("den"))
}

// stop ends the life. What a plant had not really kept is gone with it.
func (w *world) stop() {
	for _, c := range []interface{ Close() }{w.alice, w.bob, w.bob2, w.dave, w.carl} {
		c.Close()
	}
	w.must(w.server.Shutdown(context.Background()))
}

func (w *world) session(name string) string { return fmt.Sprint(name, "/", w.life) }

// connect makes a connection in memory; the server's end of a text connection
// is a seam.
func (w *world) connect(door, name string) net.Conn {
	ours, theirs := net.Pipe()
	if door == "text" {
		s := &seam{Conn: theirs, name: name, world: w, push: w.plant.push}
		w.mu.Lock()
		w.seams[name] = s
		w.mu.Unlock()
		theirs = s
	}
	w.server.Drive(door, theirs)
	return ours
}

// account connects a text client that speaks with an account, and hears what
// its user's other sessions tell.
func (w *world) account(name, user string) *proof.Text {
	c := proof.NewText(w.log, w.session(name), w.connect("text", name))
	w.must(c.Register(user, "secret"))
	w.must(c.Login(user, "secret"))
	w.must(c.Copies())
	return c
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// said waits until everything that was said is answered, and everybody has been
// told: what a speaker's next answer follows has been handed out, and what was
// handed out comes before the next answer to whoever it is for.
func (w *world) said(replies ...*proof.Reply) {
	w.t.Helper()
	for _, r := range replies {
		_, err := r.Wait()
		if refusal := (*proof.Refusal)(nil); err != nil && !errors.As(err, &refusal) {
			w.t.Fatal(err)
		}
	}
	for range 2 {
		for _, c := range []*proof.Text{w.alice, w.bob, w.bob2, w.dave} {
			_, err := c.Do("nop")
			w.must(err)
		}
		w.must(w.carl.Do("is there anything?"))
	}
}

// play is the traffic of every plant: two lives of a server, and a third, with
// nothing planted, that shows what is really kept.
func (w *world) play() {
	w.start()
	w.talk()
	w.said(w.alice.Post("lobby", "id", "repeated"), w.alice.Post("lobby", "id", "repeated"))
	w.must(w.bob2.Leave("lobby"))
	w.log.Put(w.session("bob"), "lobby")
	w.said(w.alice.Say("lobby", "bob is out"), w.carl.Say("lobby", "bob is out, says carl"))
	w.read()
	w.said(w.alice.Say("lobby", "last words"), w.alice.Tell("bob", "last whisper"))
	w.stop()

	w.start()
	w.said(w.alice.Post("lobby", "id", "repeated"))
	w.talk()
	w.read()
	w.stop()

	if w.plant.store == nil {
		return // what is kept has been read
	}
	w.plant = plant{}
	w.start()
	w.read()
	w.stop()
}

// talk says something everywhere, many things at once where their order must hold.
func (w *world) talk() {
	say := func(text string) string { return fmt.Sprint(text, " ", w.life) }
	w.said(w.alice.Say("den", say("in the den")))
	for n := range 5 {
		w.said(w.alice.Say("lobby", say(fmt.Sprint("one by one ", n))))
	}
	var replies []*proof.Reply
	for n := range 5 {
		replies = append(
			replies,
			w.alice.Say("lobby", say(fmt.Sprint("alice ", n))),
			w.carl.Say("lobby", say(fmt.Sprint("carl ", n))),
			w.alice.Tell("bob", say(fmt.Sprint("to bob ", n))),
			w.bob.Tell("alice", say(fmt.Sprint("to alice ", n))),
			w.carl.Tell("bob", say(fmt.Sprint("to bob, from a guest ", n))),
		)
	}
	w.said(replies...)
	w.said(w.alice.Say("lobby", say(marked)), w.alice.Tell("bob", say("secret")))
	w.said(w.alice.Say("lobby", say("behind the marked one")))
}

// marked is how the text begins at which many a plant acts.
const marked = "marked"

// read reads all that is kept, behind what was read before.
func (w *world) read() {
	for _, conversation := range []string{"lobby", "den", proof.Pair("alice", "bob")} {
		for _, after := range []string{"", w.last[conversation]} {
			last, err := w.alice.History(conversation, after)
			w.must(err)
			w.last[conversation] = cmp.Or(last, after)
		}
	}
}

// seam is the server's end of a text connection, through which a plant reaches
// what the server pushes.
type seam struct {
	net.Conn
	name  string
	world *world
	push  func(s *seam, fields []string) (instead [][]string)

	mu   sync.Mutex // guards what follows and holds a frame together
	rest []byte
	held [][]string // what a plant holds back
	n    int        // what a plant counts
}

// Write gives the plant every push in a room or in private.
func (s *seam) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rest = append(s.rest, b...)
	for {
		data, size, err := textwire.Next(s.rest, parley.DefaultLimits().Frame)
		if err != nil || size == 0 {
			return len(b), err
		}
		out := s.rest[:size:size]
		fields, err := textwire.Parse(data, 10)
		if err == nil && s.push != nil && (fields[0] == "room" || fields[0] == "told") {
			out = nil
			for _, fields := range s.push(s, fields) {
				out = textwire.AppendFrame(out, fields...)
			}
		}
		if _, err := s.Conn.Write(out); err != nil {
			return 0, err
		}
		s.rest = s.rest[size:]
	}
}

// inject makes the server say what it never said.
func (s *seam) inject(fields ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = s.Conn.Write(textwire.AppendFrame(nil, fields...)) // or the client is gone
}

// other gives another session's seam.
func (w *world) other(name string) *seam {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seams[name]
}
