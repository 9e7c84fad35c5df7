package proof

import (
	"maps"
	"slices"
)

// A visit is the time of a session in a conversation.
type visit struct {
	*listener
	conversation string

	asked   int // when it asked to come in
	in      int // when it was
	leaving int // when it asked to leave
	put     int // when somebody else had put it out
	lastAsk int // its last question that was answered while it was in

	seen  []int          // places, in order
	times map[string]int // how often it was told a text
	after map[string]int // by speaking session: what it was told of it last, if the history does not tell
}

// A listener is one session, and who it is: it is in all conversations of its
// user with another from the instant it speaks as that user.
type listener struct {
	session string
	user    string
	asked   int // when it asked to be that user
	in      int // when it was
	copies  int // when it asked to be told what its user's other sessions tell
	lastAsk int // its last question that was answered
	visits  map[string]*visit
}

// walk is the state of all sessions at one event.
type walk struct {
	*checker
	listeners map[string]*listener
	pairs     map[string][]string // by user: its conversations that are kept
}

// sessions goes through what each session was told.
func (c *checker) sessions() {
	w := &walk{checker: c, listeners: map[string]*listener{}, pairs: map[string][]string{}}
	for _, name := range slices.Sorted(maps.Keys(c.histories)) {
		for _, user := range slices.Compact(parties(name)) {
			w.pairs[user] = append(w.pairs[user], name)
		}
	}
	for i := range c.events {
		if e := &c.events[i]; e.Session != "" {
			w.step(i, e)
		}
	}
	for _, session := range slices.Sorted(maps.Keys(w.listeners)) {
		w.end(w.listeners[session])
	}
}

func (w *walk) listener(session string) *listener {
	l := w.listeners[session]
	if l == nil {
		l = &listener{session: session, asked: -1, in: never, copies: never, lastAsk: -1, visits: map[string]*visit{}}
		w.listeners[session] = l
	}
	return l
}

func (w *walk) step(i int, e *event) {
	l := w.listener(e.Session)
	v := l.visits[e.Conversation]
	if e.kind.ends() {
		l.answered(e.call)
	}
	switch e.kind {
	case speaks:
		l.user, l.asked = e.User, i
	case becoming:
		l.user, l.asked, l.in = e.User, i, never
	case became:
		l.in = i
	case copied:
		l.copies = min(l.copies, i)
	case joining:
		if v == nil || v.put != never {
			w.close(v)
			l.open(e.Conversation, i)
		}
	case joined:
		if v != nil {
			v.in = min(v.in, i)
		}
	case leaving:
		if v != nil {
			v.leaving = min(v.leaving, i)
		}
	case left:
		w.close(v)
	case failed:
		w.failed(e, v)
	case put:
		if v != nil {
			v.put = min(v.put, i)
		}
	case saw:
		w.saw(e, v)
	case cut:
		l.forget()
	case ended:
		w.end(l)
	}
}

// answered notes that a question was answered: what was on the way to the
// session when it asked has come before.
func (l *listener) answered(call int) {
	l.lastAsk = max(l.lastAsk, call)
	for _, v := range l.visits {
		if call < v.leaving {
			v.lastAsk = max(v.lastAsk, call)
		}
	}
}

// forget forgets what was answered. A server that ends a connection may answer
// what it was asked and tell nothing more; it says so with its last words only.
// Between two messages that the session was told, nothing may be missing even so.
func (l *listener) forget() {
	l.lastAsk = -1
	for _, v := range l.visits {
		v.lastAsk = -1
	}
}

// failed takes back what was begun and refused.
func (w *walk) failed(e *event, v *visit) {
	switch begun := w.events[e.call].kind; {
	case begun == becoming:
		w.listeners[e.Session].user = ""
	case v == nil:
	case begun == joining && v.in == never:
		for _, place := range v.seen {
			w.report(Leak, v.conversation, v.session, w.histories[v.conversation].messages[place].Text, "the session was refused to come in")
		}
		delete(v.visits, v.conversation)
	case begun == leaving:
		v.leaving = never
	}
}

func (l *listener) open(conversation string, at int) *visit {
	v := &visit{
		listener: l, conversation: conversation, asked: at, in: never,
		leaving: never, put: never, lastAsk: -1, times: map[string]int{}, after: map[string]int{},
	}
	l.visits[conversation] = v
	return v
}

// private opens a visit that began when the session became its user.
func (l *listener) private(conversation string) *visit {
	v := l.open(conversation, l.asked)
	v.in, v.lastAsk = l.in, l.lastAsk
	return v
}

// saw judges one message when it came. What is missing is found when the visit
// closes.
func (w *walk) saw(e *event, v *visit) {
	s := w.said[key{e.Conversation, e.Text}]
	both := parties(e.Conversation)
	switch {
	case s == nil:
		w.unsaid(e)
		return
	case s.may == 0:
		w.tell(Phantom, e, "it was refused")
	case s.user != e.User:
		w.tell(Forged, e, "%s said it, not %s", s.user, e.User)
	}
	if l := w.listeners[e.Session]; both != nil {
		if l.user != both[0] && l.user != both[1] {
			w.tell(Leak, e, "it was told to %q", l.user)
			return
		}
		if v == nil {
			v = l.private(e.Conversation)
		}
	}
	switch {
	case v == nil || s.first > v.put:
		w.tell(Leak, e, "the session is not there")
		return
	case s.settled < v.asked:
		w.tell(Leak, e, "it was told before the session came in")
	case v.times[e.Text] >= max(s.may, 1):
		w.tell(Doubled, e, "the session was told it %d times before", v.times[e.Text])
	case s.calls == 1 && s.by(e.Session) && (both == nil || both[0] != both[1]):
		w.tell(Doubled, e, "the session said it itself")
	}
	v.times[e.Text]++
	w.place(e, v, s)
}

// unsaid says what is wrong with a text that nobody said there.
func (w *walk) unsaid(e *event) {
	s := w.texts[e.Text]
	at, kept := 0, false
	if h := w.histories[e.Conversation]; h != nil && e.id != "" {
		at, kept = h.at[e.id]
		if kept {
			w.tell(Forged, e, "%s is %q", e.id, h.messages[at].Text)
			return
		}
	}
	switch {
	case s == nil:
		w.tell(Phantom, e, "nobody said it")
	case parties(s.conversation) != nil && !slices.Contains(parties(s.conversation), w.listeners[e.Session].user):
		w.tell(Leak, e, "it was said in %s", s.conversation)
	default:
		w.tell(Forged, e, "%s said it in %s", s.user, s.conversation)
	}
}

// place finds where the history holds what was seen: behind what was seen
// before.
func (w *walk) place(e *event, v *visit, s *said) {
	h := w.histories[e.Conversation]
	if h == nil { // it is not kept: then what one session says comes in its order
		if speaker := s.sessions[0]; s.calls == 1 {
			if s.first < v.after[speaker] {
				w.tell(Reordered, e, "%s said it before what the session was told before", speaker)
			}
			v.after[speaker] = s.first
		}
		return
	}
	places := h.places[e.Text]
	if len(places) == 0 {
		w.tell(Phantom, e, "the history does not hold it")
		return
	}
	last := -1
	if n := len(v.seen); n > 0 {
		last = v.seen[n-1]
	}
	at, ok := h.at[e.id]
	if !ok || h.messages[at].Text != e.Text {
		next := min(v.times[e.Text], len(places)) - 1
		for next+1 < len(places) && places[next] <= last {
			next++
		}
		at = places[next]
		if e.id != "" {
			w.tell(Fork, e, "it was told as %s and is kept as %s", e.id, h.messages[at].ID)
		}
	}
	switch {
	case at < last:
		w.tell(Reordered, e, "the session was told %q before", h.messages[last].Text)
	case at > last:
		v.seen = append(v.seen, at)
	}
}

func (w *walk) tell(kind Kind, e *event, format string, args ...any) {
	w.report(kind, e.Conversation, e.Session, e.Text, format, args...)
}

// close ends a visit, which must not have missed anything.
func (w *walk) close(v *visit) {
	if v == nil {
		return
	}
	delete(v.visits, v.conversation)
	h := w.histories[v.conversation]
	if h == nil {
		return
	}
	from, to := w.span(v)
	at := 0
	for place := from; place <= to; place++ {
		for at < len(v.seen) && v.seen[at] < place {
			at++
		}
		text := h.messages[place].Text
		if at < len(v.seen) && v.seen[at] == place || w.spared(v, text) {
			continue
		}
		w.report(Gap, v.conversation, v.session, text, "the session was not told, and is told of what is around it or was said while it was there")
	}
}

// spared tells whether a session need not be told of a text: it said it itself,
// or its user did and it did not ask for copies, or nobody knows who did.
func (w *walk) spared(v *visit, text string) bool {
	s := w.said[key{v.conversation, text}]
	if s == nil || s.by(v.session) {
		return true
	}
	both := parties(v.conversation)
	return both != nil && both[0] != both[1] && s.user == v.user && s.first < v.copies
}

// span gives the first and the last place that a session must have seen.
func (w *walk) span(v *visit) (from, to int) {
	from, to = never, -1
	if n := len(v.seen); n > 0 {
		from, to = v.seen[0], v.seen[n-1]
	}
	b := w.bounds[v.conversation]
	first, ok := b.from(v.in)
	if !ok {
		return from, to
	}
	if last, ok := b.upTo(v.lastAsk); ok && last >= first && v.put == never {
		to = max(to, last)
	}
	if first <= to {
		from = min(from, first)
	}
	return from, to
}

// end closes everything of a session.
func (w *walk) end(l *listener) {
	for _, conversation := range w.pairs[l.user] {
		if l.visits[conversation] == nil {
			l.private(conversation)
		}
	}
	for _, conversation := range slices.Sorted(maps.Keys(l.visits)) {
		w.close(l.visits[conversation])
	}
	delete(w.listeners, l.session)
}
