package server_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/wire/textwire"
)

// asked is a request as it goes over the wire, and what must come back.
type asked struct {
	data []byte
	want answer
}

// ask makes a request as a client may: bare, behind IDs, or broken.
func (a *asker) ask() asked {
	switch a.IntN(30) {
	case 0:
		return asked{nil, refused("syntax")}
	case 1:
		return asked{[]byte(pick(a, `say,lobby,hi\`, "whoami\xff", "say,lobby,\xed\xa0\x80", strings.Repeat(",", 1024))), refused("syntax")}
	case 2:
		return asked{[]byte("req"), refused("syntax")}
	case 3:
		return asked{[]byte("req,7"), answer{fields: []string{"req", "7", "error", "nonfatal", "syntax", "*"}}}
	case 4:
		return a.giant()
	}
	fields, act := a.next()
	ids := pick(a, 0, 0, 0, 1, 1, 1, 2, 8, 9)
	prefix := []string{}
	for i := range ids {
		prefix = append(prefix, "req", pick(a, "", "a,b", `\`, fmt.Sprint(i), fmt.Sprint(a.IntN(1000))))
	}
	data := textwire.Append(nil, append(slices.Clone(prefix), fields...)...)
	if len(data) == 0 {
		return asked{data, refused("syntax")} // an empty command is an empty frame
	}
	want := refused("syntax")
	if ids <= 8 {
		want = act()
	} else {
		prefix = prefix[:16]
	}
	check := want.check
	want.fields = append(prefix, want.fields...)
	want.check = func(got []string) error {
		if check == nil {
			return nil
		}
		return check(got[len(prefix):])
	}
	want.pushed = len(a.pushes)
	return asked{data, want}
}

// giant asks behind an ID that fills the frame: only what says nothing can be
// answered behind it; nothing else is done.
func (a *asker) giant() asked {
	command := pick(a, "nop", "whoami", "say,lobby,hi", "new,r0", "frobnicate")
	most := parley.DefaultLimits().Frame
	id := strings.Repeat("i", most-len("req,,")-len(command))
	if command == "nop" {
		return asked{[]byte("req," + id + ",nop"), says("req", id)}
	}
	return asked{[]byte("req," + id + "," + command), refused("request_too_long")}
}

func (a *asker) post() ([]string, func() answer) {
	room, user := a.aRoom(), a.aUser()
	to := pick(a, room, "lobby", "@"+user)
	text, wrong := a.aText()
	id := pick(a, "c1", "c2", "c3", "c4", "c5", "c6", "", strings.Repeat("c", 65))
	return []string{"post", to, id, text}, func() answer {
		if id == "" || len(id) > 64 && wrong == "" {
			return refused("syntax")
		}
		private := strings.HasPrefix(to, "@")
		before := a.posted[a.user+","+id]
		if before != nil && a.account && wrong == "" {
			if again, known := a.again(to, private, text, before); known {
				return again
			}
		}
		var first answer
		if private {
			first = a.tellTo(user, text, wrong)
		} else {
			first = a.sayIn(to, text, wrong)
		}
		if first.check != nil && a.account {
			said := a.said[a.conversation(to)]
			a.posted[a.user+","+id] = said[len(said)-1]
		}
		return first
	}
}

// conversation is that of what a client calls it.
func (a *asker) conversation(to string) string {
	user, private := strings.CutPrefix(to, "@")
	if !private {
		return to
	}
	return strings.Join(slices.Sorted(slices.Values([]string{user, a.user})), "@")
}

// again is the answer to a client id that was there before; unknown if what it
// is for would not be kept at all.
func (a *asker) again(to string, private bool, text string, before *kept) (answer, bool) {
	user := strings.TrimPrefix(to, "@")
	_, account := a.passwords[user]
	if private && !account || !private && !a.isRoom(to) {
		return answer{}, false
	}
	if before.conversation != a.conversation(to) || before.text != text {
		return refused("syntax"), true
	}
	return answer{fields: []string{"ok", "*", "*"}, check: func(got []string) error {
		if got[1] != before.id || got[2] != before.time {
			return fmt.Errorf("it was said before, as %s, %s", before.id, before.time)
		}
		return nil
	}}, true
}

// order asks so many requests on one connection, in random pieces, and holds the
// answers against the model one by one.
func order(t *testing.T, h *host, c *textClient, seed uint64, requests int) {
	t.Helper()
	a := newAsker(seed)
	all := make([]asked, requests)
	var stream []byte
	for i := range all {
		all[i] = a.ask()
		size := len(all[i].data)
		stream = append(stream, byte(size>>24), byte(size>>16), byte(size>>8), byte(size), 0)
		stream = append(stream, all[i].data...)
	}
	written := make(chan error, 1)
	go func() { written <- inPieces(c, stream, rand.New(rand.NewPCG(seed, 1))) }() // ends with the connection at the latest
	pushed := 0
	for i, q := range all {
		got := c.recv()
		for ; len(got) > 0 && got[0] == "send"; got = c.recv() {
			if pushed == len(a.pushes) || !slices.Equal(got, a.pushes[pushed]) {
				t.Fatalf("seed %d: before answer %d %q is pushed", seed, i, cut([]byte(strings.Join(got, ","))))
			}
			pushed++
		}
		var err error
		switch {
		case !resembles(got, q.want.fields):
			err = fmt.Errorf("want %.200q", q.want.fields)
		case pushed < q.want.pushed:
			err = fmt.Errorf("%d pushes came before it, want %d", pushed, q.want.pushed)
		case q.want.check != nil:
			err = q.want.check(got)
		}
		if err != nil {
			t.Fatalf("seed %d: request %d, %q: got %.200q: %v", seed, i, cut(q.data), got, err)
		}
	}
	if err := <-written; err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
}

// resembles is like, and a * at the end of a field is anything.
func resembles(got, want []string) bool {
	filled := slices.Clone(want)
	for i, w := range filled {
		if begin, open := strings.CutSuffix(w, "*"); open && i < len(got) && strings.HasPrefix(got[i], begin) {
			filled[i] = got[i]
		}
	}
	return like(got, filled)
}

// inPieces writes a stream as a network may bring it.
func inPieces(w io.Writer, stream []byte, r *rand.Rand) error {
	for len(stream) > 0 {
		n := min(len(stream), 1+r.IntN([]int{4, 100, 5000, 100_000}[r.IntN(4)]))
		if _, err := w.Write(stream[:n]); err != nil {
			return err
		}
		stream = stream[n:]
	}
	return nil
}

// neighbours are those whom the asker knows: see asker.
func neighbours(h *host) {
	h.t.Helper()
	h.account("carol").Close()
	bob := h.account("bob")
	bob.ok("join", "lobby")
	for _, c := range []*textClient{bob, h.guest("gail")} {
		go io.Copy(io.Discard, c.r) // ends with the connection
	}
	other := h.text()
	eventually(h.t, "carol goes", func() bool { return like(other.ask("users"), []string{"users", "bob", "gail"}) })
	other.Close()
}

// seeds gives so many random seeds, or that of PARLEY_SEED alone, to play the
// sequence of a failure again.
func seeds(t *testing.T, n int) (all []uint64) {
	t.Helper()
	if again := os.Getenv("PARLEY_SEED"); again != "" {
		seed, err := strconv.ParseUint(again, 10, 64)
		if err != nil {
			t.Fatalf("PARLEY_SEED: %v", err)
		}
		return []uint64{seed}
	}
	for range n {
		all = append(all, rand.Uint64())
	}
	return all
}

// tight are limits that a pipelining client meets all the time.
func tight(l *parley.Limits) { l.Answers, l.PostsInFlight, l.PostBytesInFlight = 500, 3, 4000 }

// Promise 5: answers come in the order of the requests, and each is what its
// request must be answered in the state that those before it leave behind.
func TestAnswersInOrder(t *testing.T) {
	const requests = 1000
	for _, tt := range []struct {
		name   string
		buffer int
		change []func(*setup)
	}{
		{name: "usual limits", buffer: roomy},
		{name: "a small buffer", buffer: 2000},
		{name: "a slow store", buffer: roomy, change: []func(*setup){slow(20 * time.Millisecond)}},
		{name: "tight limits", buffer: 2000, change: []func(*setup){limits(tight)}},
		{name: "tight limits and a slow store", buffer: roomy, change: []func(*setup){limits(tight), slow(time.Millisecond)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, seed := range seeds(t, heavy(1, 3, 100)) {
				bubble(t, func(t *testing.T, h *host) {
					neighbours(h)
					order(t, h, &textClient{newClient(t, h.memory("text", tt.buffer))}, seed, requests)
				}, tt.change...)
			}
		})
	}
	for _, change := range []func(*setup){limits(func(*parley.Limits) {}), limits(tight)} {
		t.Run("on a socket", func(t *testing.T) {
			for _, seed := range seeds(t, heavy(1, 3, 100)) {
				h := start(t, onSockets, change)
				neighbours(h)
				order(t, h, h.textOn(), seed, requests)
			}
		})
	}
}
