package client_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/client"
	"github.com/parley-chat/parley/client/parleytest"
)

// tooMuchSaid messages of 4,000 bytes and tooMuchSent commands of 40,000 are more than
// waits for a program.
const (
	tooMuchSaid = 400
	tooMuchSent = 240
)

// flood says so much in the lobby, with "the end" behind it, and sends so much to slow,
// which is answered between times although it does not read its events.
func flood(t *testing.T, s *parleytest.Server, slow *program) {
	t.Helper()
	ctx, talker := within(t), account(t, s, "talker")
	const rounds = 20
	for round := range rounds {
		var talking sync.WaitGroup
		for i := range tooMuchSaid / rounds {
			talking.Go(func() {
				if _, err := talker.Say(ctx, "lobby", fmt.Sprint(round, " ", i, strings.Repeat("x", 4000))); err != nil {
					t.Error(err)
				}
			})
		}
		for range tooMuchSent / rounds {
			talking.Go(func() {
				if err := talker.Send(ctx, "slow", "count", strings.Repeat("x", 40000)); err != nil {
					t.Error(err)
				}
			})
		}
		talking.Wait()
		must(t, slow.Nop(ctx)) // and the server holds nothing for it
	}
	got(talker.Say(ctx, "lobby", "the end"))(t)
}

// Who does not read its events is answered all the same. Later it is told every message of
// its rooms, and how much of the rest it has missed.
func TestSlowReaderLosesNothing(t *testing.T) {
	s := parleytest.Start(t)
	slow := dial(t, s, client.Guest("slow"))
	must(t, slow.Join(within(t), "lobby"))
	flood(t, s, slow)
	var told []parley.Said
	sent, missed := 0, 0
	for ended := false; !ended || sent+missed < tooMuchSent; {
		switch e := slow.next().(type) {
		case parley.Said:
			if ended = e.Text == "the end"; !ended {
				told = append(told, e)
			}
		case parley.Sent:
			sent++
		case client.Missed:
			missed += e.Events
		case client.Lost:
			t.Fatalf("the connection was lost: %v", e.Err)
		}
	}
	same(t, "lobby", told, inHistory(t, slow, "lobby"))
	if missed == 0 || sent+missed != tooMuchSent {
		t.Errorf("%d were sent and %d missed, want %d together, and some of each", sent, missed, tooMuchSent)
	}
	got(account(t, s, "other").Say(within(t), "lobby", "live again"))(t)
	if e := await[parley.Said](slow); e.Text != "live again" {
		t.Errorf("told %q", e.Text)
	}
}

// A connection that is lost while much waits changes nothing of that.
func TestSlowReaderIsCut(t *testing.T) {
	s := parleytest.Start(t)
	slow := dial(t, s, client.Guest("slow"))
	must(t, slow.Join(within(t), "lobby"))
	flood(t, s, slow)
	s.Restart()
	must(t, slow.Nop(within(t)))
	told := heard(slow, 1)["lobby"]
	same(t, "lobby", told, inHistory(t, slow, "lobby"))
}
