package conformance

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/parley-chat/parley/wire/textwire"
)

// A Target is the server that stories are played against.
type Target struct {
	// Text and Line are the addresses of the doors, host:port or unix:PATH. A
	// door without an address is not there.
	Text, Line string

	// Dial, if set, connects to a door instead of the addresses. It returns
	// ErrNoDoor for a door that is not there.
	Dial func(ctx context.Context, door string) (net.Conn, error)

	// Granted is the name of an account to which the operator of the server has
	// granted the right to provide commands, and Password proves it. Stories
	// that want one make it, if it is not there, and reports show both. Empty:
	// there is none.
	Granted, Password string

	// Patience is how long a step waits for what it expects. 0 means 5 s.
	Patience time.Duration

	// Manners is how the server speaks where the published protocols leave it
	// free. The zero value is how parley does; Check finds it out.
	Manners Manners
}

// ErrNoDoor is the error of [Run] when the target lacks a door of the story.
var ErrNoDoor = errors.New("the server has no such door")

// ErrNoGrant is the error of [Run] when the story wants an account that may
// provide commands, and the target names none.
var ErrNoGrant = errors.New("no account is named that may provide commands")

// UniqueSize is the number of characters that make a name fresh.
const UniqueSize = 6

// uniqueLetters looks like no other letter or digit: parley refuses names that
// look like others.
const uniqueLetters = "bcdfghjkpqrstvwxz23456789"

// Unique gives six characters that no other run has, for Run.
func Unique() string {
	b := make([]byte, UniqueSize)
	rand.Read(b) // never fails
	for i := range b {
		b[i] = uniqueLetters[int(b[i])%len(uniqueLetters)]
	}
	return string(b)
}

// Run plays a story against a server. Fresh names end in unique, which has six
// characters; empty stands for Unique(). Run returns nil if the story came true,
// a *Failure if it did not, ErrNoDoor or ErrNoGrant if it needs what is not there,
// and another error if it could not be played. Stories may run at the same time.
func Run(ctx context.Context, s Story, target Target, unique string) error {
	_, err := play(ctx, s, target, unique, false)
	return err
}

// Record plays a story and, where an expectation is not met by what arrives,
// takes what arrives for right and goes on. It returns the lines of the story's
// file that would have to change.
func Record(ctx context.Context, s Story, target Target, unique string) ([]Edit, error) {
	p, err := play(ctx, s, target, unique, true)
	return p.edits, err
}

// A player plays one story. It is used by one goroutine.
type player struct {
	ctx    context.Context
	story  Story
	target Target
	world  world
	conns  map[string]*conn
	tokens int // that quiet has used
	log    exchange

	record bool
	edits  []Edit
}

func play(ctx context.Context, s Story, target Target, unique string, record bool) (*player, error) {
	if unique == "" {
		unique = Unique()
	}
	if target.Patience == 0 {
		target.Patience = 5 * time.Second
	}
	p := &player{
		ctx: ctx, story: s, target: target, record: record,
		world: world{unique: unique, values: map[string]string{}},
		conns: map[string]*conn{},
	}
	if len(unique) != UniqueSize {
		return p, fmt.Errorf("%q does not have %d characters", unique, UniqueSize)
	}
	for _, door := range s.Doors {
		if !target.hasDoor(door) {
			return p, fmt.Errorf("%s: the %s door: %w", s, door, ErrNoDoor)
		}
	}
	if s.Granted {
		if target.Granted == "" {
			return p, fmt.Errorf("%s: %w", s, ErrNoGrant)
		}
		p.world.values["granted"], p.world.values["password"] = oneField(target.Granted), oneField(target.Password)
	}
	defer p.hangUp()
	return p, p.steps(s.steps)
}

// oneField writes a text as it is sent.
func oneField(text string) string { return string(textwire.Append(nil, text)) }

func (p *player) steps(steps []step) error {
	for _, s := range steps {
		if err := s.act.play(p, s); err != nil {
			var failure *Failure
			if errors.As(err, &failure) {
				return err
			}
			return fmt.Errorf("%s:%d: %w", p.story.File, s.line, err)
		}
	}
	return nil
}

// hangUp closes what the story left open.
func (p *player) hangUp() {
	for _, c := range p.conns {
		_ = c.close(false) // whatever it says, the connection is over
	}
}

// hasDoor tells whether there is a way to a door.
func (t Target) hasDoor(door string) bool { return t.Dial != nil || t.address(door) != "" }

func (t Target) address(door string) string {
	if door == DoorLine {
		return t.Line
	}
	return t.Text
}

func (t Target) dial(ctx context.Context, door string) (net.Conn, error) {
	if t.Dial != nil {
		return t.Dial(ctx, door)
	}
	var d net.Dialer
	if path, unix := strings.CutPrefix(t.address(door), "unix:"); unix {
		return d.DialContext(ctx, "unix", path)
	}
	return d.DialContext(ctx, "tcp", t.address(door))
}

// wait gives the context for one expectation.
func (p *player) wait() (context.Context, context.CancelFunc) {
	return context.WithTimeout(p.ctx, p.target.Patience)
}

// receive takes the next frame or message of an actor. What is wanted is for
// the report. Where nothing but the sense tells where a message ends, it ends
// where accept says yes; without accept, where the server pauses.
func (p *player) receive(at step, actor, want string, accept func(string) bool) (string, error) {
	ctx, cancel := p.wait()
	defer cancel()
	c := p.conns[actor]
	got, err := "", error(nil)
	if c.bare {
		got, err = c.takeBare(ctx, p.target.pause(), accept)
	} else {
		got, err = c.take(ctx, c.message)
	}
	if err != nil {
		return "", p.failure(at, want, err)
	}
	p.log.add(actor, "<", got)
	return got, nil
}

// failure makes the report of a step that did not come true.
func (p *player) failure(at step, want string, got error) error {
	if cause := context.Cause(p.ctx); errors.Is(cause, errStoryTime) {
		got = cause
	} else if cause != nil {
		return cause
	}
	return &Failure{
		Story: p.story.String(), File: p.story.File, Line: at.line, Clause: p.story.Clause,
		Step: at.text, Want: want, Got: got.Error(),
		Exchange: p.log.lines(),
		timeout:  errors.Is(got, errSilence) || errors.Is(got, errStoryTime),
	}
}

// errStoryTime is the cause that ends a story which takes too long as a whole.
var errStoryTime = errors.New("the story took too long as a whole; the server is slow at every step")
