package conformance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// The actions: what each kind of step does.
type (
	opening struct {
		actor, door string
		chunk       bool
	}
	send struct {
		actor string
		data  template
		hold  bool
	}
	sendRaw struct{ actor, bytes string }
	ask     struct {
		actor             string
		question, pattern template
		not               bool // the answer must not be like the pattern
	}
	expect struct {
		actor   string
		pattern template
	}
	anyOrder struct {
		actor    string
		patterns []template
		lines    []int
	}
	skipTo struct {
		actor   string
		pattern template
	}
	expectRaw struct{ actor, bytes string }
	quiet     struct{ actor string }
	enter     struct {
		actor string
		name  template
		how   string // enter, try or regain
	}
	settle struct{ actor string }
	shut   struct{ actor string }
	closed struct {
		actor  string
		silent bool // and the server says nothing before
	}
	hangUp struct {
		actor    string
		abruptly bool
	}
	unlike struct {
		actor   string
		pattern template
	}
	race struct {
		actors      []string
		one, others template
	}
	check struct {
		left     template
		operator string
		right    template
	}
	repeat struct {
		times int
		steps []step
	}
)

func (a opening) play(p *player, at step) error {
	ctx, cancel := p.wait()
	defer cancel()
	c, err := p.target.dial(ctx, a.door)
	if errors.Is(err, ErrNoDoor) {
		return err
	}
	if err != nil {
		return p.failure(at, "a connection to the "+a.door+" door", err)
	}
	bare := a.door == DoorLine && p.target.Manners.Chunks && !p.story.Extension
	p.conns[a.actor] = newConn(c, a.door, a.chunk || bare, bare)
	p.log.note(at.text)
	return nil
}

func (a send) play(p *player, at step) error {
	data, err := a.data.fill(p.world)
	if err != nil {
		return err
	}
	p.log.add(a.actor, ">", data)
	c := p.conns[a.actor]
	if a.hold {
		c.held = append(c.held, c.encode(data)...)
		return nil
	}
	return p.write(at, c, c.encode(data))
}

func (a sendRaw) play(p *player, at step) error {
	p.log.add(a.actor, ">>", a.bytes)
	return p.write(at, p.conns[a.actor], []byte(a.bytes))
}

// write sends bytes. That the server has closed is no failure of this step: the
// next ones tell what it said before.
func (p *player) write(at step, c *conn, b []byte) error {
	err := c.write(b, p.target.Patience)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return p.failure(at, "the server reads what is sent", errors.New("it did not in time"))
	}
	p.log.note("  " + err.Error())
	return nil
}

func (a expect) play(p *player, at step) error {
	got, err := p.receive(at, a.actor, a.pattern.show(p.world), p.like(a.pattern))
	if err != nil || a.pattern.match(got, p.world) {
		return err
	}
	return p.mismatch(at, a.actor, a.pattern, got)
}

// mismatch reports what came instead of what was wanted or, when recording,
// notes it as the new expectation.
func (p *player) mismatch(at step, actor string, want template, got string) error {
	if !p.record {
		return p.failure(at, want.show(p.world), errors.New(quote(got)))
	}
	p.edits = append(p.edits, Edit{p.story.File, at.line, actor + "< " + p.literal(got)})
	return nil
}

// play sends the question until the answer is right. The time for it is the
// patience of one step.
func (a ask) play(p *player, at step) error {
	ctx, cancel := p.wait()
	defer cancel()
	want, accept := a.pattern.show(p.world), p.like(a.pattern)
	if a.not {
		want, accept = "something unlike "+want, nil
	}
	for {
		if err := (send{actor: a.actor, data: a.question}).play(p, at); err != nil {
			return err
		}
		got, err := p.receive(at, a.actor, want, accept)
		if err != nil || a.pattern.match(got, p.world) != a.not {
			return err
		}
		p.log.forget(2)
		if ctx.Err() != nil {
			return p.failure(at, want, errors.New(quote(got)+", again and again"))
		}
	}
}

func (a unlike) play(p *player, at step) error {
	want := "something unlike " + a.pattern.show(p.world)
	got, err := p.receive(at, a.actor, want, nil)
	if err == nil && a.pattern.match(got, p.world) {
		err = p.failure(at, want, errors.New(quote(got)))
	}
	return err
}

func (a *anyOrder) play(p *player, at step) error {
	left := slices.Clone(a.patterns)
	for len(left) > 0 {
		wants := make([]string, len(left))
		for i, pattern := range left {
			wants[i] = pattern.show(p.world)
		}
		want := strings.Join(wants, "\n      or ")
		got, err := p.receive(at, a.actor, want, p.like(left...))
		if err != nil {
			return err
		}
		i := slices.IndexFunc(left, func(t template) bool { return t.match(got, p.world) })
		if i < 0 {
			return p.failure(at, want, errors.New(quote(got)))
		}
		left = slices.Delete(left, i, i+1)
	}
	return nil
}

func (a skipTo) play(p *player, at step) error {
	ctx, cancel := p.wait()
	defer cancel()
	pattern := a.pattern
	if p.conns[a.actor].bare { // what is skipped may be in one piece with it
		pattern = append(template{{kind: anything}}, pattern...)
	}
	for {
		got, err := p.receive(at, a.actor, a.pattern.show(p.world), p.like(pattern))
		if err != nil || pattern.match(got, p.world) {
			return err
		}
		if ctx.Err() != nil {
			return p.failure(at, a.pattern.show(p.world), errors.New("only other messages, the last "+quote(got)))
		}
	}
}

func (a expectRaw) play(p *player, at step) error {
	ctx, cancel := p.wait()
	defer cancel()
	got, err := p.conns[a.actor].take(ctx, exactly(a.bytes))
	if err != nil {
		return p.failure(at, "exactly "+quote(a.bytes), err)
	}
	p.log.add(a.actor, "<<", got)
	return nil
}

func (a shut) play(p *player, at step) error {
	p.log.note(at.text)
	err := p.conns[a.actor].finish()
	if err != nil && !errors.Is(err, ErrHalfClose) {
		p.log.note("  " + err.Error())
		return nil
	}
	return err
}

func (a closed) play(p *player, at step) error {
	ctx, cancel := p.wait()
	defer cancel()
	c := p.conns[a.actor]
	want := "the end of the connection"
	if a.silent {
		want += ", and nothing before"
	}
	if err := c.awaitEnd(ctx, a.silent); err != nil {
		return p.failure(at, want, err)
	}
	delete(p.conns, a.actor)
	p.log.note(at.text)
	_ = c.close(false) // the server has ended it
	return nil
}

func (a hangUp) play(p *player, at step) error {
	c := p.conns[a.actor]
	delete(p.conns, a.actor)
	p.log.note(at.text)
	_ = c.close(a.abruptly) // whatever it says, the connection is over
	return nil
}

func (a check) play(p *player, at step) error {
	left, err := a.left.fill(p.world)
	if err != nil {
		return err
	}
	right, err := a.right.fill(p.world)
	if err != nil {
		return err
	}
	order := strings.Compare(left, right)
	holds := map[string]bool{"<": order < 0, "<=": order <= 0, "=": order == 0, "!=": order != 0}
	if !holds[a.operator] {
		return p.failure(at, at.text, fmt.Errorf("%s and %s", quote(left), quote(right)))
	}
	return nil
}

func (a repeat) play(p *player, _ step) error {
	for i := range a.times {
		if err := context.Cause(p.ctx); err != nil {
			return err
		}
		p.world.values["i"] = counter(i)
		if err := p.steps(a.steps); err != nil {
			return err
		}
	}
	delete(p.world.values, "i")
	return nil
}

// maxRepeat is how far three letters count.
const maxRepeat = len(counterLetters) * len(counterLetters) * len(counterLetters)

// counterLetters are sorted, and look like no digit and no others of them.
const counterLetters = "bcdfghjkpqrstvwxz"

// counter writes a number in three letters that sort as the numbers do.
func counter(i int) string {
	n := len(counterLetters)
	return string([]byte{counterLetters[i/n/n%n], counterLetters[i/n%n], counterLetters[i%n]})
}
