package bench

import (
	"context"
	"crypto/rand"
	"fmt"
	"runtime"
	"time"
)

// run measures one target once.
type run struct {
	o      *Options
	target *target
	round  int
	engine *engine
	report *Report

	doing    string // for the line of progress
	share    float64
	shown    time.Time
	lastSeen int64
}

func (b *run) add(r Result) { b.report.Results = append(b.report.Results, r) }

// Run measures. Its error wraps ErrUsage for options that make no sense,
// ErrUnreachable for a server that nobody could connect to, ErrSystem where it
// cannot run; any other is a fault that the run met, such as a message that was
// lost. The report then holds what was measured before.
func Run(ctx context.Context, o Options) (*Report, error) {
	s, err := o.prepare()
	if err != nil {
		return nil, err
	}
	var targets []*target
	for _, t := range o.Targets {
		resolved, err := resolve(ctx, t, o.AllowRemote)
		if err != nil {
			return nil, err
		}
		if err := o.checkTarget(s, resolved); err != nil {
			return nil, err
		}
		targets = append(targets, resolved)
	}
	report := &Report{
		Scenario: s.name,
		Settings: Settings{Clients: o.Clients, Members: o.Members, Senders: o.Senders, Size: o.Size, Rounds: o.Rounds},
		Results:  []Result{}, Medians: []Result{},
	}
	err = rounds(ctx, &o, s, targets, report)
	report.sum()
	if err != nil {
		report.Error = err.Error()
	}
	return report, err
}

// rounds measures each target in turn, again and again, so that what changes on
// the machine meanwhile meets both alike.
func rounds(ctx context.Context, o *Options, s *scenario, targets []*target, report *Report) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for round := 1; round <= o.Rounds; round++ {
		for _, t := range targets {
			b := &run{o: o, target: t, round: round, report: report}
			if err := b.once(ctx, s); err != nil {
				return fmt.Errorf("%s: %w", t.URL, err)
			}
		}
	}
	return nil
}

// once measures one target on connections of its own.
func (b *run) once(ctx context.Context, s *scenario) error {
	e, err := newEngine(b.o, b.target, newTag(), b.tick)
	if err != nil {
		return err
	}
	defer e.close()
	b.engine = e
	e.acksRun = s.posts
	return s.run(ctx, b)
}

func (b *run) tick() {
	if b.o.Progress != nil {
		b.o.Progress(b.status())
	}
}

// newTag is what the names of one run have in common.
func newTag() string {
	tag := make([]byte, tagSize)
	rand.Read(tag) // never fails
	for i := range tag {
		tag[i] = nameLetters[int(tag[i])%len(nameLetters)]
	}
	return string(tag)
}
