package hub_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"

	"github.com/alexedwards/argon2id"
	"go.uber.org/goleak"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
	"github.com/parley-chat/parley/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lightHash costs next to nothing: these tests are not about passwords.
var lightHash = &argon2id.Params{Memory: 64, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// inbox is a sink that keeps what it is given, as lines.
type inbox struct {
	mu    sync.Mutex
	lines []string
}

func (b *inbox) Put(encoded []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for line := range splitLines(encoded) {
		b.lines = append(b.lines, line)
	}
}

func splitLines(b []byte) func(func(string) bool) {
	return func(yield func(string) bool) {
		start := 0
		for i, c := range b {
			if c == '\n' {
				if !yield(string(b[start:i])) {
					return
				}
				start = i + 1
			}
		}
	}
}

// take gives what came since the last call.
func (b *inbox) take() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	lines := b.lines
	b.lines = nil
	return lines
}

// words is a dialect that tests can read: one line an event.
var words = &hub.Dialect{Name: "words", Append: func(dst []byte, e parley.Event) []byte {
	switch e := e.(type) {
	case parley.Said:
		return fmt.Appendf(dst, "said %s %s %d %s\n", e.Room, e.SenderName, e.Seq, e.Text)
	case parley.Told:
		return fmt.Appendf(dst, "told %s %s\n", e.SenderName, e.Text)
	case parley.ToldCopy:
		return fmt.Appendf(dst, "copy %s %s\n", e.To, e.Text)
	case parley.Sent:
		return fmt.Appendf(dst, "sent %s %s %q\n", e.From, e.Command, e.Args)
	case parley.Joined:
		return fmt.Appendf(dst, "joined %s %s\n", e.Room, e.User)
	case parley.Left:
		return fmt.Appendf(dst, "left %s %s\n", e.Room, e.User)
	case parley.TopicSet:
		return fmt.Appendf(dst, "topic %s %s\n", e.Room, e.Text)
	}
	return dst
}}

type world struct {
	t     *testing.T
	hub   *hub.Hub
	store *store.Store
}

func newWorld(t *testing.T, change ...func(*hub.Config)) *world {
	t.Helper()
	st, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Relaxed: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	cfg := hub.Config{Store: st, Limits: parley.DefaultLimits(), Log: slog.New(slog.DiscardHandler), Rooms: []string{"lobby"}, Hash: lightHash}
	for _, f := range change {
		f(&cfg)
	}
	h, err := hub.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.Close()
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return &world{t: t, hub: h, store: st}
}

// actor is a session with its inbox.
type actor struct {
	*hub.Session
	*inbox
	w *world
}

func (w *world) attach() *actor {
	in := &inbox{}
	return &actor{Session: w.hub.Attach(in, words), inbox: in, w: w}
}

func (w *world) guest(name string) *actor {
	w.t.Helper()
	a := w.attach()
	w.ok(a.Guest(w.t.Context(), name))
	return a
}

func (w *world) account(name string) *actor {
	w.t.Helper()
	a := w.attach()
	if err := a.Register(w.t.Context(), name, "secret"); err != nil && !errors.Is(err, parley.Errorf(parley.CodeNameTaken, "")) {
		w.t.Fatal(err)
	}
	w.ok(a.Login(w.t.Context(), name, "secret"))
	return a
}

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) refused(err error, code parley.Code) {
	w.t.Helper()
	if !errors.Is(err, parley.Errorf(code, "")) {
		w.t.Fatalf("error %v, want %s", err, code)
	}
}

func (a *actor) join(rooms ...string) {
	a.w.t.Helper()
	outcomes, err := a.Join(a.w.t.Context(), rooms...)
	a.w.ok(err)
	for _, o := range outcomes {
		a.w.ok(o.Err)
	}
}

// post posts and waits for the receipt.
func (a *actor) post(d hub.Draft) (hub.Receipt, error) {
	type result struct {
		r   hub.Receipt
		err error
	}
	r, later, err := a.Post(d, true)
	if later == nil {
		return r, err
	}
	done := make(chan result, 1)
	later.Queue(func(r hub.Receipt, err error) { done <- result{r, err} })
	a.Flush()
	got := <-done
	return got.r, got.err
}

func (a *actor) say(room, text string) hub.Receipt {
	a.w.t.Helper()
	r, err := a.post(hub.Draft{To: room, Text: text})
	a.w.ok(err)
	return r
}

func (a *actor) hears(want ...string) {
	a.w.t.Helper()
	if got := a.take(); !slices.Equal(got, want) {
		a.w.t.Errorf("heard %q, want %q", got, want)
	}
}

func TestRoomTellsEverybodyButWhoDidIt(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.account("alice"), w.guest("bob")
	alice.join("lobby")
	bob.join("lobby")
	alice.hears("joined lobby bob")
	bob.hears()
	r := bob.say("lobby", "hi")
	if r.Message.Seq != 1 || r.To.String() != "lobby" {
		t.Errorf("receipt %+v, want seq 1 in lobby", r)
	}
	alice.hears("said lobby bob 1 hi")
	bob.hears()
}

func TestUserIsInARoomWhileOneSessionIs(t *testing.T) {
	w := newWorld(t)
	watcher := w.guest("watcher")
	watcher.join("lobby")
	one, two := w.account("alice"), w.account("alice")
	one.join("lobby")
	two.join("lobby")
	watcher.hears("joined lobby alice")
	one.take()
	one.End("gone")
	watcher.hears()
	if names, err := watcher.Members("lobby", ""); err != nil || len(names) != 2 {
		t.Errorf("members %v, %v; want alice and watcher", names, err)
	}
	two.End("gone")
	watcher.hears("left lobby alice")
}

func TestLeaveTakesAllSessionsOutAndEndsTheMembership(t *testing.T) {
	w := newWorld(t)
	one, two := w.account("alice"), w.account("alice")
	one.join("lobby")
	two.join("lobby")
	outcomes, err := one.Leave(t.Context(), "lobby")
	w.ok(err)
	w.ok(outcomes[0].Err)
	two.hears("left lobby alice")
	one.hears()
	if rooms, err := two.MyRooms(t.Context(), ""); err != nil || len(rooms) != 0 {
		t.Errorf("rooms %v, %v; want none", rooms, err)
	}
	outcomes, err = two.Leave(t.Context(), "lobby")
	w.ok(err)
	w.refused(outcomes[0].Err, parley.CodeNotAMember)
}

func TestMembershipOutlivesTheSession(t *testing.T) {
	w := newWorld(t)
	alice := w.account("alice")
	alice.join("lobby")
	alice.End("gone")
	alice = w.account("alice")
	if rooms, err := alice.MyRooms(t.Context(), ""); err != nil || len(rooms) != 1 {
		t.Errorf("rooms %v, %v; want lobby", rooms, err)
	}
	outcomes, err := alice.Leave(t.Context(), "lobby")
	w.ok(err)
	w.ok(outcomes[0].Err) // a member who is not there
}

func TestJoinIsAllOrNothing(t *testing.T) {
	w := newWorld(t)
	alice := w.account("alice")
	outcomes, err := alice.Join(t.Context(), "lobby", "nowhere")
	w.ok(err)
	if outcomes[0].Err != nil || outcomes[1].Err == nil {
		t.Errorf("outcomes %+v, want only nowhere refused", outcomes)
	}
	if names, _ := alice.Members("lobby", ""); len(names) != 0 {
		t.Errorf("members %v, want none", names)
	}
}

func TestNames(t *testing.T) {
	w := newWorld(t)
	alice := w.account("Alice")
	if u, _ := alice.User(); u.Name.String() != "Alice" {
		t.Errorf("user %s, want Alice", u.Name)
	}
	second := w.attach()
	w.refused(second.Guest(t.Context(), "alice"), parley.CodeNameTaken)
	w.refused(second.Guest(t.Context(), "a1ice"), parley.CodeInvalidName)
	w.refused(second.Register(t.Context(), "ALICE", "x"), parley.CodeNameTaken)
	w.refused(second.Register(t.Context(), "a", "x"), parley.CodeNameTooShort)
	w.refused(second.Register(t.Context(), "carol", ""), parley.CodeSyntax)
	w.refused(second.Login(t.Context(), "alice", "wrong"), parley.CodeWrongUserOrPassword)
	w.refused(second.Login(t.Context(), "nobody", "wrong"), parley.CodeWrongUserOrPassword)
	alice.End("gone")
	w.refused(second.Guest(t.Context(), "alice"), parley.CodeNameTaken) // registered
	w.ok(second.Guest(t.Context(), "bob"))
	second.End("gone")
	w.ok(w.attach().Guest(t.Context(), "bob")) // free at once
}

func TestGuestMayRegisterItsOwnName(t *testing.T) {
	w := newWorld(t)
	carol, other := w.guest("carol"), w.attach()
	w.refused(other.Register(t.Context(), "carol", "x"), parley.CodeNameTaken)
	w.ok(carol.Register(t.Context(), "carol", "secret"))
	if u, _ := carol.User(); u.IsAccount() {
		t.Error("register logged in")
	}
	w.ok(other.Login(t.Context(), "carol", "secret"))
	if _, named := carol.User(); named {
		t.Error("the guest kept a name that its owner logged in to")
	}
	w.ok(carol.Login(t.Context(), "carol", "secret"))
}

func TestLoginMovesTheSession(t *testing.T) {
	w := newWorld(t)
	w.account("alice").End("gone")
	bob, watcher := w.guest("bob"), w.guest("watcher")
	watcher.join("lobby")
	bob.join("lobby")
	watcher.take()
	w.refused(bob.Login(t.Context(), "alice", "wrong"), parley.CodeWrongUserOrPassword)
	if u, _ := bob.User(); u.Name.String() != "bob" {
		t.Errorf("a failed login left %s, want bob", u.Name)
	}
	w.ok(bob.Login(t.Context(), "alice", "secret"))
	watcher.hears("left lobby bob")
	w.ok(w.attach().Guest(t.Context(), "bob"))
	w.ok(bob.Login(t.Context(), "alice", "secret")) // to the same user again
	if got := len(w.hub.Users("")); got != 3 {
		t.Errorf("%d users online, want 3", got)
	}
	w.ok(bob.Logout())
	if got := len(w.hub.Users("")); got != 2 {
		t.Errorf("%d users online after logout, want 2", got)
	}
}

func TestPrivateMessages(t *testing.T) {
	w := newWorld(t)
	alice, desk, bob, guest := w.account("alice"), w.account("alice"), w.account("bob"), w.guest("guest")
	r, err := alice.post(hub.Draft{To: "bob", Private: true, Text: "hi"})
	w.ok(err)
	if r.Message.ID() == "" {
		t.Error("between accounts a message has no id")
	}
	bob.hears("told alice hi")
	desk.hears("copy bob hi")
	alice.hears()
	r, err = alice.post(hub.Draft{To: "guest", Private: true, Text: "psst"})
	w.ok(err)
	if r.Message.ID() != "" || r.Message.Time.IsZero() {
		t.Errorf("to a guest: id %q, time %v; want no id and a time", r.Message.ID(), r.Message.Time)
	}
	guest.hears("told alice psst")
	desk.hears("copy guest psst")
	bob.End("gone")
	_, err = alice.post(hub.Draft{To: "bob", Private: true, Text: "later"})
	w.ok(err)
	_, err = guest.post(hub.Draft{To: "bob", Private: true, Text: "later"})
	w.refused(err, parley.CodeUserOffline)
	_, err = alice.post(hub.Draft{To: "nobody", Private: true, Text: "x"})
	w.refused(err, parley.CodeUserNotFound)
	bob = w.account("bob")
	got, err := bob.History(t.Context(), "@alice", hub.Page{})
	w.ok(err)
	if len(got) != 2 || got[1].Text != "later" {
		t.Errorf("history %+v, want hi and later", got)
	}
	_, err = alice.post(hub.Draft{To: "alice", Private: true, Text: "note"})
	w.ok(err)
	desk.take()
	alice.hears("told alice note")
}

func TestProgramsAreLiveOnly(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.account("alice"), w.account("bob")
	_, err := alice.post(hub.Draft{To: "bob", Private: true, Command: "dice", Args: []string{"2", "6"}})
	w.ok(err)
	bob.hears(`sent alice dice ["2" "6"]`)
	bob.End("gone")
	_, err = alice.post(hub.Draft{To: "bob", Private: true, Command: "dice"})
	w.refused(err, parley.CodeUserOffline)
	_, err = alice.post(hub.Draft{To: "nobody", Private: true, Command: "dice"})
	w.refused(err, parley.CodeUserNotFound)
}

func TestClientIDs(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.account("alice"), w.guest("bob")
	bob.join("lobby")
	first, err := alice.post(hub.Draft{To: "lobby", Text: "once", ClientID: "c1"})
	w.ok(err)
	again, err := alice.post(hub.Draft{To: "lobby", Text: "once", ClientID: "c1"})
	w.ok(err)
	if first.Message.ID() != again.Message.ID() || !first.Message.Time.Equal(again.Message.Time) {
		t.Errorf("said again it is %s, want %s", again.Message.ID(), first.Message.ID())
	}
	bob.hears("said lobby alice 1 once")
	_, err = alice.post(hub.Draft{To: "lobby", Text: "other", ClientID: "c1"})
	w.refused(err, parley.CodeSyntax)
	_, err = bob.post(hub.Draft{To: "lobby", Text: "g", ClientID: "c1"})
	w.ok(err)
	r, err := bob.post(hub.Draft{To: "lobby", Text: "g", ClientID: "c1"})
	w.ok(err)
	if r.Message.Seq != 3 {
		t.Errorf("a guest's client id was remembered: seq %d, want 3", r.Message.Seq)
	}
}

func TestTopic(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.account("alice"), w.guest("bob")
	alice.join("lobby")
	w.refused(bob.SetTopic(t.Context(), "lobby", "x"), parley.CodeNotAMember)
	bob.join("lobby")
	alice.take()
	w.ok(bob.SetTopic(t.Context(), "lobby", "news"))
	alice.hears("topic lobby news")
	bob.hears()
	if topic, err := alice.Topic("lobby"); err != nil || topic != "news" {
		t.Errorf("topic %q, %v; want news", topic, err)
	}
	if r := alice.say("lobby", "hi"); r.Message.Seq != 2 {
		t.Errorf("after a topic seq %d, want 2: a topic is an event of the conversation", r.Message.Seq)
	}
	got, err := alice.History(t.Context(), "lobby", hub.Page{})
	w.ok(err)
	if len(got) != 1 || got[0].Text != "hi" {
		t.Errorf("history %+v, want the message alone", got)
	}
}

func TestRoomsOutliveTheHub(t *testing.T) {
	w := newWorld(t)
	alice := w.account("alice")
	w.ok(alice.NewRoom(t.Context(), "Den"))
	w.refused(alice.NewRoom(t.Context(), "den"), parley.CodeRoomExists)
	alice.join("den")
	w.ok(alice.SetTopic(t.Context(), "den", "quiet"))
	again, err := hub.New(context.Background(), hub.Config{Store: w.store, Limits: parley.DefaultLimits(), Log: slog.New(slog.DiscardHandler), Hash: lightHash, Rooms: []string{"other"}})
	w.ok(err)
	defer again.Close()
	rooms := again.Rooms("")
	if len(rooms) != 2 || rooms[0].String() != "Den" || rooms[1].String() != "lobby" {
		t.Errorf("rooms %v, want Den and lobby", rooms)
	}
}
