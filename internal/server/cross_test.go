package server_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// The matrix of T01: whatever is said at one door reaches the others as data.
// A door adds a row to crossDoors, a way to be heard one to carriers.

// event is what a client hears, in the words of §3.4.
type event struct {
	kind string // room, private, program, joined, left, topic
	to   string // the one who hears it; empty: everybody in the room
	room string
	from string
	text string
}

// speaker is a client at a door. Each verb says something, wants exactly the
// answers that the protocol has for it, and returns what others hear of it.
type speaker interface {
	use(t testing.TB)
	say(room, text string) []event
	tell(user, text string) []event
	program(user, word string) []event // a command and its argument
	topic(room, text string) []event
	address(name string)                 // everything that takes the name of a room or a user
	password(name, word string)          // make an account, and prove it
	heard() []event                      // all that was pushed since the last call
	introduce(name string) (as []string) // a newcomer says a name: as it was accepted
}

type crossDoor struct {
	name string
	open func(h *host, name string) speaker // in the lobby
	// hears tells how a client of this door hears an event.
	hears func(e event) []event
}

var crossDoors = []crossDoor{
	{name: "text", open: openText, hears: func(e event) []event { return []event{e} }},
	{name: "line", open: openLine, hears: lineHears},
}

// carriers are the ways in which a string travels.
var carriers = []struct {
	name    string
	private bool // for the target alone: what others hear, each door has somebody to hear
	carry   func(x *crossing, s string) []event
}{
	{"room text", false, func(x *crossing, s string) []event { return x.from.say("lobby", s) }},
	{"private text", true, func(x *crossing, s string) []event { return x.from.tell(x.target, s) }},
	{"program", true, func(x *crossing, s string) []event { return x.from.program(x.target, s) }},
	{"topic", false, func(x *crossing, s string) []event { return x.from.topic("lobby", s) }},
	{"address", false, func(x *crossing, s string) []event { x.from.address(s); return nil }},
	{"password", false, func(x *crossing, s string) []event {
		x.h.accounts++
		x.from.password(fmt.Sprintf("account%d", x.h.accounts), s)
		return nil
	}},
	{"user name", false, func(x *crossing, s string) (all []event) {
		for _, name := range x.from.introduce(s) {
			if err := nameFault(name); err != nil {
				x.t.Errorf("%q was accepted: %v", name, err)
			}
			all = append(all, event{kind: "joined", room: "lobby", from: name},
				event{kind: "room", room: "lobby", from: name, text: "it is me"},
				event{kind: "left", room: "lobby", from: name, text: "connection closed"})
		}
		return all
	}},
}

// crossing is one cell of the matrix: a sender at one door, a target at
// another, and somebody at every door who listens.
type crossing struct {
	t         testing.TB
	h         *host
	from      speaker
	target    string
	listeners []listener
}

type listener struct {
	speaker
	door crossDoor
	name string
}

func newCrossing(t testing.TB, h *host, from, to crossDoor) *crossing {
	h.crossings++
	x := &crossing{t: t, h: h, target: fmt.Sprintf("target%d", h.crossings)}
	for _, d := range crossDoors {
		x.listen(h, d, fmt.Sprintf("by%s%d", d.name, h.crossings))
	}
	x.listen(h, to, x.target)
	x.from = x.listen(h, from, fmt.Sprintf("speaker%d", h.crossings))
	for _, l := range x.listeners {
		l.heard() // who came
	}
	return x
}

func (x *crossing) listen(h *host, d crossDoor, name string) speaker {
	l := listener{speaker: d.open(h, name), door: d, name: name}
	x.listeners = append(x.listeners, l)
	return l.speaker
}

// use lets another test go on with the crossing.
func (x *crossing) use(t testing.TB) {
	x.h.t, x.t = t, t
	for _, l := range x.listeners {
		l.use(t)
		l.heard() // what other crossings did in the same room
	}
}

// cross carries one string, and wants everybody to hear exactly what was said.
func (x *crossing) cross(carry func(x *crossing, s string) []event, s string) {
	x.t.Helper()
	said := carry(x, s)
	for _, l := range x.listeners {
		var want []event
		for _, e := range said {
			if e.to == l.name || e.to == "" && e.from != l.name {
				want = append(want, l.door.hears(e)...)
			}
		}
		got := l.heard()
		for i := range got {
			got[i].to = "" // it is known by who hears it
		}
		for i := range want {
			want[i].to = ""
		}
		if !reflect.DeepEqual(got, want) {
			x.t.Errorf("%.100q: %s heard %.300q, want %.300q", s, l.name, got, want)
		}
	}
}

func TestCrossDoor(t *testing.T) {
	if len(hostile) < 120 {
		t.Fatalf("the matrix has %d strings, want at least 120", len(hostile))
	}
	for _, from := range crossDoors {
		for i, to := range crossDoors {
			for _, carrier := range carriers {
				if i > 0 && !carrier.private {
					continue
				}
				t.Run(fmt.Sprintf("%s from %s to %s", carrier.name, from.name, to.name), func(t *testing.T) {
					x := newCrossing(t, start(t), from, to)
					for _, s := range hostile {
						if x.cross(carrier.carry, s); t.Failed() {
							return
						}
					}
				})
			}
		}
	}
}

// FuzzCrossDoor carries any string in any way between any two doors. One
// server serves all of them, as it would in real life.
func FuzzCrossDoor(f *testing.F) {
	for i, s := range hostile {
		f.Add(s, uint8(i))
	}
	h := start(f)
	cells := map[[2]int]*crossing{}
	broken := false // then what follows, to find a shorter string, begins anew
	for from := range crossDoors {
		for to := range crossDoors {
			cells[[2]int{from, to}] = newCrossing(f, h, crossDoors[from], crossDoors[to])
		}
	}
	f.Fuzz(func(t *testing.T, s string, how uint8) {
		if len(s) > 8192 {
			t.Skip("longer than any limit")
		}
		doors, carrier := [2]int{int(how) & 1, int(how) >> 1 & 1}, carriers[int(how>>2)%len(carriers)]
		x := cells[doors]
		if broken {
			x = newCrossing(t, start(t), crossDoors[doors[0]], crossDoors[doors[1]])
		}
		x.use(t)
		defer func() { broken = broken || t.Failed() }()
		x.cross(carrier.carry, s)
	})
}

// pieces is what the line door shows of a text (§3.4), behind a prefix. It is
// written apart from the server's own, so that both must be right.
func pieces(text, prefix string) []string {
	const limit = 4096
	var all []string
	for _, piece := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune("\r\n\v\f\u0085\u2028\u2029", r) }) {
		now := ""
		for _, r := range piece {
			if r != '\t' && unicode.IsControl(r) {
				r = '\ufffd'
			}
			if len(prefix)+len(now)+utf8.RuneLen(r) > limit {
				all = append(all, now)
				now = ""
			}
			now += string(r)
		}
		all = append(all, now)
	}
	return all
}

// textFault tells why no door takes a text; empty: each does.
func textFault(s string) string {
	switch {
	case !utf8.ValidString(s):
		return "syntax"
	case len(s) > 4096:
		return "request_too_long"
	case len(pieces(s, "")) == 0:
		return "syntax"
	}
	return ""
}

// nameFault tells why a string must not have become a name.
func nameFault(name string) error {
	for _, r := range name {
		if !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_-|[]{}^`", r) {
			return fmt.Errorf("%q holds %U", name, r)
		}
	}
	if n := utf8.RuneCountInString(name); n < 1 || n > 20 {
		return fmt.Errorf("%q has %d characters", name, n)
	}
	return nil
}
