package conformance

import (
	"strings"
	"time"
)

// match tells whether a text is like the pattern t, and binds the values that
// it sees for the first time.
func (t template) match(text string, w world) bool {
	m := matcher{world: w}
	if !m.from(t, text) {
		return false
	}
	for _, b := range m.bound {
		w.values[b.name] = b.text
	}
	return true
}

// A matcher tries the ways in which a pattern can be like a text. It takes back
// what it bound on a way that led nowhere.
type matcher struct {
	world world
	bound []binding
}

type binding struct{ name, text string }

func (m *matcher) from(t template, text string) bool {
	if len(t) == 0 {
		return text == ""
	}
	switch tok, rest := t[0], t[1:]; tok.kind {
	case anything:
		return m.skip(rest, text)
	case more:
		after, ok := strings.CutPrefix(text, ",")
		return ok && m.skip(rest, after) || m.from(rest, text)
	case fresh:
		return m.prefix(tok.text+m.world.unique, rest, text)
	case value:
		if known, ok := m.lookup(tok.text); ok {
			return m.prefix(known, rest, text)
		}
		return m.bind(tok, rest, text)
	default:
		return m.prefix(tok.text, rest, text)
	}
}

func (m *matcher) prefix(prefix string, rest template, text string) bool {
	after, ok := strings.CutPrefix(text, prefix)
	return ok && m.from(rest, after)
}

// skip tries every length for a star, and jumps to where the literal behind it is.
func (m *matcher) skip(rest template, text string) bool {
	if len(rest) == 0 {
		return true
	}
	for at := 0; at <= len(text); at++ {
		if rest[0].kind == literal {
			next := strings.Index(text[at:], rest[0].text)
			if next < 0 {
				return false
			}
			at += next
		}
		if m.from(rest, text[at:]) {
			return true
		}
	}
	return false
}

// bind tries every length for a value, the longest first.
func (m *matcher) bind(tok token, rest template, text string) bool {
	least, most := extent(tok.of, text)
	for size := most; size >= least; size-- {
		m.bound = append(m.bound, binding{tok.text, text[:size]})
		if m.from(rest, text[size:]) {
			return true
		}
		m.bound = m.bound[:len(m.bound)-1]
	}
	return false
}

func (m *matcher) lookup(name string) (string, bool) {
	for _, b := range m.bound {
		if b.name == name {
			return b.text, true
		}
	}
	text, ok := m.world.values[name]
	return text, ok
}

// timeLayout is how the protocol writes a time, always in UTC.
const timeLayout = "2006-01-02T15:04:05.000Z"

// extent tells the lengths that a value at the start of text may have: none if
// most is below least.
func extent(class, text string) (least, most int) {
	switch class {
	case "text":
		return 0, len(text)
	case "time":
		size := len(timeLayout)
		if len(text) < size {
			return 0, -1
		}
		if _, err := time.Parse(timeLayout, text[:size]); err != nil {
			return 0, -1
		}
		return size, size
	}
	end := strings.IndexFunc(text, func(r rune) bool { return r <= ' ' || r == ',' })
	if end < 0 {
		end = len(text)
	}
	return 1, end
}
