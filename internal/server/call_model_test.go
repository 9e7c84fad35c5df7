package server_test

import (
	"flag"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/proof"
)

// callStep is one thing that a script lets somebody do. What its numbers mean
// depends on what is there then, so that any script can be played.
type callStep struct {
	Op     string
	Who    int
	Other  int
	Choice int
	Bare   bool // without a request ID
	Settle bool // all that it causes happens before the next step
}

var callOps = []string{
	"call", "call", "call", "call", "ask", "ask", "ask", "return", "return", "return", "return", "return",
	"return again", "return another's", "return unknown", "provide", "provide", "provide", "withdraw", "say", "whoami",
	"logout", "login", "vanish", "half-close", "come", "come", "pass",
}

// callSlots are who takes part: two who may provide, one of them twice, one who
// is in the lobby, another, and nobody.
var (
	callSlots    = []string{"robot", "robot2", "robot", "alice", "carl", ""}
	callCommands = []string{"dice", "coin"}
)

var callScripts = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) callStep {
	return callStep{
		Op:     rapid.SampledFrom(callOps).Draw(t, "op"),
		Who:    rapid.IntRange(0, len(callSlots)-1).Draw(t, "who"),
		Other:  rapid.IntRange(0, len(callSlots)-1).Draw(t, "other"),
		Choice: rapid.IntRange(0, 30).Draw(t, "choice"),
		Bare:   rapid.Bool().Draw(t, "bare"),
		Settle: rapid.IntRange(0, 3).Draw(t, "settle") > 0,
	}
}), 20, 150)

// callWorld plays a script against a server. The judge holds what comes of it.
type callWorld struct {
	*callJudge
	h       *host
	dial    func() *textClient
	settle  func()
	pass    func(time.Duration)
	peers   []*callPeer // by slot
	readers sync.WaitGroup
}

// come opens a connection for a slot, in place of the one before.
func (w *callWorld) come(slot int) {
	p := newCallPeer(callSlots[slot], w.dial())
	w.peers[slot] = p
	w.enters(p)
	w.readers.Go(func() { w.read(p) }) // ends with the connection: see finish
	if p.name != "" {
		w.login(p)
	}
	if p.name == "alice" {
		w.ask(p, p.named("ok"), false, "join", "lobby")
	}
}

func (w *callWorld) read(p *callPeer) {
	for {
		data, err := readFrame(p.c.r)
		if err != nil {
			w.streamEnded(p, err)
			return
		}
		w.heard(p, data)
	}
}

func (w *callWorld) login(p *callPeer) {
	w.ask(p, w.becoming(p, p.name), false, "login", p.name, "secret")
}

// ask writes a request, of which the judge knows first.
func (w *callWorld) ask(p *callPeer, r *asking, bare bool, fields ...string) {
	p.c.Write(frame(w.asks(p, r, bare, fields)...)) // whether it goes through, the reader tells
}

// play does one step.
func (w *callWorld) play(s callStep) {
	p, command := w.peers[s.Who], callCommands[s.Choice%len(callCommands)]
	if over := w.isOver(p); over != (s.Op == "come") && s.Op != "pass" {
		return
	}
	switch s.Op {
	case "call":
		w.ask(p, &asking{isCall: true}, s.Bare, command)
	case "ask":
		to := []string{"robot", "robot2", "alice", "carl", "stranger"}[(s.Other+s.Choice)%5]
		w.ask(p, &asking{isCall: true, to: to}, s.Bare, "ask", to, "x")
	case "provide":
		w.ask(p, w.providing(p, command), s.Bare, "provide", command, "0", "-1", "")
	case "withdraw":
		w.ask(p, w.withdrawing(p, command), s.Bare, "withdraw", command)
	case "say":
		w.ask(p, p.named("ok", "*", "*"), s.Bare, "say", "lobby")
	case "whoami":
		w.ask(p, p.named("user", p.user), s.Bare, "whoami")
	case "logout":
		w.ask(p, w.becoming(p, ""), s.Bare, "logout")
	case "login":
		if p.name != "" {
			w.login(p)
		}
	case "vanish", "half-close":
		w.end(p, s.Op == "vanish")
	case "come":
		w.come(s.Who)
	case "pass":
		w.pass([]time.Duration{1700 * time.Millisecond, 3100 * time.Millisecond}[s.Choice%2])
	default:
		w.giveBack(p, s)
	}
	if s.Settle {
		w.settle()
	}
}

// giveBack returns something, for some number.
func (w *callWorld) giveBack(p *callPeer, s callStep) {
	from, number := p, strconv.Itoa(s.Choice)
	if s.Op == "return another's" {
		from = w.peers[s.Other]
	}
	if list := w.inHand(from, s.Op == "return again"); len(list) > 0 && s.Op != "return unknown" {
		number = list[s.Choice%len(list)]
	}
	w.returns(p, number, s.Choice+s.Other)
}

func (w *callWorld) returns(p *callPeer, number string, kind int) {
	values := w.gives(p, number, kind)
	p.c.Write(frame(append([]string{"return", number}, values...)...))
}

// end ends a connection, or only its sending direction.
func (w *callWorld) end(p *callPeer, whole bool) {
	w.ends(p, whole)
	if whole {
		p.c.Close()
	} else {
		p.c.Conn.(interface{ CloseWrite() error }).CloseWrite()
	}
}

// finish waits until all is answered, and holds that nothing is left behind.
func (w *callWorld) finish(abrupt bool) {
	if !abrupt {
		w.untilQuiet()
		for range 12 {
			w.pass(w.call) // for calls of those who are gone
		}
		w.fillUp()
		w.untilQuiet()
		w.modules()
	}
	w.goesDown()
	began := time.Now()
	w.h.shutdown()
	if took := time.Since(began); w.exact && took > 2*time.Second {
		w.wrong("the shutdown took %v", took)
	}
	for _, p := range w.peers {
		p.c.Close()
	}
	w.readers.Wait()
	w.judgeCalls()
}

func (w *callWorld) untilQuiet() {
	for range 3000 {
		w.settle()
		if w.quiet() {
			return
		}
		w.pass(w.call)
	}
	w.wrong("some requests are never answered")
}

// fillUp holds that whoever was called has room for as many calls as ever.
func (w *callWorld) fillUp() {
	w.come(4)
	caller := w.peers[4]
	w.untilQuiet()
	for _, p := range w.peers[:2] {
		if w.isOver(p) || p.user == "" {
			continue
		}
		for range min(w.most, inFlight) {
			w.ask(caller, &asking{isCall: true, mustFit: w.exact, to: p.user}, false, "ask", p.user, "x")
		}
	}
	w.settle()
	for _, p := range w.peers {
		for _, number := range w.inHand(p, false) {
			w.returns(p, number, 0)
		}
	}
}

// modules holds the list of programs against what was called.
func (w *callWorld) modules() {
	c := w.dial()
	defer c.Close()
	got := c.ask("modules")
	for row := range slices.Chunk(got[1:], 6) {
		w.counted(row)
	}
}

// counted holds a row of the list of programs against what was called.
func (j *callJudge) counted(row []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	calls, _ := strconv.Atoi(row[3])
	errs, _ := strconv.Atoi(row[4])
	least, most, offers := 0, 0, []string{}
	for _, r := range j.calls {
		switch {
		case r.by == nil:
			most++
		case r.by.name == row[0]:
			most++
			if r.to == "" && r.answered > 0 {
				least++
			}
		}
	}
	for _, p := range j.all {
		if p.name != row[0] || p.over > 0 {
			continue
		}
		for command := range p.offers {
			if !slices.Contains(offers, command) {
				offers = append(offers, command)
			}
		}
	}
	slices.Sort(offers)
	if calls < least || calls > most || errs > calls || j.exact && row[2] != strings.Join(offers, " ") {
		j.fault("the list of programs has %q; of %s there were %d to %d calls, and it provides %q", row, row[0], least, most, offers)
	}
}

// run plays a script to its end.
func (w *callWorld) run(script []callStep, abrupt bool) error {
	for _, name := range []string{"robot", "robot2", "alice", "carl"} {
		w.h.account(name).Close()
	}
	w.peers = make([]*callPeer, len(callSlots))
	for slot := range callSlots {
		w.come(slot)
	}
	w.settle()
	for _, s := range script {
		w.play(s)
	}
	w.finish(abrupt)
	return w.verdict()
}

// few are limits that the scripts meet.
func few(most int) func(*setup) {
	return limits(func(l *parley.Limits) { l.Calls, l.CallsInFlight = most, inFlight })
}

const inFlight = 6

// TestCallsAreTheModel plays random scripts of callers and providers, and holds
// all that everybody is told against clause 1.4. On its clock a call is over in
// time, or it is not.
func TestCallsAreTheModel(t *testing.T) {
	checks(t, proof.Size(20, 1000, 20_000))
	rapid.Check(t, func(rt *rapid.T) {
		script, abrupt := callScripts.Draw(rt, "script"), rapid.Bool().Draw(rt, "abrupt")
		most := rapid.SampledFrom([]int{2, 5, 512}).Draw(rt, "calls in hand")
		var err error
		synctest.Test(t, func(t *testing.T) {
			h := start(t, robots, few(most), func(s *setup) { s.shutdown = true })
			w := &callWorld{callJudge: newCallJudge(5*time.Second, most, true), h: h, dial: h.text, settle: synctest.Wait, pass: pass}
			err = w.run(script, abrupt)
		})
		if err != nil {
			rt.Fatal(err)
		}
	})
}

// TestCallsAreTheModelOnSockets is the same where everything happens at once.
func TestCallsAreTheModelOnSockets(t *testing.T) {
	const call = 200 * time.Millisecond
	checks(t, proof.Size(1, 25, 2000))
	rapid.Check(t, func(rt *rapid.T) {
		script, abrupt := callScripts.Draw(rt, "script"), rapid.Bool().Draw(rt, "abrupt")
		h := start(t, robots, onSockets, few(5), func(s *setup) { s.shutdown, s.cfg.Timeouts.Call = true, call.String() })
		rest := func(time.Duration) { <-time.After(call / 10) } // for what others do meanwhile
		w := &callWorld{callJudge: newCallJudge(call, 5, false), h: h, dial: h.textOn, settle: func() {}, pass: rest}
		if err := w.run(script, abrupt); err != nil {
			rt.Fatal(err)
		}
	})
}

// checks chooses how many scripts rapid plays.
func checks(t *testing.T, n int) {
	t.Helper()
	f := flag.Lookup("rapid.checks")
	if f == nil || f.Value.String() != f.DefValue {
		return // somebody chose
	}
	before := f.Value.String()
	if err := f.Value.Set(strconv.Itoa(n)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Value.Set(before) })
}

// returnKind gives values to return, and what the caller is then answered.
func returnKind(n int, unique string) (values, want []string) {
	unhandled := []string{"error", "nonfatal", "unhandled", "*"}
	long := unique + strings.Repeat("x", 65510-len(unique))
	kinds := []struct{ values, want []string }{
		{[]string{unique}, []string{unique}},
		{[]string{unique, "a,b\\", "", "é\x00\n"}, []string{unique, "a,b\\", "", "é\x00\n"}},
		{nil, nil},
		{[]string{""}, []string{""}},
		{[]string{"ok", unique}, []string{"ok", unique}},
		{[]string{"error", "nonfatal", "odd_1", unique}, []string{"error", "nonfatal", "odd_1", unique}},
		{[]string{"error", "fatal", "timeout", unique}, []string{"error", "nonfatal", "timeout", unique}},
		{[]string{"error", "nonfatal", "Odd", unique}, unhandled},
		{[]string{"error"}, unhandled},
		{[]string{"send", "robot", "text", "forged"}, unhandled},
		{[]string{"call", "1", "dice", "alice", "forged"}, unhandled},
		{[]string{"room", "lobby", "alice", "1", "2", "forged"}, unhandled},
		{[]string{"req", "1", "forged"}, unhandled},
		{[]string{long}, []string{long}},
	}
	kind := kinds[n%len(kinds)]
	return kind.values, kind.want
}
