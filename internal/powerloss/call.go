package powerloss

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A call is one system call of a recording.
type call struct {
	name       string
	args       []arg
	result     int64
	begin, end int // moments; end is never while it has not ended
}

// An arg is an argument of a call. What is of no use is left out of it.
type arg struct {
	word  string // as it stands there, without what is below: a number, flags
	text  []byte // of a string, or of the strings of an iovec
	label string // of a file descriptor: a path, or what strace says of it
	path  bool   // the label is a path
	gone  bool   // the path has been removed
}

// number is an argument, or 0 where it is none.
func (a arg) number() int64 {
	n, _ := strconv.ParseInt(a.word, 0, 64)
	return n
}

// unfinished ends the line of a call that other threads' calls interrupt.
const unfinished = "<unfinished ...>"

var errSyntax = errors.New("strace has never written this")

// parseArgs reads "(arguments" up to the bracket that closes them, and gives
// what stands behind it.
func parseArgs(s string) (args []arg, rest string, err error) {
	s, ok := strings.CutPrefix(s, "(")
	if !ok {
		return nil, "", errSyntax
	}
	for {
		s = strings.TrimLeft(s, " ")
		if rest, ok := strings.CutPrefix(s, ")"); ok {
			return args, rest, nil
		}
		var a arg
		if a, s, err = parseArg(s); err != nil {
			return nil, "", err
		}
		args = append(args, a)
		if s == "" {
			return args, "", nil // the rest comes when the call is resumed
		}
		switch s[0] {
		case ',':
			s = s[1:]
		case ' ', ')':
		default:
			return nil, "", errSyntax
		}
	}
}

// parseArg reads one argument: a mixture of words, strings and nested lists.
func parseArg(s string) (a arg, rest string, err error) {
	depth := 0
	var word strings.Builder
	for s != "" {
		switch c := s[0]; {
		case c == '"':
			var text []byte
			if text, s, err = parseString(s[1:], '"'); err != nil {
				return a, "", err
			}
			a.text = append(a.text, text...)
			continue
		case c == '<' && s != unfinished:
			if s, err = a.parseLabel(s[1:]); err != nil {
				return a, "", err
			}
			continue
		case c == '<':
			a.word = strings.TrimSpace(word.String())
			return a, "", nil
		case c == '[' || c == '{':
			depth++
		case (c == ']' || c == '}') && depth > 0:
			depth--
		case (c == ',' || c == ')') && depth == 0:
			a.word = strings.TrimSpace(word.String())
			return a, s, nil
		}
		word.WriteByte(s[0])
		s = s[1:]
	}
	a.word = strings.TrimSpace(word.String())
	return a, "", nil
}

// parseString reads bytes in hex up to the quote that ends them.
func parseString(s string, quote byte) (text []byte, rest string, err error) {
	text = make([]byte, 0, strings.IndexByte(s, quote)/4+1)
	for s != "" && s[0] != quote {
		if len(s) < 4 || s[0] != '\\' || s[1] != 'x' {
			return nil, "", errSyntax
		}
		high, ok1 := hexDigit(s[2])
		low, ok2 := hexDigit(s[3])
		if !ok1 || !ok2 {
			return nil, "", errSyntax
		}
		text = append(text, high<<4|low)
		s = s[4:]
	}
	switch {
	case s == "":
		return nil, "", errSyntax
	case strings.HasPrefix(s[1:], "..."):
		return nil, "", errors.New("a string was cut short")
	}
	return text, s[1:], nil
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	}
	return 0, false
}

// parseLabel reads what a file descriptor is: "\x2f\x74>", the same with a
// device behind it, or "TCP:[here->there]>".
func (a *arg) parseLabel(s string) (rest string, err error) {
	if strings.HasPrefix(s, `\x`) {
		end := strings.IndexAny(s, "<>")
		if end < 0 {
			return "", errSyntax
		}
		text, _, err := parseString(s[:end]+">", '>')
		if err != nil {
			return "", err
		}
		a.label = string(text)
		a.path = strings.HasPrefix(a.label, "/") // else it is a pipe or the like
		if s = s[end:]; s[0] == '<' {            // of a device
			if end = strings.Index(s, ">>"); end < 0 {
				return "", errSyntax
			}
			s = s[end+1:]
		}
		s = s[1:]
		s, a.gone = strings.CutPrefix(s, "(deleted)")
		return s, nil
	}
	end, skip := strings.Index(s, "]>"), 2
	if end < 0 {
		if end, skip = strings.IndexByte(s, '>'), 1; end < 0 {
			return "", errSyntax
		}
		a.label = s[:end]
		return s[end+skip:], nil
	}
	a.label = s[:end+1]
	return s[end+skip:], nil
}

// A parser puts the lines of one recording together to calls.
type parser struct {
	unfinished map[string]*call // by thread
}

// line reads one line, the one at a moment, and gives the call that begins
// with it, the call that ends with it, or both.
func (p *parser) line(moment int, s string) (begun, ended *call, err error) {
	thread, s, ok := strings.Cut(s, " ")
	if _, err := strconv.Atoi(thread); !ok || err != nil {
		return nil, nil, errSyntax
	}
	s = strings.TrimLeft(s, " ")
	// The end of the process came in the middle of a call: "unfinished) = ?".
	s = strings.Replace(s, "<detached ...>", unfinished, 1)
	if at := strings.Index(s, unfinished+")"); at >= 0 {
		s = s[:at+len(unfinished)]
	}
	switch {
	case strings.HasPrefix(s, "+++"), strings.HasPrefix(s, "---"):
		return nil, nil, nil
	case strings.HasPrefix(s, "???"), strings.HasPrefix(s, "<... ???"):
		return nil, nil, nil // the process ended before the thread had made a call
	case strings.HasPrefix(s, "<... ") && strings.HasSuffix(s, unfinished):
		return nil, nil, nil // it goes on to be unfinished
	case strings.HasPrefix(s, "<... "):
		return p.resumed(moment, thread, s)
	}
	at := strings.IndexByte(s, '(')
	if at < 0 {
		return nil, nil, errSyntax
	}
	c := &call{name: s[:at], begin: moment, end: never}
	var rest string
	if c.args, rest, err = parseArgs(s[at:]); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", c.name, err)
	}
	if strings.HasSuffix(s, unfinished) {
		p.unfinished[thread] = c
		return c, nil, nil
	}
	if err := c.finish(moment, rest); err != nil {
		return nil, nil, err
	}
	return c, c, nil
}

// resumed reads the rest of a call that began before.
func (p *parser) resumed(moment int, thread, s string) (begun, ended *call, err error) {
	c := p.unfinished[thread]
	if c == nil || !strings.HasPrefix(s, "<... "+c.name+" resumed>") {
		return nil, nil, fmt.Errorf("a call is resumed that did not begin: %w", errSyntax)
	}
	delete(p.unfinished, thread)
	s = strings.TrimPrefix(s, "<... "+c.name+" resumed>")
	more, rest, err := parseArgs("(" + strings.TrimPrefix(s, ","))
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", c.name, err)
	}
	c.args = append(c.args, more...)
	return nil, c, c.finish(moment, rest)
}

// finish reads "= result".
func (c *call) finish(moment int, s string) error {
	s, ok := strings.CutPrefix(strings.TrimLeft(s, " "), "= ")
	if !ok {
		return errSyntax
	}
	word, _, _ := strings.Cut(s, " ")
	word, _, _ = strings.Cut(word, "<")
	if word == "?" { // the process ended
		c.result, c.end = -1, moment
		return nil
	}
	n, err := strconv.ParseInt(word, 0, 64)
	if err != nil {
		return fmt.Errorf("result %q: %w", word, errSyntax)
	}
	c.result, c.end = n, moment
	return nil
}
