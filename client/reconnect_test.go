package client_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/client"
	"github.com/parley-chat/parley/client/parleytest"
	"github.com/parley-chat/parley/internal/proof"
)

// heard gathers what comes of rooms until the text "the end" has come in each.
func heard(p *program, rooms int) map[string][]parley.Said {
	p.t.Helper()
	all := map[string][]parley.Said{}
	for ended := 0; ended < rooms; {
		e := await[parley.Said](p)
		if e.Text == "the end" {
			ended++
			continue
		}
		all[e.Room.Key()] = append(all[e.Room.Key()], e)
	}
	return all
}

// inHistory reads what a room holds but for "the end".
func inHistory(t *testing.T, p *program, room string) (all []parley.Message) {
	t.Helper()
	for m, err := range p.History(within(t), room, "") {
		must(t, err)
		if m.Text != "the end" {
			all = append(all, m)
		}
	}
	return all
}

// same fails the test unless what was told is what the history holds.
func same(t *testing.T, room string, told []parley.Said, history []parley.Message) {
	t.Helper()
	for i := range min(len(told), len(history)) {
		if told[i].ID() != history[i].ID() || told[i].Text != history[i].Text {
			t.Fatalf("%s: message %d that was told is %s %q, in the history it is %s %q", room, i, told[i].ID(), told[i].Text, history[i].ID(), history[i].Text)
		}
	}
	if len(told) != len(history) {
		t.Errorf("%s: %d messages were told, the history holds %d", room, len(told), len(history))
	}
}

// Whoever listens while the server goes away and comes back, and while its connections
// are cut, is told all that was said, once, in order; and what talkers post is said once.
func TestNoGapAndNoDouble(t *testing.T) {
	s := parleytest.Start(t, parleytest.Rooms("one", "two", "three"))
	rooms := []string{"one", "two", "three"}
	listener, setter := account(t, s, "listener"), account(t, s, "setter")
	for _, room := range rooms {
		must(t, listener.Join(within(t), room))
	}
	talkers, each := 6, proof.Size(60, 600, 6000)
	var posted atomic.Int64
	var talking sync.WaitGroup
	var clients []*program
	for i := range talkers {
		talker := account(t, s, fmt.Sprintf("talker%d", i))
		clients = append(clients, talker)
		talking.Go(func() {
			for j := range each {
				if _, err := talker.Post(within(t), rooms[j%len(rooms)], "", fmt.Sprintf("%d of %d", j, i)); err != nil {
					t.Errorf("Post: %v", err)
				}
				posted.Add(1)
			}
		})
	}
	stirred := make(chan struct{})
	go func() {
		defer close(stirred)
		for round := int64(1); round <= 8; round++ {
			for posted.Load() < round*int64(talkers*each)/10 {
				setter.Nop(within(t))
			}
			switch round % 4 {
			case 0:
				s.Restart()
			case 1:
				clients[round%int64(talkers)].Cut()
			default:
				listener.Cut()
			}
		}
	}()
	go func() {
		talking.Wait()
		<-stirred
		for _, room := range rooms {
			if _, err := setter.Post(within(t), room, "", "the end"); err != nil {
				t.Errorf("Post: %v", err)
			}
		}
	}()
	told := heard(listener, len(rooms))
	total := 0
	for _, room := range rooms {
		history := inHistory(t, listener, room)
		same(t, room, told[room], history)
		total += len(history)
		seen := map[string]bool{}
		for _, m := range history {
			if text := m.SenderName + m.Text; seen[text] {
				t.Errorf("%s: %q was said twice", room, text)
			} else {
				seen[text] = true
			}
		}
	}
	if total != talkers*each {
		t.Errorf("%d messages were said, want %d", total, talkers*each)
	}
}

// What is said while the client is away comes behind Back, however much it is.
func TestResumeOverManyPages(t *testing.T) {
	s := parleytest.Start(t)
	listener, talker := dial(t, s, client.Guest("listener")), account(t, s, "talker")
	must(t, listener.Join(within(t), "lobby"))
	got(talker.Say(within(t), "lobby", "before"))(t)
	s.Stop()
	if e := await[client.Lost](listener); e.Err.Reason == nil || e.Err.Reason.Code != parley.CodeUnavailable {
		t.Errorf("Lost because of %v", e.Err)
	}
	s.Start()
	const said = 500
	var saying sync.WaitGroup
	for i := range said {
		saying.Go(func() {
			if _, err := talker.Post(within(t), "lobby", "", fmt.Sprint(i)); err != nil {
				t.Errorf("Post: %v", err)
			}
		})
	}
	saying.Wait()
	got(talker.Post(within(t), "lobby", "", "the end"))(t)
	if e := await[client.Back](listener); e.Err != nil {
		t.Errorf("Back with %v", e.Err)
	}
	told := heard(listener, 1)["lobby"]
	same(t, "lobby", told, inHistory(t, listener, "lobby")[1:])
}

// What the client itself said does not come back to it from the history; but what was
// said under the same name elsewhere does.
func TestOwnMessagesAreNoNews(t *testing.T) {
	s := parleytest.Start(t)
	one, two := account(t, s, "alice"), account(t, s, "alice")
	must(t, one.Join(within(t), "lobby"))
	got(one.Say(within(t), "lobby", "mine"))(t)
	one.Cut()
	got(one.Post(within(t), "lobby", "", "mine, while it is away perhaps"))(t)
	got(two.Say(within(t), "lobby", "from elsewhere"))(t)
	got(two.Post(within(t), "lobby", "", "the end"))(t)
	if told := heard(one, 1)["lobby"]; len(told) != 1 || told[0].Text != "from elsewhere" {
		t.Errorf("told %v", told)
	}
}

// What the session was it is again: who, its copies, its rooms; but not what is gone.
func TestSessionIsRestored(t *testing.T) {
	s := parleytest.Start(t, parleytest.Rooms("lobby", "tea"))
	ctx := within(t)
	robot, other := dial(t, s, client.Guest("robot")), account(t, s, "other")
	must(t, robot.Register(ctx, "robot", "secret"))
	must(t, robot.Login(ctx, "robot", "secret"))
	must(t, robot.Passwd(ctx, "secret", "changed"))
	must(t, robot.Copies(ctx, true))
	must(t, robot.Join(ctx, "lobby"))
	must(t, robot.Join(ctx, "tea"))
	must(t, robot.Leave(ctx, "tea"))
	s.Restart()
	await[client.Back](robot)
	if who := got(robot.Whoami(ctx))(t); who.String() != "robot" {
		t.Errorf("it is %v", who)
	}
	if members := shown(got(robot.Members(ctx, "tea"))(t)); len(members) != 0 {
		t.Errorf("in tea are %q", members)
	}
	got(other.Tell(ctx, "robot", "psst"))(t)
	if e := await[parley.Told](robot); e.ID() == "" {
		t.Errorf("told without an id: copies are off")
	}
	got(other.Say(ctx, "lobby", "hi"))(t)
	if e := await[parley.Said](robot); e.Text != "hi" {
		t.Errorf("told %v", e)
	}
}

// A room that is gone is told of, and the rest is restored.
func TestRoomThatIsGone(t *testing.T) {
	s := parleytest.Start(t)
	ctx := within(t)
	guest := dial(t, s, client.Guest("guest"))
	must(t, guest.NewRoom(ctx, "tea"))
	must(t, guest.Join(ctx, "tea"))
	must(t, guest.Join(ctx, "lobby"))
	s.Stop()
	s.Forget() // another server with another past
	s.Start()
	e := await[client.Back](guest)
	refused(t, e.Err, parley.CodeRoomNotFound)
	if members := shown(got(guest.Members(ctx, "lobby"))(t)); len(members) != 1 {
		t.Errorf("in lobby are %q", members)
	}
}

// A password that is wrong now is not tried again and again.
func TestRefusedForGood(t *testing.T) {
	s := parleytest.Start(t)
	ctx := within(t)
	one, two := account(t, s, "alice"), account(t, s, "alice")
	must(t, two.Passwd(ctx, "secret", "changed"))
	one.Cut()
	<-one.Done()
	for _, err := range []error{one.Err(), one.Nop(ctx)} {
		var ended *client.ConnError
		if !errors.As(err, &ended) || ended.Reason == nil || ended.Reason.Code != parley.CodeWrongUserOrPassword {
			t.Errorf("it ended because of %v", err)
		}
		if errors.Is(err, parley.ErrWrongUserOrPassword) {
			t.Errorf("%v is a refusal, although a request may have been done", err)
		}
	}
	await[client.Lost](one)
	if e, more := <-one.Events(); more {
		t.Errorf("behind Lost came %v", e)
	}
}

func TestNoReconnect(t *testing.T) {
	s := parleytest.Start(t)
	c := dial(t, s, client.Guest("alice"), client.NoReconnect())
	s.Stop()
	if e := await[client.Lost](c); e.Err.Reason == nil {
		t.Errorf("Lost because of %v", e.Err)
	}
	if e, more := <-c.Events(); more {
		t.Errorf("behind Lost came %v", e)
	}
	var ended *client.ConnError
	if err := c.Nop(within(t)); !errors.As(err, &ended) || errors.Is(err, parley.ErrShuttingDown) {
		t.Errorf("Nop: %v, want a ConnError that is no refusal", err)
	}
}

func TestClose(t *testing.T) {
	s := parleytest.Start(t)
	c := dial(t, s, client.Guest("alice"))
	c.Close()
	c.Close()
	if err := c.Nop(within(t)); !errors.Is(err, client.ErrClosed) {
		t.Errorf("Nop: %v, want ErrClosed", err)
	}
	if !errors.Is(c.Err(), client.ErrClosed) {
		t.Errorf("Err: %v", c.Err())
	}
	if e, more := <-c.Events(); more {
		t.Errorf("an event: %v", e)
	}
	s.Stop()
	c2 := dialLater(t, s)
	c2.Close() // while it tries to connect again
	if !errors.Is(c2.Err(), client.ErrClosed) {
		t.Errorf("Err: %v", c2.Err())
	}
}

// dialLater gives a client whose server has just gone.
func dialLater(t *testing.T, s *parleytest.Server) *program {
	s.Start()
	c := dial(t, s, client.Guest("bob"))
	s.Stop()
	await[client.Lost](c)
	return c
}

// A client can begin anywhere in the history, and misses nothing from there on.
func TestFollow(t *testing.T) {
	s := parleytest.Start(t)
	ctx := within(t)
	talker := account(t, s, "talker")
	var third client.Receipt
	const early, late = 220, 200
	for i := range early {
		receipt := got(talker.Say(ctx, "lobby", fmt.Sprint("early ", i)))(t)
		if i == 2 {
			third = receipt
		}
	}
	go func() {
		for i := range late {
			if _, err := talker.Say(ctx, "lobby", fmt.Sprint("late ", i)); err != nil {
				t.Error(err)
			}
		}
		talker.Say(ctx, "lobby", "the end")
	}()
	behind, all := dial(t, s, client.Guest("behind")), dial(t, s, client.Guest("all"))
	must(t, behind.Follow(ctx, "lobby", third.ID))
	must(t, all.Follow(ctx, "lobby", ""))
	told := heard(behind, 1)["lobby"]
	everything := heard(all, 1)["lobby"]
	history := inHistory(t, talker, "lobby")
	same(t, "lobby, behind the third", told, history[3:])
	same(t, "lobby, from the beginning", everything, history)
	refused(t, all.Follow(ctx, "lobby", "no id"), parley.CodeSyntax)
	refused(t, all.Follow(ctx, "nowhere", ""), parley.CodeRoomNotFound)
}
