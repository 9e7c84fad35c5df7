package conformance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// A prober finds out how a server speaks before the stories are played.
type prober struct {
	target  Target
	unique  string
	offered map[string]bool
	names   int // screen names used so far
}

// probe asks the doors that the target has. It changes the target's manners, and
// returns what the server offers beyond the published protocols. Only that the
// server cannot be reached is an error.
func (p *prober) probe(ctx context.Context, chunks bool) error {
	p.offered = map[string]bool{}
	if p.target.hasDoor(DoorText) {
		if err := p.text(ctx); err != nil {
			return err
		}
	}
	if p.target.hasDoor(DoorLine) {
		return p.line(ctx, chunks)
	}
	return nil
}

// open connects to a door for a probe. A server is not called unreachable for
// want of patience.
func (p *prober) open(ctx context.Context, door string, chunk bool) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, max(p.target.Patience, usualPatience))
	defer cancel()
	c, err := p.target.dial(ctx, door)
	if err != nil {
		return nil, fmt.Errorf("%w: the %s door: %w", ErrUnreachable, door, err)
	}
	return newConn(c, door, chunk, door == DoorLine), nil
}

// text learns how a nop is answered, and which of our commands the server knows:
// those that are answered otherwise than a command that nobody knows.
func (p *prober) text(ctx context.Context) error {
	c, err := p.open(ctx, DoorText, false)
	if err != nil {
		return err
	}
	defer func() { _ = c.close(false) }()
	m := &p.target.Manners
	if m.Nop, err = p.ask(ctx, c, "nop"); err != nil {
		return nil //nolint:nilerr // the stories will tell
	}
	answer, err := p.ask(ctx, c, "req,p1,nop")
	m.NoReq = err == nil && answer != "req,p1" && !strings.HasPrefix(answer, "req,p1,")
	unknown, err := p.ask(ctx, c, nonsense)
	for _, command := range extensionCommands {
		if err != nil {
			break // it does not answer unknown commands: it offers none of ours
		}
		answer, err = p.ask(ctx, c, command)
		p.offered[command] = err == nil && strings.ReplaceAll(kindOf(answer), command, nonsense) != kindOf(unknown)
	}
	return nil
}

// kindOf cuts an error down to its type.
func kindOf(answer string) string {
	fields := strings.SplitN(answer, ",", 4)
	return strings.Join(fields[:min(len(fields), 3)], ",")
}

// ask sends a request and gives the next frame.
func (p *prober) ask(ctx context.Context, c *conn, request string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, p.target.Patience)
	defer cancel()
	if err := c.write(c.encode(request), p.target.Patience); err != nil {
		return "", err
	}
	return c.take(ctx, c.message)
}

// line learns whether the line door speaks in lines or in bare chunks.
func (p *prober) line(ctx context.Context, chunks bool) error {
	lines, err := p.speaksLines(ctx)
	if err != nil {
		return err
	}
	p.offered[needLines] = lines
	p.target.Manners.Chunks = chunks || !lines
	if err := p.learnAnswers(ctx, !p.target.Manners.Chunks); err != nil {
		return err
	}
	p.offered[needChunks] = true
	if !p.target.Manners.Chunks {
		p.offered[needChunks], err = p.takesChunks(ctx)
	}
	return err
}

// speaksLines tells whether half a line is left unanswered, and the whole one is
// answered by a line.
func (p *prober) speaksLines(ctx context.Context) (bool, error) {
	c, err := p.open(ctx, DoorLine, true)
	if err != nil {
		return false, err
	}
	defer func() { _ = c.close(false) }()
	if _, err := p.hear(ctx, c, p.name()+"\n", answerPart); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return false, ctx.Err()
	}
	if said, err := p.hear(ctx, c, nonsense[:3], pausePart); err == nil || said != "" {
		return false, ctx.Err()
	}
	if err := c.write([]byte(nonsense[3:]+"\n"), p.target.Patience); err != nil {
		return false, ctx.Err()
	}
	waiting, cancel := context.WithTimeout(ctx, p.target.Patience)
	defer cancel()
	said, err := c.gather(waiting, p.target.pause())
	return err == nil && c.lined && !strings.Contains(said, nonsense), ctx.Err()
}

// learnAnswers learns whether the server greets, how it answers an unknown word,
// and whether it words its answers as parley does.
func (p *prober) learnAnswers(ctx context.Context, lines bool) error {
	end := ""
	if lines {
		end = "\n"
	}
	c, err := p.open(ctx, DoorLine, true)
	if err != nil {
		return err
	}
	defer func() { _ = c.close(false) }()
	m := &p.target.Manners
	greeting, err := p.hear(ctx, c, p.name()+end, 1)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return ctx.Err()
	}
	m.Silent = greeting == ""
	answer, err := p.hear(ctx, c, nonsense+end, 1)
	if err != nil {
		return ctx.Err()
	}
	if !strings.ContainsAny(answer, lineEnds) {
		m.Unknown = answer
	}
	room := "room" + p.unique
	answer, err = p.hear(ctx, c, "new "+room+end, answerPart)
	p.offered[needForms] = err == nil && answer == "Created "+room+" (ok)"
	return ctx.Err()
}

// takesChunks tells whether a name without LF is answered.
func (p *prober) takesChunks(ctx context.Context) (bool, error) {
	c, err := p.open(ctx, DoorLine, true)
	if err != nil {
		return false, err
	}
	defer func() { _ = c.close(false) }()
	said, _ := p.hear(ctx, c, p.name(), answerPart)
	return said != "", ctx.Err()
}

// hear sends something and gives all that is said until the server pauses. It
// waits a part of the patience for that to begin.
func (p *prober) hear(ctx context.Context, c *conn, say string, part int) (string, error) {
	if err := c.write([]byte(say), p.target.Patience); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, max(p.target.Patience/time.Duration(part), minPause))
	defer cancel()
	return c.gather(ctx, p.target.pause())
}

// name gives a fresh screen name.
func (p *prober) name() string {
	p.names++
	return fmt.Sprintf("probe%d%s", p.names, p.unique)
}
