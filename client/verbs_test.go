package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/client"
	"github.com/parley-chat/parley/client/parleytest"
)

func shown(names []parley.Name) []string {
	list := make([]string, len(names))
	for i, n := range names {
		list[i] = n.String()
	}
	return list
}

func TestWhoASessionIs(t *testing.T) {
	ctx, s := within(t), parleytest.Start(t)
	c := dial(t, s)
	_, err := c.Whoami(ctx)
	if !errors.Is(err, parley.ErrNotLoggedIn) {
		t.Errorf("Whoami of nobody: %v, want ErrNotLoggedIn", err)
	}
	must(t, c.Guest(ctx, "Robot"))
	if who := got(c.Whoami(ctx))(t); who.String() != "Robot" || who.Key() != "robot" {
		t.Errorf("Whoami = %v", who)
	}
	must(t, c.Register(ctx, "Alice", "secret"))
	refused(t, c.Register(ctx, "alice", "secret"), parley.CodeNameTaken)
	refused(t, c.Register(ctx, "x", "secret"), parley.CodeNameTooShort)
	if err := c.Login(ctx, "alice", "wrong"); !errors.Is(err, parley.ErrWrongUserOrPassword) {
		t.Errorf("Login: %v", err)
	}
	must(t, c.Login(ctx, "alice", "secret"))
	must(t, c.Passwd(ctx, "secret", "another"))
	must(t, c.Logout(ctx))
	must(t, c.Login(ctx, "alice", "another"))
	if who := got(c.Whoami(ctx))(t); who.String() != "Alice" {
		t.Errorf("Whoami = %v", who)
	}
	must(t, c.Nop(ctx))
	_, err = client.Dial(ctx, s.URL, client.Login("alice", "secret"))
	refused(t, err, parley.CodeWrongUserOrPassword)
	if help := got(c.Help(ctx, "nop"))(t); len(help) != 1 || !strings.HasPrefix(help[0], "nop") {
		t.Errorf("Help = %q", help)
	}
	if help := got(c.Help(ctx, ""))(t); len(help) < 20 {
		t.Errorf("Help = %q", help)
	}
}

func TestRooms(t *testing.T) {
	ctx, s := within(t), parleytest.Start(t)
	alice, bob := account(t, s, "alice"), dial(t, s, client.Guest("bob"))
	must(t, alice.NewRoom(ctx, "tea"))
	refused(t, alice.NewRoom(ctx, "tea"), parley.CodeRoomExists)
	refused(t, alice.Join(ctx, "coffee"), parley.CodeRoomNotFound)
	must(t, alice.Join(ctx, "tea"))
	must(t, bob.Join(ctx, "Tea"))
	if e := await[parley.Joined](alice); e.User.String() != "bob" || e.Room.String() != "tea" {
		t.Errorf("alice was told %v", e)
	}
	if rooms := shown(got(bob.Rooms(ctx))(t)); !slices.Equal(rooms, []string{"lobby", "tea"}) {
		t.Errorf("Rooms = %q", rooms)
	}
	if users := shown(got(bob.Users(ctx))(t)); !slices.Equal(users, []string{"alice", "bob"}) {
		t.Errorf("Users = %q", users)
	}
	if members := shown(got(bob.Members(ctx, "tea"))(t)); !slices.Equal(members, []string{"alice", "bob"}) {
		t.Errorf("Members = %q", members)
	}
	if mine := shown(got(alice.MyRooms(ctx))(t)); !slices.Equal(mine, []string{"tea"}) {
		t.Errorf("MyRooms = %q", mine)
	}
	must(t, bob.SetTopic(ctx, "tea", "green, or black?"))
	if e := await[parley.TopicSet](alice); e.Text != "green, or black?" || e.SenderName != "bob" {
		t.Errorf("alice was told %v", e)
	}
	if topic := got(alice.Topic(ctx, "tea"))(t); topic != "green, or black?" {
		t.Errorf("Topic = %q", topic)
	}
	must(t, bob.Leave(ctx, "tea"))
	if e := await[parley.Left](alice); e.User.String() != "bob" {
		t.Errorf("alice was told %v", e)
	}
	refused(t, bob.Leave(ctx, "tea"), parley.CodeNotAMember)
}

func TestSaying(t *testing.T) {
	ctx, s := within(t), parleytest.Start(t)
	alice, bob := account(t, s, "alice"), account(t, s, "bob")
	must(t, bob.Join(ctx, "lobby"))
	receipt := got(alice.Say(ctx, "lobby", `a, b \ c`))(t)
	want := parley.Said{
		Room:    parley.StoredName("lobby", "lobby"),
		Message: parley.Message{Kind: parley.KindMessage, SenderName: "alice", Time: receipt.Time, Text: `a, b \ c`},
	}
	said := await[parley.Said](bob)
	if diff := cmp.Diff(want, said, cmp.AllowUnexported(parley.Name{}), cmpopts.IgnoreFields(parley.Message{}, "Conversation", "Seq")); diff != "" {
		t.Errorf("bob was told (-want +got):\n%s", diff)
	}
	if said.ID() != receipt.ID || receipt.ID == "" || receipt.Time.IsZero() {
		t.Errorf("bob was told %q, alice got %v", said.ID(), receipt)
	}
	first := got(alice.Post(ctx, "lobby", "mine", "once"))(t)
	if again := got(alice.Post(ctx, "lobby", "mine", "once"))(t); again != first {
		t.Errorf("posted again: %v, want %v", again, first)
	}
	_, err := alice.Post(ctx, "lobby", "mine", "twice")
	refused(t, err, parley.CodeSyntax)
	if e := await[parley.Said](bob); e.ID() != first.ID {
		t.Errorf("bob was told %v", e)
	}
	got(alice.Post(ctx, "@bob", "", "in private"))(t)
	if e := await[parley.Told](bob); e.Text != "in private" || e.SenderName != "alice" || e.To.String() != "bob" || e.ID() != "" {
		t.Errorf("bob was told %v", e)
	}
	must(t, bob.Copies(ctx, true))
	receipt = got(alice.Tell(ctx, "bob", "with id"))(t)
	if e := await[parley.Told](bob); e.ID() != receipt.ID || !e.Time.Equal(receipt.Time) {
		t.Errorf("bob was told %v, alice got %v", e, receipt)
	}
	bob2 := account(t, s, "bob")
	got(bob2.Tell(ctx, "alice", "a copy"))(t)
	if e := await[parley.ToldCopy](bob); e.To.String() != "alice" || e.Text != "a copy" {
		t.Errorf("bob was told %v", e)
	}
	must(t, alice.Send(ctx, "bob", "light", "on", "60%"))
	if e := await[parley.Sent](bob); e.From.String() != "alice" || e.Command != "light" || !slices.Equal(e.Args, []string{"on", "60%"}) {
		t.Errorf("bob was told %v", e)
	}
	refused(t, alice.Send(ctx, "nobody", "light"), parley.CodeUserNotFound)
}

func TestHistoryBothWays(t *testing.T) {
	ctx, s := within(t), parleytest.Start(t)
	alice := account(t, s, "alice")
	const said = 220
	ids := make([]string, said)
	for i := range said {
		ids[i] = got(alice.Say(ctx, "lobby", fmt.Sprint(i)))(t).ID
	}
	texts := func(page []parley.Message, err error) string {
		must(t, err)
		var b strings.Builder
		for _, m := range page {
			b.WriteString(m.Text + " ")
		}
		return b.String()
	}
	for _, tt := range []struct{ what, got, want string }{
		{"the latest", texts(alice.HistoryBefore(ctx, "lobby", "", 2)), "218 219 "},
		{"before", texts(alice.HistoryBefore(ctx, "lobby", ids[10], 2)), "8 9 "},
		{"the first", texts(alice.HistoryAfter(ctx, "lobby", "", 2)), "0 1 "},
		{"after", texts(alice.HistoryAfter(ctx, "lobby", ids[10], 2)), "11 12 "},
		{"behind the end", texts(alice.HistoryAfter(ctx, "lobby", ids[said-1], 2)), ""},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %q, want %q", tt.what, tt.got, tt.want)
		}
	}
	n := 10
	for m, err := range alice.History(ctx, "lobby", ids[9]) {
		must(t, err)
		if m.Text != fmt.Sprint(n) || m.ID() != ids[n] {
			t.Fatalf("message %d is %v", n, m)
		}
		n++
	}
	if n != said {
		t.Errorf("History ended at %d, want %d", n, said)
	}
	for _, err := range alice.History(ctx, "nowhere", "") {
		refused(t, err, parley.CodeRoomNotFound)
	}
}

// A list of more than one page holds every name once. A page has 60 KiB at most, and
// these names are as long as names can be.
func TestListsPage(t *testing.T) {
	ctx, s := within(t), parleytest.Start(t, parleytest.Rooms())
	alice := dial(t, s, client.Guest("alice"))
	const rooms = 400
	long := strings.Repeat("𐐨", 47)
	var making sync.WaitGroup
	for i := range rooms {
		making.Go(func() {
			if err := alice.NewRoom(ctx, fmt.Sprintf("%s%03d", long, i)); err != nil {
				t.Error(err)
			}
		})
	}
	making.Wait()
	page := got(alice.Do(ctx, "rooms"))(t)
	if len(page) > rooms {
		t.Errorf("a page holds %d names; make more rooms", len(page)-1)
	}
	list := shown(got(alice.Rooms(ctx))(t))
	if len(list) != rooms || list[0] != long+"000" || list[rooms-1] != long+"399" || !slices.IsSorted(list) {
		t.Errorf("Rooms gave %d names, want %d", len(list), rooms)
	}
}

// Answers reach who asked, however many ask at once.
func TestPipelining(t *testing.T) {
	ctx, s := within(t), parleytest.Start(t)
	alice, bob := account(t, s, "alice"), dial(t, s, client.Guest("bob"))
	must(t, bob.Join(ctx, "lobby"))
	const talkers, each = 100, 10
	var talking sync.WaitGroup
	for i := range talkers {
		talking.Go(func() {
			for j := range each {
				text := fmt.Sprintf("%d %d", i, j)
				if _, err := alice.Say(ctx, "lobby", text); err != nil {
					t.Error(err)
				}
				if _, err := alice.Topic(ctx, text); !errors.Is(err, &parley.Error{Code: parley.CodeRoomNotFound}) || !strings.Contains(err.Error(), text) {
					t.Errorf("Topic of %q: %v", text, err)
				}
			}
		})
	}
	next := make([]int, talkers)
	for range talkers * each {
		var i, j int
		e := await[parley.Said](bob)
		fmt.Sscan(e.Text, &i, &j)
		if next[i] != j {
			t.Fatalf("talker %d: message %d came where %d was next", i, j, next[i])
		}
		next[i]++
	}
	talking.Wait()
}

func TestContextGivesUp(t *testing.T) {
	s := parleytest.Start(t)
	alice := dial(t, s, client.Guest("alice"))
	ctx, cancel := context.WithCancel(within(t))
	cancel()
	if _, err := alice.Do(ctx, "nop"); !errors.Is(err, context.Canceled) {
		t.Errorf("Do: %v, want context.Canceled", err)
	}
	// What was sent is given up: alice asks herself, and returns when she has stopped waiting.
	ctx, cancel = context.WithCancel(within(t))
	givenUp := make(chan struct{})
	alice.Handle("wait", func(context.Context, client.Call) ([]string, error) {
		cancel()
		<-givenUp
		return nil, nil
	})
	_, err := alice.Ask(ctx, "alice", "wait")
	close(givenUp)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Ask: %v, want context.Canceled", err)
	}
	must(t, alice.Nop(within(t)))
}

// What would end the connection, or be refused without an ID, is not sent.
func TestRefusedHere(t *testing.T) {
	ctx, s := within(t), parleytest.Start(t)
	alice := dial(t, s, client.Guest("alice"))
	for _, tt := range []struct {
		name string
		args []string
		code parley.Code
	}{
		{"not UTF-8", []string{"\xff"}, parley.CodeSyntax},
		{"too many", make([]string, 1022), parley.CodeSyntax},
		{"too long", []string{strings.Repeat("x", 65536)}, parley.CodeRequestTooLong},
		{"too long when escaped", []string{strings.Repeat(",", 33000)}, parley.CodeRequestTooLong},
		{"as long as goes", []string{strings.Repeat("x", 65536-len("req,0123456789abc,unheard,"))}, parley.CodeCommandNotFound},
		{"as many as go", make([]string, 1021), parley.CodeCommandNotFound},
		{"nothing", nil, parley.CodeCommandNotFound},
	} {
		_, err := alice.Do(ctx, "unheard", tt.args...)
		if !errors.Is(err, &parley.Error{Code: tt.code}) {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.code)
		}
	}
	for _, command := range []string{"join", "login", "guest", "leave", "say", "post", "provide", "withdraw", "copies", "passwd"} {
		_, err := alice.Do(ctx, command)
		refused(t, err, parley.CodeSyntax)
	}
	must(t, alice.Nop(ctx))
}

func TestAddresses(t *testing.T) {
	for _, url := range []string{
		"", "text://", "line://127.0.0.1:1", "127.0.0.1:7700", "text://u:p@127.0.0.1:1", "text://127.0.0.1:1/x",
		"text://127.0.0.1:1?x", "text+unix://host/x", "text+unix://", "text://127.0.0.1:port",
	} {
		c, err := client.Dial(t.Context(), url)
		if err == nil {
			c.Close()
			t.Errorf("Dial(%q) has no error", url)
		} else if strings.Contains(err.Error(), "u:p") {
			t.Errorf("Dial(%q) tells a password: %v", url, err)
		}
	}
}
