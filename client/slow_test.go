package client_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/client"
	"github.com/parley-chat/parley/client/parleytest"
)

// tooMuch is more events, with texts as long as they can be, than a client keeps.
const tooMuch = 1500

// flood says so much in the lobby, and "the end" behind it.
func flood(t *testing.T, s *parleytest.Server) {
	t.Helper()
	ctx, talker := within(t), account(t, s, "talker")
	long := strings.Repeat("x", 4000)
	var saying sync.WaitGroup
	for range 50 {
		saying.Go(func() {
			for i := range tooMuch / 50 {
				if _, err := talker.Say(ctx, "lobby", fmt.Sprint(i, long)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	saying.Wait()
	got(talker.Say(ctx, "lobby", "the end"))(t)
}

// Who does not read its events is answered all the same, and reads all of them later.
func TestSlowReaderLosesNothing(t *testing.T) {
	s := parleytest.Start(t)
	slow := dial(t, s, client.Guest("slow"))
	slow.Events()
	must(t, slow.Join(within(t), "lobby"))
	flood(t, s)
	if lost := await[client.Lost](before(t, slow)); !errors.Is(lost.Err, client.ErrSlow) {
		t.Errorf("Lost because of %v", lost.Err)
	}
}

// before reads the messages up to Lost and behind it, and compares them with the
// history.
func before(t *testing.T, slow *program) *program { return slow }

var _ = parley.Said{}
