package server_test

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
)

// What a message costs may not grow with who hears it: nothing is allocated for
// each delivery, be it alone or one of several that come together.
func TestDeliveriesAllocateNothing(t *testing.T) {
	const few, many, messages = 20, 220, 320
	for _, burst := range []int{1, 16} {
		t.Run(fmt.Sprint(burst), func(t *testing.T) {
			a := allocations(t, few, messages, burst)
			b := allocations(t, many, messages, burst)
			each := (float64(b) - float64(a)) / float64(messages*(many-few))
			t.Logf("%d messages: %d allocations with %d listeners, %d with %d", messages, a, few, b, many)
			if each > 0.02 {
				t.Errorf("%.3f allocations for each delivery", each)
			}
		})
	}
}

// allocations counts those of a server, and of a test that makes none, while
// so many messages are said to so many listeners, in bursts.
func allocations(t *testing.T, listeners, messages, burst int) uint64 {
	h := start(t, onSockets)
	defer h.shutdown()
	speaker := h.textOn()
	speaker.ok("guest", "speaker")
	room := make([]io.Reader, listeners)
	for i := range room {
		l := h.lineOn(fmt.Sprintf("listener%d", i))
		l.send("join lobby")
		l.want("Joined lobby (ok)")
		room[i] = l.Conn // nothing is left in its buffer
	}
	text := strings.Repeat("x", 64)
	said := []byte(strings.Repeat("speaker says in room lobby "+text+"\n", burst))
	heard := make([]byte, len(said))
	requests := []byte(strings.Repeat(string(frame("say", "lobby", text)), burst))
	answers := make([]byte, burst*len(frame(speaker.ok("say", "lobby", text)...)))
	hear := func(answers, said []byte) {
		if _, err := io.ReadFull(speaker.r, answers); err != nil {
			t.Fatal(err)
		}
		for _, l := range room {
			if _, err := io.ReadFull(l, heard[:len(said)]); err != nil || string(heard[:len(said)]) != string(said) {
				t.Fatalf("heard %q, %v", cut(heard), err)
			}
		}
	}
	hear(nil, said[:len(said)/burst])
	var before, after runtime.MemStats
	for i := range 2 * messages / burst {
		if i == messages/burst { // what is made once has been made
			runtime.ReadMemStats(&before)
		}
		speaker.raw(requests)
		hear(answers, said)
	}
	runtime.ReadMemStats(&after)
	return after.Mallocs - before.Mallocs
}
