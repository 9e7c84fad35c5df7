package conformance

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A template is a text of a story in pieces, some of which are known only when
// it is played.
type template []token

type token struct {
	kind kind
	text string // of a literal; or the name of a fresh name or value
	of   string // the class of a value: "", "time" or "text"
}

type kind int

const (
	literal  kind = iota
	anything      // *
	more          // {,*}: a comma and any text, or nothing
	fresh         // $name
	value         // {name}
)

// maxGenerated bounds what {N*text} makes, so that a slip of the pen does not
// eat the memory.
const maxGenerated = 4 << 20

// compile reads a text that is sent or, with pattern, one that is expected.
func compile(src string, pattern bool) (template, error) {
	var t template
	for src != "" {
		tok, rest, err := scan(src, pattern)
		if err != nil {
			return nil, err
		}
		if last := len(t) - 1; tok.kind == literal && last >= 0 && t[last].kind == literal {
			t[last].text += tok.text
		} else {
			t = append(t, tok)
		}
		src = rest
	}
	return t, nil
}

// scan takes the first token off a text that is not empty.
func scan(src string, pattern bool) (tok token, rest string, err error) {
	switch {
	case strings.HasPrefix(src, "$$"), strings.HasPrefix(src, "{{"):
		return token{text: src[:1]}, src[2:], nil
	case src[0] == '$':
		name := word(src[1:])
		if name == "" {
			return token{}, "", errors.New("a dollar begins a name: write $$ for a dollar")
		}
		return token{kind: fresh, text: name}, src[1+len(name):], nil
	case src[0] == '{':
		inside, rest, ok := strings.Cut(src[1:], "}")
		if !ok {
			return token{}, "", errors.New("a brace is not closed: write {{ for a brace")
		}
		tok, err := braces(inside, pattern)
		return tok, rest, err
	case pattern && strings.HasPrefix(src, `\*`):
		return token{text: "*"}, src[2:], nil
	case pattern && src[0] == '*':
		return token{kind: anything}, src[1:], nil
	}
	special := `${`
	if pattern {
		special += `*\`
	}
	end := strings.IndexAny(src[1:], special) + 1
	if end == 0 {
		end = len(src)
	}
	return token{text: src[:end]}, src[end:], nil
}

// braces reads what stands between braces: a value, a repetition or escapes.
func braces(inside string, pattern bool) (token, error) {
	if inside == ",*" && pattern {
		return token{kind: more}, nil
	}
	if strings.HasPrefix(inside, `\`) {
		text, err := unescape(inside)
		return token{text: text}, err
	}
	if number, of, ok := strings.Cut(inside, "*"); ok {
		n, err := strconv.Atoi(number)
		if err != nil || n < 0 {
			return token{}, fmt.Errorf("%q is not a number of repetitions", number)
		}
		text, err := unescape(of)
		if err != nil {
			return token{}, err
		}
		if n > maxGenerated/max(len(text), 1) {
			return token{}, fmt.Errorf("{%s} makes more than %d bytes", inside, maxGenerated)
		}
		return token{text: strings.Repeat(text, n)}, nil
	}
	name, class, classed := strings.Cut(inside, ":")
	if name == "" || word(name) != name {
		return token{}, fmt.Errorf("{%s} is not {name}, {20*text} or {\\x00}", inside)
	}
	if classed && (!pattern || class != "time" && class != "text") {
		return token{}, fmt.Errorf("{%s}: a pattern knows {%s}, {%s:time} and {%s:text}, what is sent only the first",
			inside, name, name, name)
	}
	return token{kind: value, text: name, of: class}, nil
}

// unescape reads Go escapes in a text.
func unescape(s string) (string, error) {
	if !strings.Contains(s, `\`) {
		return s, nil
	}
	text, err := strconv.Unquote(`"` + strings.ReplaceAll(s, `"`, `\"`) + `"`)
	if err != nil {
		return "", fmt.Errorf("{%s} does not hold escapes of Go", s)
	}
	return text, nil
}

// word gives the letters and digits at the start of s, if a letter is first.
func word(s string) string {
	for i := range len(s) {
		c := s[i] | 0x20
		if letter := 'a' <= c && c <= 'z'; !letter && (i == 0 || s[i] < '0' || s[i] > '9') {
			return s[:i]
		}
	}
	return s
}

// A world is what the names of a story mean in one run.
type world struct {
	unique string
	values map[string]string
}

// fill makes the text that a template stands for. It fails for a value that
// nothing has bound.
func (t template) fill(w world) (string, error) {
	var b strings.Builder
	for _, tok := range t {
		switch tok.kind {
		case fresh:
			b.WriteString(tok.text + w.unique)
		case value:
			text, ok := w.values[tok.text]
			if !ok {
				return "", fmt.Errorf("nothing has bound {%s}", tok.text)
			}
			b.WriteString(text)
		default:
			b.WriteString(tok.text)
		}
	}
	return b.String(), nil
}

// show writes a pattern for people: quoted, with what is known filled in.
func (t template) show(w world) string {
	var b strings.Builder
	for _, tok := range t {
		known, bound := w.values[tok.text]
		switch {
		case tok.kind == anything:
			b.WriteString("*")
		case tok.kind == more:
			b.WriteString("[,*]")
		case tok.kind == fresh:
			b.WriteString(tok.text + w.unique)
		case tok.kind == value && !bound:
			b.WriteString("{" + strings.TrimSuffix(tok.text+":"+tok.of, ":") + "}")
		case tok.kind == value:
			b.WriteString(shorten(known))
		default:
			b.WriteString(shorten(strings.ReplaceAll(tok.text, "*", `\*`)))
		}
	}
	return b.String()
}
