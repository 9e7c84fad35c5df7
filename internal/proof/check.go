package proof

import (
	"fmt"
	"maps"
	"math"
	"slices"
)

// never is the index of an event that did not come.
const never = math.MaxInt

// key names what was said.
type key struct{ conversation, text string }

// said is everything that was logged of one text.
type said struct {
	key
	user     string
	sessions []string // who said it; more than one when it was repeated
	first    int      // the event with which it was said first
	settled  int      // since when everybody has it on the way who should, or never
	calls    int
	must     int      // how often it is in the history at least
	may      int      // and at most
	ids      []string // under which it was acknowledged
}

func (s *said) by(session string) bool { return slices.Contains(s.sessions, session) }

// outcome is how a call ended.
type outcome struct {
	kind kind // invoked: nobody knows
	id   string
}

// A checker goes through a log.
type checker struct {
	events    []event
	histories map[string]*history
	outcomes  []outcome // by the index of the call
	said      map[key]*said
	all       []*said            // in the order in which they were said
	texts     map[string]*said   // by text alone: to tell what became of a text that is at the wrong place
	bounds    map[string]*bounds // by conversation
	found     []Violation
}

// Check gives every broken promise of the run, which must be over. It takes
// time in proportion to the log, but for the sorting of each history.
func (l *Log) Check() []Violation {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := &checker{
		events: l.events, histories: l.histories, outcomes: make([]outcome, len(l.events)),
		said: map[key]*said{}, texts: map[string]*said{}, bounds: map[string]*bounds{},
		found: slices.Clone(l.faults),
	}
	c.gather()
	c.settle()
	for _, name := range slices.Sorted(maps.Keys(l.histories)) {
		c.history(l.histories[name])
	}
	c.acknowledged()
	c.spoken()
	c.known()
	c.sessions()
	return c.found
}

func (c *checker) report(kind Kind, conversation, session, text, format string, args ...any) {
	c.found = append(c.found, Violation{kind, conversation, session, text, fmt.Sprintf(format, args...)})
}

// gather collects what was said, and how it ended.
func (c *checker) gather() {
	for _, e := range c.events {
		if e.kind.ends() {
			c.outcomes[e.call] = outcome{e.kind, e.id}
		}
	}
	may, must := map[key]bool{}, map[key]bool{} // it counts already, under its client id
	count := func(n *int, k key, e *event, once map[key]bool) {
		if e.ClientID == "" || !once[k] {
			*n++
		}
		once[k] = once[k] || e.ClientID != ""
	}
	for i := range c.events {
		e := &c.events[i]
		if e.kind != invoked {
			continue
		}
		s := c.saying(i, e)
		end := c.outcomes[i]
		if end.kind != failed {
			count(&s.may, s.key, e, may)
		}
		if end.kind == succeeded {
			count(&s.must, s.key, e, must)
			if end.id != "" {
				s.ids = append(s.ids, end.id)
			}
		}
	}
}

// saying notes one call.
func (c *checker) saying(at int, e *event) *said {
	k := key{e.Conversation, e.Text}
	s := c.said[k]
	if s == nil {
		s = &said{key: k, user: e.User, first: at, settled: never}
		c.said[k], c.texts[e.Text] = s, s
		c.all = append(c.all, s)
	}
	s.calls++
	if !s.by(e.Session) {
		s.sessions = append(s.sessions, e.Session)
	}
	return s
}

// settle finds when each message was on the way to everybody: at the answer
// behind its own, for then every effect of it must be.
func (c *checker) settle() {
	next := map[string]int{} // the next answer that a session gets
	for i := len(c.events) - 1; i >= 0; i-- {
		e := &c.events[i]
		if e.kind == succeeded {
			if after, ok := next[e.Session]; ok {
				s := c.said[key{e.Conversation, e.Text}]
				s.settled = min(s.settled, after)
			}
		}
		if e.kind.ends() {
			next[e.Session] = i
		}
	}
}

// acknowledged wants what was acknowledged in the history, as what it was
// acknowledged.
func (c *checker) acknowledged() {
	for _, s := range c.all {
		h := c.histories[s.conversation]
		if h == nil {
			continue // it is not kept
		}
		places := h.places[s.text]
		if len(places) < s.must {
			c.report(Lost, h.name, "", s.text, "it was acknowledged%s", h.instead(s))
		}
		for _, id := range s.ids {
			at, ok := h.at[id]
			switch {
			case ok && h.messages[at].Text != s.text:
				c.report(Forged, h.name, "", s.text, "it was acknowledged as %s, which is %q", id, h.messages[at].Text)
			case ok || len(places) < s.must:
			case s.may == 1:
				c.report(Doubled, h.name, "", s.text, "it was acknowledged as %s and is there as %s", id, h.messages[places[0]].ID)
			default:
				c.report(Lost, h.name, "", s.text, "it was acknowledged as %s, which is not there", id)
			}
		}
	}
}

// spoken holds the order in which one session spoke against the history.
func (c *checker) spoken() {
	last := map[key]int{} // the place of what a session said last; the text is the session
	for i, e := range c.events {
		h := c.histories[e.Conversation]
		if e.kind != invoked || h == nil || c.outcomes[i].kind == failed {
			continue
		}
		places := h.places[e.Text]
		if len(places) != 1 || c.said[key{e.Conversation, e.Text}].calls > 1 {
			continue // lost, or said again: then it stands where it was kept first
		}
		speaker := key{e.Conversation, e.Session}
		if before, ok := last[speaker]; ok && places[0] < before {
			c.report(Reordered, h.name, "", e.Text, "%s said it after %q", e.Session, h.messages[before].Text)
		}
		last[speaker] = places[0]
	}
}

// known holds what anybody knew at an instant, by an answer or by being told,
// against what began later: a text that was said then stands behind all of it,
// and a history that was read then holds all of it.
func (c *checker) known() {
	highest := map[string]int{} // by conversation: the last place that anybody knows of
	for i := range c.events {
		e := &c.events[i]
		h := c.histories[e.Conversation]
		if h == nil {
			continue
		}
		top, some := highest[e.Conversation]
		places := h.places[e.Text]
		switch {
		case e.kind == succeeded || e.kind == saw:
			if len(places) > 0 && (!some || places[0] > top) {
				highest[e.Conversation] = places[0]
			}
		case e.kind == invoked && some && len(places) > 0 && places[0] < top && c.said[key{e.Conversation, e.Text}].first == i:
			c.report(Reordered, h.name, "", e.Text, "it was said when %q was known", h.messages[top].Text)
		case e.kind == reading && some && e.read <= top:
			c.report(Lost, h.name, "", h.messages[top].Text, "it was known before the history was read, and was not in it")
		}
	}
}
