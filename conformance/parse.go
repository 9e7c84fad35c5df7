package conformance

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A step is one thing that an actor does or sees.
type step struct {
	line int
	text string // as it is written
	act  action
}

// An action is what a step does when it is played. It returns nothing if it
// came true, a *Failure if it did not, and another error if the story cannot be
// played at all.
type action interface {
	play(p *player, at step) error
}

// A parser reads the steps of one story.
type parser struct {
	story *Story
	lines []string        // those that are not read yet
	line  int             // the number of the line that was read last
	open  map[string]bool // the actors that are connected
}

// speech is a step that begins with the name of an actor and an operator.
var speech = regexp.MustCompile(`^([a-z][a-z0-9]*)(>>|<<|>\+|<\+|>\?|<~|<!|>|<)(?: (.*))?$`)

func (p *parser) parse(body string) error {
	p.lines = strings.Split(strings.TrimSuffix(body, "\n"), "\n")
	steps, err := p.block(false)
	switch {
	case err != nil:
		return err
	case p.story.Clause == "":
		return errors.New(`no "# clause: " says where the protocol page wants this`)
	case len(steps) == 0:
		return errors.New("the story has no steps")
	}
	p.story.steps = steps
	slices.Sort(p.story.Doors)
	p.story.Doors = slices.Compact(p.story.Doors)
	return nil
}

// block reads steps until the story ends or, inside a repetition, "end" comes.
func (p *parser) block(inside bool) ([]step, error) {
	var steps []step
	for {
		text, ok := p.next()
		switch {
		case !ok && inside:
			return nil, errors.New("repeat without end")
		case !ok:
			return steps, nil
		case inside && text == "end":
			return steps, nil
		case strings.TrimRight(text, " \t\r") != text:
			return nil, errors.New(`a step ends in a space or tab: write {\x20} or {\t}`)
		}
		s := step{line: p.line, text: text}
		act, err := p.step(text)
		if err != nil {
			return nil, err
		}
		s.act = act
		if !joins(steps, s) {
			steps = append(steps, s)
		}
	}
}

// next gives the next line that is neither empty nor a comment. A comment
// before the first step may say something about the story.
func (p *parser) next() (string, bool) {
	for len(p.lines) > 0 {
		text := p.lines[0]
		p.lines = p.lines[1:]
		p.line++
		if note, ok := strings.CutPrefix(text, "# "); ok {
			p.note(note)
		} else if text != "" && text != "#" {
			return text, true
		}
	}
	return "", false
}

func (p *parser) note(note string) {
	if clause, ok := strings.CutPrefix(note, "clause: "); ok {
		p.story.Clause = clause
	}
	if needs, ok := strings.CutPrefix(note, "extension: "); ok {
		p.story.Extension, p.story.needs = true, strings.Fields(needs)
	}
	switch note {
	case "extension":
		p.story.Extension = true
	case "heavy":
		p.story.Heavy = true
	case "granted":
		p.story.Granted = true
	}
}

// step reads one step. Some read the lines behind it too.
func (p *parser) step(text string) (action, error) {
	if m := speech.FindStringSubmatch(text); m != nil {
		if !p.open[m[1]] {
			return nil, fmt.Errorf("%s is not connected here", m[1])
		}
		return p.speech(m[1], m[2], m[3])
	}
	words := strings.Split(text, " ")
	switch words[0] {
	case "open":
		return p.opening(words[1:])
	case "enter", "try", "regain":
		return p.entering(words)
	case "quiet", "settle", "shut", "closed", "ended", "drop", "leave":
		return p.turn(words)
	case "race":
		return p.race(strings.TrimPrefix(text, "race "))
	case "check":
		return parseCheck(words[1:])
	case "repeat":
		return p.repeat(words[1:])
	}
	return nil, fmt.Errorf("%q is not a step", text)
}

func (p *parser) speech(actor, operator, text string) (action, error) {
	switch operator {
	case ">>", "<<":
		bytes, err := strconv.Unquote(text)
		if err != nil {
			return nil, fmt.Errorf("%s does not stand in the quotes of Go", text)
		}
		if operator == ">>" {
			return sendRaw{actor, bytes}, nil
		}
		return expectRaw{actor, bytes}, nil
	case "<", "<+", "<~", "<!":
		pattern, err := compile(text, true)
		switch operator {
		case "<":
			return expect{actor, pattern}, err
		case "<~":
			return skipTo{actor, pattern}, err
		case "<!":
			return unlike{actor, pattern}, err
		}
		return &anyOrder{actor, []template{pattern}, []int{p.line}}, err
	}
	data, err := compile(text, false)
	if err != nil {
		return nil, err
	}
	if operator == ">?" {
		return p.ask(actor, data)
	}
	return send{actor, data, operator == ">+"}, nil
}

// ask reads the expectation that belongs to a question.
func (p *parser) ask(actor string, question template) (action, error) {
	text, ok := p.next()
	m := speech.FindStringSubmatch(text)
	if !ok || m == nil || m[1] != actor || m[2] != "<" && m[2] != "<!" {
		return nil, fmt.Errorf("%s>? wants %s< PATTERN as the next step", actor, actor)
	}
	pattern, err := compile(m[3], true)
	return ask{actor, question, pattern, m[2] == "<!"}, err
}

func (p *parser) opening(words []string) (action, error) {
	chunk := len(words) == 3 && words[1] == DoorLine && words[2] == "chunk"
	if len(words) != 2 && !chunk || words[1] != DoorText && words[1] != DoorLine {
		return nil, errors.New("open wants a name, text or line, and perhaps chunk")
	}
	if p.open[words[0]] || word(words[0]) != words[0] || words[0] == "" {
		return nil, fmt.Errorf("%q is connected, or no name for an actor", words[0])
	}
	p.open[words[0]] = true
	p.story.Doors = append(p.story.Doors, words[1])
	return opening{words[0], words[1], chunk}, nil
}

func (p *parser) entering(words []string) (action, error) {
	if len(words) != 3 || !p.open[words[1]] {
		return nil, fmt.Errorf("%s wants the name of an actor who is connected, and a screen name", words[0])
	}
	name, err := compile(words[2], false)
	return enter{words[1], name, words[0]}, err
}

// turn reads a step that is a verb and an actor.
func (p *parser) turn(words []string) (action, error) {
	if len(words) != 2 || !p.open[words[1]] {
		return nil, fmt.Errorf("%s wants the name of an actor who is connected", words[0])
	}
	actor := words[1]
	switch words[0] {
	case "quiet":
		return quiet{actor}, nil
	case "settle":
		return settle{actor}, nil
	case "shut":
		return shut{actor}, nil
	case "closed", "ended":
		delete(p.open, actor)
		return closed{actor, words[0] == "closed"}, nil
	}
	delete(p.open, actor)
	return hangUp{actor, words[0] == "drop"}, nil
}

func (p *parser) race(text string) (action, error) {
	names, patterns, _ := strings.Cut(text, ": ")
	first, others, ok := strings.Cut(patterns, " | ")
	actors := strings.Fields(names)
	if !ok || len(actors) < 2 {
		return nil, errors.New("race wants names, a colon, and two patterns with | between them")
	}
	for _, actor := range actors {
		if !p.open[actor] {
			return nil, fmt.Errorf("%s is not connected here", actor)
		}
	}
	one, err := compile(first, true)
	if err != nil {
		return nil, err
	}
	rest, err := compile(others, true)
	return race{actors, one, rest}, err
}

func parseCheck(words []string) (action, error) {
	if len(words) != 3 || !slices.Contains([]string{"<", "<=", "=", "!="}, words[1]) {
		return nil, errors.New("check wants two texts with <, <=, = or != between them")
	}
	left, err := compile(words[0], false)
	if err != nil {
		return nil, err
	}
	right, err := compile(words[2], false)
	return check{left, words[1], right}, err
}

func (p *parser) repeat(words []string) (action, error) {
	n, err := strconv.Atoi(strings.Join(words, " "))
	if err != nil || n < 1 || n > maxRepeat {
		return nil, fmt.Errorf("repeat wants a number from 1 to %d", maxRepeat)
	}
	steps, err := p.block(true)
	return repeat{n, steps}, err
}

// joins adds a step that may come in any order to the one before it, if that is
// of the same kind and actor.
func joins(steps []step, s step) bool {
	one, ok := s.act.(*anyOrder)
	if !ok || len(steps) == 0 {
		return false
	}
	group, ok := steps[len(steps)-1].act.(*anyOrder)
	if !ok || group.actor != one.actor {
		return false
	}
	group.patterns = append(group.patterns, one.patterns...)
	group.lines = append(group.lines, one.lines...)
	return true
}
