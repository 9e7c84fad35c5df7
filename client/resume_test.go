package client_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/client"
	"github.com/parley-chat/parley/client/parleytest"
	"github.com/parley-chat/parley/internal/memnet"
)

// Posts that are under way when their connection is lost are said once, all of them.
func TestPostsAreSaidOnce(t *testing.T) {
	s := parleytest.Start(t)
	ctx, talker, reader := within(t), account(t, s, "talker"), account(t, s, "reader")
	const goroutines, each = 64, 10
	var posting sync.WaitGroup
	for i := range goroutines {
		posting.Go(func() {
			for j := range each {
				if _, err := talker.Post(ctx, "lobby", "", fmt.Sprint(i, " ", j)); err != nil {
					t.Error(err)
				}
				if i == 0 {
					talker.Cut()
				}
			}
		})
	}
	posting.Wait()
	seen := map[string]int{}
	for _, m := range inHistory(t, reader, "lobby") {
		seen[m.Text]++
	}
	if len(seen) != goroutines*each {
		t.Errorf("%d texts were said, want %d", len(seen), goroutines*each)
	}
	for text, n := range seen {
		if n != 1 {
			t.Errorf("%q was said %d times", text, n)
		}
	}
}

// A post that was given up while there is no connection is not sent on the next one.
func TestPostIsGivenUp(t *testing.T) {
	posted, givenUp := make(chan struct{}), make(chan struct{})
	p := newPuppet(t, func(n int, c net.Conn) {
		if n == 0 {
			let(c, "ok")
			read(c)
			close(posted)
			return // it is not answered
		}
		<-givenUp
		let(c, "ok")
		for r := read(c); r != nil; r = read(c) {
			if r[2] == "post" {
				t.Errorf("%q was sent", r)
			}
			write(c, "req", r[1], "ok")
		}
	})
	c, err := client.Dial(within(t), p.url(), client.Login("talker", "x"), client.Quick())
	must(t, err)
	defer c.Close()
	ctx, cancel := context.WithCancel(within(t))
	go func() {
		<-posted
		await[client.Lost](&program{c, t})
		cancel()
	}()
	_, err = c.Post(ctx, "lobby", "", "too late")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Post: %v, want context.Canceled", err)
	}
	close(givenUp)
	must(t, c.Nop(within(t)))
}

// A guest that says its name again is in its rooms all the same (1.6.3).
func TestGuestAgain(t *testing.T) {
	ctx, s := within(t), parleytest.Start(t)
	guest := dial(t, s, client.Guest("guest"))
	must(t, guest.Join(ctx, "lobby"))
	must(t, guest.Guest(ctx, "Guest"))
	guest.Cut()
	await[client.Back](guest)
	if members := shown(got(guest.Members(ctx, "lobby"))(t)); len(members) != 1 {
		t.Errorf("in lobby are %q", members)
	}
	must(t, guest.Guest(ctx, "other"))
	guest.Cut()
	await[client.Back](guest)
	if members := shown(got(guest.Members(ctx, "lobby"))(t)); len(members) != 0 {
		t.Errorf("in lobby are %q", members)
	}
}

// More rooms than are read up at once are all read up.
func TestManyRoomsAreReadUp(t *testing.T) {
	var names []string
	for i := range 12 {
		names = append(names, fmt.Sprint("room", i))
	}
	s := parleytest.Start(t, parleytest.Rooms(names...))
	ctx := within(t)
	listener, talker := account(t, s, "listener"), account(t, s, "talker")
	for _, room := range names {
		must(t, listener.Join(ctx, room))
	}
	s.Stop()
	await[client.Lost](listener)
	s.Start()
	for i := range 5 {
		for _, room := range names {
			got(talker.Post(ctx, room, "", fmt.Sprint(i)))(t)
		}
	}
	for _, room := range names {
		got(talker.Post(ctx, room, "", "the end"))(t)
	}
	told := heard(listener, len(names))
	for _, room := range names {
		same(t, room, told[room], inHistory(t, talker, room))
	}
}

// A right that was taken away is told with Back, and the rest is restored.
func TestProvideIsRefusedLater(t *testing.T) {
	ctx, s := within(t), parleytest.Start(t, parleytest.Grant("robot", "provide"))
	robot := account(t, s, "robot")
	must(t, robot.Provide(ctx, "echo", 0, -1, "gives back what it gets", echo))
	s.Stop()
	s.Grant("robot")
	s.Start()
	refused(t, await[client.Back](robot).Err, parley.CodeForbidden)
	robot.Cut()
	if e := await[client.Back](robot); e.Err != nil {
		t.Errorf("Back again with %v: it should not be asked for any more", e.Err)
	}
}

// catcher is a server for a client that has lost its connection: it lets it in and
// answers its histories, one after the other.
func catcher(t *testing.T, histories ...[]string) *program {
	p := newPuppet(t, func(n int, c net.Conn) {
		for {
			r := read(c)
			if r == nil {
				return
			}
			answer := []string{"ok"}
			switch {
			case r[2] != "history":
			case len(r) > 6 && r[4] == "": // what was said last, before a join
				answer = []string{"history", "1-0000000000005", "2026-11-20T20:31:37.581Z", "bob", "five"}
			case len(histories) > 0:
				answer, histories = histories[0], histories[1:]
			default:
				answer = []string{"history"}
			}
			write(c, append([]string{"req", r[1]}, answer...)...)
			if n == 0 && r[2] == "join" {
				return // lost
			}
		}
	})
	c, err := client.Dial(within(t), p.url(), client.Guest("robot"), client.Quick())
	must(t, err)
	t.Cleanup(c.Close)
	must(t, c.Join(within(t), "lobby"))
	return &program{c, t}
}

var lineOne = []string{"history", "2-0000000000001", "2026-11-20T20:31:37.581Z", "bob", "one"}

// A room that was made anew under its name is new from its beginning.
func TestRoomMadeAnew(t *testing.T) {
	robot := catcher(t, []string{"error", "nonfatal", "syntax", "this id is of another conversation"}, lineOne)
	if e := await[parley.Said](robot); e.Text != "one" {
		t.Errorf("told %v", e)
	}
}

// A room can be deleted between the join and the reading of its history.
func TestRoomDeletedAtOnce(t *testing.T) {
	robot := catcher(t, []string{"error", "nonfatal", "room_not_found", "there is no room lobby"})
	if e := await[parley.RoomDeleted](robot); e.Room.String() != "lobby" {
		t.Errorf("told %v", e)
	}
}

// A history that cannot be read now is read on the next connection.
func TestHistoryIsReadLater(t *testing.T) {
	robot := catcher(t, []string{"error", "nonfatal", "unavailable", "later"}, lineOne)
	await[client.Back](robot)
	if lost := await[client.Lost](robot); errors.Is(lost.Err, parley.ErrUnavailable) {
		t.Errorf("%v is a refusal", lost.Err)
	}
	if e := await[parley.Said](robot); e.Text != "one" {
		t.Errorf("told %v", e)
	}
}

// deaf is a connection to which nothing can be written any more.
type deaf struct{ *memnet.Conn }

func (d deaf) Write([]byte) (int, error) { return 0, syscall.EPIPE }

// The last words of a server that has stopped reading are heard.
func TestLastWords(t *testing.T) {
	ours, theirs := memnet.Pipe(1 << 16)
	c := client.Over(t, deaf{ours})
	defer c.Close()
	done := make(chan error)
	go func() { done <- c.Nop(within(t)) }()
	write(theirs, "error", "fatal", "slow_consumer", "you did not read")
	var ended *client.ConnError
	if err := <-done; !errors.As(err, &ended) || ended.Reason == nil || ended.Reason.Code != parley.CodeSlowConsumer {
		t.Errorf("Nop: %v, want a ConnError with slow_consumer", err)
	}
	theirs.Close()
}
