package server_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/parley-chat/parley/wire/textwire"
)

// callJudge knows what everybody wrote, before it was written, and what
// everybody was told, after it came: what must be so in this order is what it
// holds the server to.
type callJudge struct {
	call  time.Duration // after which a call is given up
	most  int           // calls that a session may have in hand
	exact bool          // on a clock that stands still while something happens

	mu      sync.Mutex
	now     int // counts what happens
	calls   []*asking
	byToken map[string]*asking
	all     []*callPeer
	log     []string
	faults  []string
	ended   int // how many connections we have ended
	down    int // since when the server is shut down; 0: it is not
}

func newCallJudge(call time.Duration, most int, exact bool) *callJudge {
	return &callJudge{call: call, most: most, exact: exact, byToken: map[string]*asking{}}
}

// callPeer is a connection.
type callPeer struct {
	name string // of its account; empty: nobody's
	c    *textClient
	slot int // among all that there were

	// The script's: when all that was asked is done.
	user   string          // whom it speaks as
	offers map[string]bool // commands that it provides

	// Guarded by the judge.
	over   int // since when nothing more is written; 0: it goes on
	closed bool
	asked  []*asking
	handed map[string]*asking   // by number
	order  []string             // those numbers, as they came
	given  map[string][]*giving // what was returned, by number
	sure   map[string]bool      // commands that it provides for certain; "@": it speaks under its name
	might  map[string]bool      // perhaps
	not    map[string]int       // since when it does not, for certain
	epoch  map[string]int       // how often that was to change
	told   map[string]bool      // texts
}

func newCallPeer(name string, c *textClient) *callPeer {
	return &callPeer{
		name: name, c: c, offers: map[string]bool{}, handed: map[string]*asking{}, given: map[string][]*giving{},
		sure: map[string]bool{}, might: map[string]bool{}, not: map[string]int{}, epoch: map[string]int{}, told: map[string]bool{},
	}
}

// asking is a request.
type asking struct {
	from   *callPeer
	prefix []string
	fields []string
	want   []string // of the answer, but for calls
	then   func()   // when it is answered so
	user   string   // who asks
	token  string   // the last argument of calls and posts
	sent   int
	at     time.Time

	// Of calls.
	isCall   bool
	mustFit  bool
	to       string             // a user; empty: any provider
	serve    map[*callPeer]bool // who has served it for certain, all the while
	by       *callPeer          // was handed it, under the number
	number   string
	handed   int
	handedAt time.Time
	got      []byte
	answered int // 0: not yet
	took     time.Duration
	lacked   bool // when it was answered nobody served it for certain
}

// giving is a return.
type giving struct {
	want []string
	sent int
	at   time.Time
}

func (j *callJudge) note(format string, args ...any) int {
	j.now++
	j.log = append(j.log, fmt.Sprintf("%4d  ", j.now)+cut([]byte(fmt.Sprintf(format, args...))))
	return j.now
}

func (j *callJudge) fault(format string, args ...any) {
	j.faults = append(j.faults, fmt.Sprintf("at %d: ", j.now)+cut([]byte(fmt.Sprintf(format, args...))))
}

func (j *callJudge) wrong(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.fault(format, args...)
}

// verdict tells what was wrong, and what led to it.
func (j *callJudge) verdict() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.faults) == 0 {
		return nil
	}
	return fmt.Errorf("%s\nall that happened:\n%s", strings.Join(j.faults, "\n"), strings.Join(j.log, "\n"))
}

func (j *callJudge) isOver(p *callPeer) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return p.over > 0
}

// enters notes a connection.
func (j *callJudge) enters(p *callPeer) {
	j.mu.Lock()
	defer j.mu.Unlock()
	p.slot = len(j.all)
	j.all = append(j.all, p)
}

func (p *callPeer) String() string { return fmt.Sprintf("%d(%s)", p.slot, p.name) }

// named is a request that needs a name.
func (p *callPeer) named(want ...string) *asking {
	if p.user == "" {
		return &asking{want: []string{"error", "nonfatal", "not_logged_in", "*"}}
	}
	return &asking{want: want}
}

// asks notes a request and gives it its ID, and calls and posts their token.
func (j *callJudge) asks(p *callPeer, r *asking, bare bool, fields []string) []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	r.from, r.user, r.fields, r.at = p, p.user, slices.Clone(fields), time.Now()
	r.sent = j.note("%v asks %q, bare %v", p, fields, bare)
	r.token = fmt.Sprint("t", r.sent)
	if r.isCall || fields[0] == "say" {
		r.fields = append(r.fields, r.token)
		j.byToken[r.token] = r
	}
	if r.isCall {
		j.calls = append(j.calls, r)
		r.serve = map[*callPeer]bool{}
		for _, other := range j.all {
			if other.sure[r.needs()] && (r.to == "" || r.to == other.name) {
				r.serve[other] = true
			}
		}
	}
	if !bare {
		r.prefix = []string{"req", r.token}
	}
	p.asked = append(p.asked, r)
	return append(slices.Clone(r.prefix), r.fields...)
}

// needs tells what a session must be sure of to serve a call.
func (r *asking) needs() string {
	if r.to != "" {
		return "@"
	}
	return r.fields[0]
}

// changes makes something that a session serves uncertain. What then gives is
// for the answer: it is certain again, unless it was to change meanwhile.
func (j *callJudge) changes(p *callPeer, what string, to bool) (then func()) {
	delete(p.sure, what)
	for _, r := range j.calls {
		if r.needs() == what {
			delete(r.serve, p)
		}
	}
	p.epoch[what]++
	epoch := p.epoch[what]
	p.might[what] = p.might[what] || to
	return func() {
		if p.epoch[what] == epoch && p.over == 0 {
			p.sure[what], p.might[what], p.not[what] = to, to, j.now
		}
	}
}

// becoming is a login or a logout: what the session offers is over then, whoever
// it is.
func (j *callJudge) becoming(p *callPeer, user string) *asking {
	j.mu.Lock()
	defer j.mu.Unlock()
	r := &asking{want: []string{"ok"}}
	if user == "" {
		r = p.named("ok")
	}
	p.user = user
	clear(p.offers)
	then := []func(){j.changes(p, "@", user != "")}
	for _, command := range callCommands {
		then = append(then, j.changes(p, command, false))
	}
	r.then = func() {
		for _, f := range then {
			f()
		}
	}
	return r
}

func (j *callJudge) providing(p *callPeer, command string) *asking {
	j.mu.Lock()
	defer j.mu.Unlock()
	r := p.named("ok")
	switch {
	case strings.HasPrefix(p.user, "robot"):
		p.offers[command] = true
		r.then = j.changes(p, command, true)
	case p.user != "":
		r.want = []string{"error", "nonfatal", "forbidden", "*"}
	}
	return r
}

func (j *callJudge) withdrawing(p *callPeer, command string) *asking {
	j.mu.Lock()
	defer j.mu.Unlock()
	r := p.named("ok")
	switch {
	case p.offers[command]:
		delete(p.offers, command)
		r.then = j.changes(p, command, false)
	case p.user != "":
		r.want = []string{"error", "nonfatal", "command_not_found", "*"}
	}
	return r
}

// ends notes the end of what we write, and perhaps of what we read.
func (j *callJudge) ends(p *callPeer, whole bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	p.over, p.closed = j.note("%v ends, whole %v", p, whole), whole
	j.ended++
	for _, what := range append([]string{"@"}, callCommands...) {
		j.changes(p, what, false)
	}
}

// gives notes a return, and gives its values.
func (j *callJudge) gives(p *callPeer, number string, kind int) []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	values, want := returnKind(kind, fmt.Sprint("v", j.now))
	g := &giving{want: want, at: time.Now()}
	g.sent = j.note("%v returns for %s: %q", p, number, values)
	p.given[number] = append(p.given[number], g)
	return values
}

// inHand gives the numbers of the calls that a peer has not returned, or has.
func (j *callJudge) inHand(p *callPeer, returned bool) (numbers []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, number := range p.order {
		if (len(p.given[number]) > 0) == returned {
			numbers = append(numbers, number)
		}
	}
	return numbers
}

// quiet tells whether everybody is answered who still listens.
func (j *callJudge) quiet() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return !slices.ContainsFunc(j.all, func(p *callPeer) bool { return !p.closed && len(p.asked) > 0 })
}

func (j *callJudge) goesDown() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.down = j.note("the server is shut down")
}

// streamEnded holds that a connection ends when it should.
func (j *callJudge) streamEnded(p *callPeer, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.note("%v: %v", p, err)
	switch {
	case p.closed || j.down > 0:
	case p.over == 0 || !errors.Is(err, io.EOF):
		j.fault("%v is ended, with %v", p, err)
	case len(p.asked) > 0:
		j.fault("%v is ended, and %q is not answered", p, p.asked[0].fields)
	}
}

// heard takes what a peer was told: a push, or the answer to the oldest request.
func (j *callJudge) heard(p *callPeer, data []byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.note("%v hears %q", p, cut(data))
	var fields []string
	if len(data) > 0 {
		var err error
		if fields, err = textwire.Parse(data, len(data)+1); err != nil {
			j.fault("%v hears %q: %v", p, cut(data), err)
			return
		}
	}
	switch {
	case like(fields, []string{"error", "fatal", "unavailable", "*"}) && j.down > 0:
	case len(fields) > 4 && fields[0] == "call":
		j.hands(p, fields)
	case len(fields) > 0 && slices.Contains([]string{"send", "told", "room", "joined", "left", "topic", "deleted", "call"}, fields[0]):
		j.pushed(p, fields)
	case len(p.asked) == 0:
		j.fault("%v is answered %q, and has asked nothing", p, fields)
	default:
		r := p.asked[0]
		p.asked = p.asked[1:]
		j.answers(r, fields, data)
	}
}

// hands holds a call against the request that caused it.
func (j *callJudge) hands(p *callPeer, fields []string) {
	r := j.byToken[fields[len(fields)-1]]
	switch {
	case r == nil || !r.isCall || r.by != nil:
		j.fault("%v is called by nobody, or for the second time: %q", p, fields)
		return
	case !slices.Equal(fields[2:], []string{r.fields[len(r.fields)-2], r.user, r.token}):
		j.fault("%v is called with %q, for %q of %s", p, fields, r.fields, r.user)
	case p.handed[fields[1]] != nil:
		j.fault("%v gets a second call %s", p, fields[1])
	case !p.might[r.needs()] && p.not[r.needs()] < r.sent || r.to != "" && r.to != p.name:
		j.fault("%v does not serve %q", p, fields)
	}
	r.by, r.number, r.handed, r.handedAt = p, fields[1], j.now, time.Now()
	p.handed[r.number] = r
	p.order = append(p.order, r.number)
}

// pushed holds any other push: here only what was said in the lobby is told.
func (j *callJudge) pushed(p *callPeer, fields []string) {
	r := j.byToken[fields[len(fields)-1]]
	if r == nil || r.isCall || p.told[r.token] || r.from == p || !like(fields, []string{"room", "lobby", r.user, "*", "*", r.token}) {
		j.fault("%v is told %q, which nobody said", p, fields)
		return
	}
	p.told[r.token] = true
}

func (j *callJudge) answers(r *asking, fields []string, data []byte) {
	if r.isCall {
		r.got, r.answered, r.took, r.lacked = data, j.now, time.Since(r.at), len(r.serve) == 0
		if !like(fields, append(slices.Clone(r.prefix), "...")) {
			j.fault("%v: the answer to %q is %q, want it behind %q", r.from, r.fields, fields, r.prefix)
		}
		return
	}
	switch {
	case like(fields, append(slices.Clone(r.prefix), r.want...)):
		if r.then != nil && r.want[0] == "ok" {
			r.then()
		}
	case r.from.over+j.down > 0 && (r.fields[0] == "provide" || r.fields[0] == "withdraw"): // it cannot serve any more
	default:
		j.fault("%v: %q is answered %q, want %q", r.from, r.fields, fields, r.want)
	}
}

// judgeCalls holds each answer of a call against what was returned for it.
func (j *callJudge) judgeCalls() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, r := range j.calls {
		if r.answered == 0 || j.returned(r) {
			continue
		}
		if why := j.refusal(r); why != "" {
			j.fault("%v: %q, asked at %d, handed to %v at %d, is answered %q at %d, after %v: %s",
				r.from, r.fields, r.sent, r.by, r.handed, cut(r.got), r.answered, r.took, why)
		}
	}
}

// returned tells whether an answer is what was returned first. What was returned
// before the call was seen may have come too early.
func (j *callJudge) returned(r *asking) bool {
	if r.by == nil {
		return false
	}
	for _, g := range r.by.given[r.number] {
		if r.is(g.want) {
			return true
		}
		if g.sent > r.handed {
			return false
		}
	}
	return false
}

// is tells whether a call was answered so.
func (r *asking) is(want []string) bool {
	want = append(slices.Clone(r.prefix), want...)
	if slices.Contains(want, "*") {
		fields, err := textwire.Parse(r.got, len(r.got)+1)
		return err == nil && like(fields, want)
	}
	return string(r.got) == string(textwire.Append(nil, want...))
}

// refusal tells why a call must not have been refused so.
func (j *callJudge) refusal(r *asking) (wrong string) {
	is := func(kind string) bool { return r.is([]string{"error", "nonfatal", kind, "*"}) }
	went := j.down > 0 && r.answered > j.down
	switch {
	case !went && j.mustBeReturned(r):
		return "it was returned in time"
	case is("timeout") && (r.took < j.call || r.by == nil && j.ended == 0):
		return "it was given up too early, or handed to nobody"
	case is("timeout"):
	case is("unhandled") && !went && (r.by == nil && j.ended == 0 || r.by != nil && (r.by.over == 0 || r.by.over > r.answered)):
		return "nobody went"
	case is("unhandled"):
	case is("command_not_found") && r.to == "" || is("user_offline") && r.to != "":
		if !r.lacked && !went {
			return "somebody served it all the while"
		}
	case is("user_not_found") && r.to == "stranger":
	case is("not_logged_in") && r.to != "" && r.user == "":
	case is("rate_limited"):
		if r.mustFit || j.underWay(r) < j.most {
			return "not so many calls were under way"
		}
	default:
		return "that is no answer"
	}
	return ""
}

// mustBeReturned tells whether a call was returned, when there was time, by
// somebody who stayed. Only a clock that stands still knows.
func (j *callJudge) mustBeReturned(r *asking) bool {
	if !j.exact || r.by == nil || r.by.closed && r.by.over < r.answered {
		return false
	}
	return slices.ContainsFunc(r.by.given[r.number], func(g *giving) bool {
		return g.sent > r.handed && g.at.Sub(r.handedAt) < j.call
	})
}

// underWay counts the calls that may have been in hand beside one.
func (j *callJudge) underWay(one *asking) (n int) {
	for _, r := range j.calls {
		if r != one && r.sent < one.answered && (r.answered == 0 || r.answered > one.sent) {
			n++
		}
	}
	return n
}
