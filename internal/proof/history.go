package proof

import (
	"fmt"
	"slices"
	"sort"
)

// history is what a conversation holds, as far as anybody has read it.
type history struct {
	name     string
	messages []Message
	at       map[string]int   // by id
	places   map[string][]int // by text; made by Check
}

// read joins what was read to what was known, which must agree. Whoever read
// must have found as many as least. It returns how many it found.
func (h *history) read(after string, messages []Message, least int) (found int, faults []Violation) {
	next := 0
	if after != "" {
		at, ok := h.at[after]
		if !ok {
			return never, []Violation{{Fork, h.name, "", after, "history was read behind an id that no history had shown"}}
		}
		next = at + 1
	}
	for i, m := range messages {
		at := next + i
		switch {
		case at >= len(h.messages):
			faults = append(faults, h.append(m)...)
		case h.messages[at] != m:
			return never, append(faults, Violation{Fork, h.name, "", m.Text, fmt.Sprintf(
				"at place %d one reader found %v, another %v", at, h.messages[at], m)})
		}
	}
	end := next + len(messages)
	if end < least {
		missing := h.messages[end]
		faults = append(faults, Violation{Lost, h.name, "", missing.Text, fmt.Sprintf("%s was read before and is gone", missing.ID)})
		end = never // once is enough
	}
	return end, faults
}

func (h *history) append(m Message) (faults []Violation) {
	if n := len(h.messages); n > 0 {
		last := h.messages[n-1]
		if m.ID <= last.ID {
			faults = append(faults, Violation{Reordered, h.name, "", m.Text, fmt.Sprintf("the id %q stands behind %q", m.ID, last.ID)})
		}
		if m.Time.Before(last.Time) {
			faults = append(faults, Violation{Reordered, h.name, "", m.Text, fmt.Sprintf("its time %v stands behind %v", m.Time, last.Time)})
		}
	}
	h.at[m.ID] = len(h.messages)
	h.messages = append(h.messages, m)
	return faults
}

// instead tells what is there in place of something that is lost.
func (h *history) instead(s *said) string {
	for _, id := range s.ids {
		if _, there := h.at[id]; !there {
			return " as " + id + ", which is not there"
		}
	}
	return ""
}

// history holds a history against what was said.
func (c *checker) history(h *history) {
	h.places = make(map[string][]int, len(h.messages))
	b := &bounds{}
	for at, m := range h.messages {
		s := c.said[key{h.name, m.Text}]
		h.places[m.Text] = append(h.places[m.Text], at)
		times := len(h.places[m.Text])
		elsewhere := c.texts[m.Text]
		switch {
		case s == nil && elsewhere != nil:
			c.report(Forged, h.name, "", m.Text, "it was said in %s", elsewhere.conversation)
		case s == nil:
			c.report(Phantom, h.name, "", m.Text, "nobody said it")
		case s.may == 0:
			c.report(Phantom, h.name, "", m.Text, "it was refused")
		case times > s.may:
			c.report(Doubled, h.name, "", m.Text, "it stands there %d times and was said %d times", times, s.may)
		case m.Sender != s.user:
			c.report(Forged, h.name, "", m.Text, "%s said it, not %s", s.user, m.Sender)
		}
		if s != nil {
			b.add(at, s)
		}
	}
	b.sort()
	c.bounds[h.name] = b
}

// bounds tell which places of a history a session must have seen.
type bounds struct {
	byFirst   []placed // ordered by when it was said; place is the lowest from here on
	bySettled []placed // ordered by when it was on its way; place is the highest up to here
}

type placed struct{ event, place int }

func (b *bounds) add(place int, s *said) {
	b.byFirst = append(b.byFirst, placed{s.first, place})
	if s.settled != never {
		b.bySettled = append(b.bySettled, placed{s.settled, place})
	}
}

func (b *bounds) sort() {
	byEvent := func(x, y placed) int { return x.event - y.event }
	slices.SortFunc(b.byFirst, byEvent)
	slices.SortFunc(b.bySettled, byEvent)
	for i := len(b.byFirst) - 2; i >= 0; i-- {
		b.byFirst[i].place = min(b.byFirst[i].place, b.byFirst[i+1].place)
	}
	for i := 1; i < len(b.bySettled); i++ {
		b.bySettled[i].place = max(b.bySettled[i].place, b.bySettled[i-1].place)
	}
}

// from gives the lowest place of what was said after an event.
func (b *bounds) from(event int) (place int, ok bool) {
	i := sort.Search(len(b.byFirst), func(i int) bool { return b.byFirst[i].event > event })
	if i == len(b.byFirst) {
		return 0, false
	}
	return b.byFirst[i].place, true
}

// upTo gives the highest place of what was on its way before an event.
func (b *bounds) upTo(event int) (place int, ok bool) {
	i := sort.Search(len(b.bySettled), func(i int) bool { return b.bySettled[i].event >= event })
	if i == 0 {
		return 0, false
	}
	return b.bySettled[i-1].place, true
}
