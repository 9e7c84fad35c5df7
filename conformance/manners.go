package conformance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// Manners is how a server speaks where the published protocols leave it free, or
// where it breaks a rule that every story leans on, so that one broken rule is
// found once and not in every story.
type Manners struct {
	// Chunks says that on the line door a message is what one write sends, in
	// both directions, as in the published client. Else messages end with LF.
	// Stories that want more than the published protocols choose for themselves.
	Chunks bool

	// Silent says that the line door does not greet who enters.
	Silent bool

	// Unknown is the answer of the line door to a word that it does not know.
	// Empty means Verified.
	Unknown string

	// NoReq says that the text door knows no req: then nop alone must do.
	NoReq bool

	// Nop is the data of the text door's answer to nop.
	Nop string
}

// Verified is the answer to an unknown word.
const Verified = "Verified"

// nonsense is a word that no server knows.
const nonsense = "xyzzy"

// Bounds of the pause after which a message without LF counts as complete, and
// the part of the patience that it is.
const (
	minPause     = 50 * time.Millisecond
	maxPause     = 500 * time.Millisecond
	pausePart    = 50
	answerPart   = 4 // of the patience: how long to wait for an answer that may not come
	greetingPart = 10
)

// pause is how long a server that does not end its messages must be silent for
// its message to be complete.
func (t Target) pause() time.Duration {
	return min(max(t.Patience/pausePart, minPause), maxPause)
}

// like tells whether a message is like one of the patterns.
func (p *player) like(patterns ...template) func(string) bool {
	return func(got string) bool {
		return slices.ContainsFunc(patterns, func(t template) bool { return t.match(got, p.world) })
	}
}

func (p *player) verified() string { return cmp.Or(p.target.Manners.Unknown, Verified) }

// play says the name, and finds by an unknown word that it was accepted. What a
// server says to greet is its own business.
func (a enter) play(p *player, at step) error {
	switch a.how {
	case "try":
		var refused *Failure
		if err := a.once(p, at); !errors.As(err, &refused) {
			return err
		}
		return nil
	case "regain":
		return a.again(p, at)
	}
	return a.once(p, at)
}

// again says the name on one connection after the other, until it is accepted.
func (a enter) again(p *player, at step) error {
	ctx, cancel := p.wait()
	defer cancel()
	for {
		said := len(p.log.said)
		err := a.once(p, at)
		var refused *Failure
		if !errors.As(err, &refused) || ctx.Err() != nil {
			return err
		}
		p.log.forget(len(p.log.said) - said)
		_ = p.conns[a.actor].close(false) // it was refused; another follows
		if err := (opening{actor: a.actor, door: DoorLine}).play(p, at); err != nil {
			return err
		}
		p.log.forget(1)
	}
}

func (a enter) once(p *player, at step) error {
	if err := (send{actor: a.actor, data: a.name}).play(p, at); err != nil {
		return err
	}
	wait := p.target.Patience
	if p.target.Manners.Silent {
		wait /= greetingPart
	}
	return p.settle(at, a.actor, wait, "the name is accepted")
}

func (a settle) play(p *player, at step) error {
	return p.settle(at, a.actor, p.target.Patience/answerPart, "an answer of any kind")
}

// settle takes what an actor is told, whatever it is, until an unknown word is
// answered. The next message of an actor without LF could be read as one with
// the last, so it waits up to first for the answer to that.
func (p *player) settle(at step, actor string, first time.Duration, want string) error {
	c := p.conns[actor]
	if c.bare {
		ctx, cancel := context.WithTimeout(p.ctx, first)
		defer cancel()
		said, err := c.gather(ctx, p.target.pause())
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return p.failure(at, want, err)
		}
		if said != "" {
			p.log.add(actor, "<", said)
		}
		if strings.HasPrefix(said, nameError) {
			return p.failure(at, want, errors.New(quote(said)))
		}
	}
	if err := (send{actor: actor, data: template{{text: nonsense}}}).play(p, at); err != nil {
		return err
	}
	end := template{{kind: anything}, {text: p.verified()}}
	if !c.bare {
		end = end[1:]
	}
	ctx, cancel := p.wait()
	defer cancel()
	for {
		got, err := p.receive(at, actor, want+", and an unknown word is answered", p.like(end))
		switch {
		case err != nil || end.match(got, p.world):
			return err
		case got == nameError:
			return p.failure(at, want, errors.New(quote(got)))
		case ctx.Err() != nil:
			return p.failure(at, want, fmt.Errorf("only other messages, the last %s", quote(got)))
		}
	}
}

// nameError is the line protocol's word for a name that cannot be had.
const nameError = "NAMEERROR"

func (a quiet) play(p *player, at step) error {
	p.tokens++
	token := fmt.Sprintf("quiet%d", p.tokens)
	ask, want := token, p.verified()
	if p.conns[a.actor].door == DoorText {
		ask, want = "req,"+token+",nop", "req,"+token
		if p.target.Manners.NoReq {
			ask, want = "nop", p.target.Manners.Nop
		}
	}
	err := send{actor: a.actor, data: template{{text: ask}}}.play(p, at)
	if err != nil {
		return err
	}
	show := want + ", for nothing else has arrived"
	got, err := p.receive(at, a.actor, show, func(got string) bool { return got == want })
	if err == nil && got != want {
		err = p.failure(at, show, errors.New(quote(got)))
	}
	return err
}

// play asks one actor after the other. Who is told nothing is told something
// like a star: a server need not greet.
func (a race) play(p *player, at step) error {
	want := "one of them gets " + a.one.show(p.world)
	winner := ""
	for _, actor := range a.actors {
		got, err := p.receiveOrNothing(at, actor, a)
		switch {
		case err != nil:
			return err
		case a.others.match(got, p.world):
		case !a.one.match(got, p.world):
			return p.failure(at, a.one.show(p.world)+" | "+a.others.show(p.world), errors.New(quote(got)))
		case winner != "":
			return p.failure(at, want, fmt.Errorf("%s and %s did", winner, actor))
		default:
			winner = actor
		}
	}
	if winner == "" {
		return p.failure(at, want, errors.New("none did"))
	}
	return nil
}

// receiveOrNothing receives a message of a race.
func (p *player) receiveOrNothing(at step, actor string, a race) (string, error) {
	if p.target.Manners.Silent && a.one.match("", p.world) {
		ctx, cancel := context.WithTimeout(p.ctx, p.target.Patience/answerPart)
		defer cancel()
		if !p.conns[actor].arrives(ctx) {
			return "", nil
		}
	}
	return p.receive(at, actor, a.one.show(p.world)+" | "+a.others.show(p.world), p.like(a.others, a.one))
}
