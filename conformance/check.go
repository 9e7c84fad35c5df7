package conformance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options say how a server is checked. The zero value checks all but what is
// heavy.
type Options struct {
	SeedOnly bool           // leave out what the published protocols do not have
	Heavy    bool           // play stories that make much work, or leave much behind
	Chunks   bool           // play the published line protocol with bare chunks, whatever the probe says
	Match    *regexp.Regexp // only stories whose clause, name or rule's title matches; nil means all
	Parallel int            // how many stories are played at the same time; 0 means 4
	Limit    time.Duration  // for all of it; what is left then is broken; 0 means 5 minutes

	Started  func(Report)          // called once the server has been probed; may be nil
	Progress func(done, total int) // called after each story; may be nil
	Finished func(Rule)            // called for each rule, in order, as soon as it is known; may be nil
}

// ErrUnreachable is the error of [Check] when a door of the target cannot be
// connected to at the start.
var ErrUnreachable = errors.New("not reachable")

const (
	usualParallel = 4
	usualLimit    = 5 * time.Minute
	usualPatience = 5 * time.Second

	// storyPatience is how many times the patience a story may take as a whole.
	storyPatience = 12

	// After so many stories in a row that waited in vain, a story waits for a
	// part of the patience only, until one comes true.
	deafStories, deafPart = 8, 5

	// A server that refuses a connection is asked again for so long, in case
	// it is only starting again.
	goneAfter = time.Second
)

var (
	errGone = errors.New("the server was gone before this could be checked")
	errLate = errors.New("the check took too long as a whole, and this was left")
)

// Check plays the stories against a server and says for each rule how the
// server keeps it. A server that hangs, hangs up or babbles breaks rules; the
// only errors are ErrUnreachable, at the start, and that of ctx.
func Check(ctx context.Context, target Target, o Options) (Report, error) {
	started := time.Now()
	target.Patience = cmp.Or(target.Patience, usualPatience)
	p := &prober{target: target, unique: Unique()}
	if err := p.probe(ctx, o.Chunks); err != nil {
		return Report{}, err
	}
	r := Report{Text: target.Text, Line: target.Line, SeedOnly: o.SeedOnly, Offered: []string{}}
	for _, name := range slices.Sorted(maps.Keys(p.offered)) {
		if p.offered[name] {
			r.Offered = append(r.Offered, name)
		}
	}
	if target.hasDoor(DoorLine) {
		r.LineMode = "lines"
		if p.target.Manners.Chunks {
			r.LineMode = "chunks"
		}
	}
	if o.Started != nil {
		o.Started(r)
	}
	all, err := plan(p, o)
	if err != nil {
		return r, err
	}
	c := &checker{target: p.target, options: o}
	c.checkAll(ctx, all, &r)
	r.Stopped = c.stopped()
	r.Seconds = time.Since(started).Seconds()
	return r, ctx.Err()
}

// A task is a rule with its stories.
type task struct {
	rule     Rule
	stories  []Story // to be played
	left     int     // of those, not played yet
	came     int     // of those, came true
	unplayed error   // why some were not played, though they should have been
}

// plan sorts the stories by rule, in the order of the pages, and decides which
// are to be played.
func plan(p *prober, o Options) ([]*task, error) {
	stories, err := Load()
	if err != nil {
		return nil, err
	}
	tasks := map[int]*task{}
	for _, s := range stories {
		i, known := ruleOf(s)
		if !known {
			return nil, fmt.Errorf("%s: there is no rule for clause %q", s, s.Clause)
		}
		if !slices.ContainsFunc(s.Doors, p.target.hasDoor) {
			continue // it is about another protocol
		}
		text := ruleTexts[i]
		title := text.title(s.Extension)
		if s.Extension && o.SeedOnly || o.Match != nil && !o.Match.MatchString(text.clause+" "+title+" "+s.String()) {
			continue
		}
		key := 2 * i
		if s.Extension {
			key++
		}
		t := tasks[key]
		if t == nil {
			t = &task{rule: Rule{Clause: text.clause, Section: section(text.clause), Title: title, Extension: s.Extension}}
			tasks[key] = t
		}
		t.add(s, p, o)
	}
	var all []*task
	for _, key := range slices.Sorted(maps.Keys(tasks)) {
		all = append(all, tasks[key])
	}
	return all, nil
}

// add takes a story into the task, or notes why it is not played.
func (t *task) add(s Story, p *prober, o Options) {
	for _, door := range s.Doors {
		if !p.target.hasDoor(door) {
			t.leaveOut(NotChecked, "needs the "+door+" door too")
			return
		}
	}
	for _, need := range s.requires() {
		if !p.offered[need] {
			t.leaveOut(NotOffered, "the server does not know "+cmp.Or(needWords[need], need))
			return
		}
	}
	if s.Granted && p.target.Granted == "" {
		t.leaveOut(NotChecked, ErrNoGrant.Error())
		return
	}
	if s.Heavy && !o.Heavy {
		t.leaveOut(NotChecked, "heavy")
		return
	}
	t.stories = append(t.stories, s)
	t.left++
}

// leaveOut notes what the rule is if none of its stories can be played.
func (t *task) leaveOut(result Result, why string) {
	if t.rule.Result != NotOffered {
		t.rule.Result, t.rule.Note = result, why
	}
}

// A checker plays stories, some at the same time.
type checker struct {
	target  Target
	options Options
	vain    atomic.Int32 // stories in a row that waited in vain

	mu  sync.Mutex
	end error // why no more stories are played
}

// An outcome is what became of a story.
type outcome struct {
	task *task
	err  error // nil, a *Failure, or why it was not played
}

// checkAll plays all stories and tells of the rules in order. The workers end
// when there is nothing more to play; it waits for them.
func (c *checker) checkAll(ctx context.Context, all []*task, r *Report) {
	ctx, cancel := context.WithTimeoutCause(ctx, cmp.Or(c.options.Limit, usualLimit), errLate)
	defer cancel()
	type job struct {
		task  *task
		story Story
	}
	jobs, outcomes := make(chan job), make(chan outcome)
	total := 0
	for _, t := range all {
		total += len(t.stories)
	}
	var workers sync.WaitGroup
	for range min(cmp.Or(c.options.Parallel, usualParallel), max(total, 1)) {
		workers.Go(func() {
			for j := range jobs {
				outcomes <- outcome{j.task, c.story(ctx, j.story)}
			}
		})
	}
	workers.Go(func() {
		defer close(jobs)
		for _, t := range all {
			for _, s := range t.stories {
				jobs <- job{t, s}
			}
		}
	})
	rest := all[c.tell(all, r):]
	for done := range total {
		o := <-outcomes
		o.task.count(o.err)
		if c.options.Progress != nil {
			c.options.Progress(done+1, total)
		}
		if o.task.left == 0 {
			rest = rest[c.tell(rest, r):]
		}
	}
	workers.Wait()
}

// tell reports the rules at the front that are known, and how many they are.
func (c *checker) tell(all []*task, r *Report) int {
	for i, t := range all {
		if t.left > 0 {
			return i
		}
		rule := t.result()
		r.fold(rule)
		if c.options.Finished != nil {
			c.options.Finished(rule)
		}
	}
	return len(all)
}

func (t *task) count(err error) {
	t.left--
	var failure *Failure
	switch {
	case err == nil:
		t.came++
		t.rule.Stories++
	case errors.As(err, &failure):
		t.rule.Stories++
		t.rule.Failures = append(t.rule.Failures, failure)
	default:
		t.unplayed = err
	}
}

// result says what became of the rule once all its stories are played.
func (t *task) result() Rule {
	rule := t.rule
	switch {
	case len(rule.Failures) > 0:
		rule.Result, rule.Note = Broken, ""
	case t.unplayed != nil:
		rule.Result, rule.Note = Broken, t.unplayed.Error()
	case t.came > 0:
		rule.Result, rule.Note = Kept, ""
	}
	slices.SortFunc(rule.Failures, func(a, b *Failure) int { return strings.Compare(a.Story, b.Story) })
	return rule
}

// story plays one story.
func (c *checker) story(ctx context.Context, s Story) error {
	if err := c.over(ctx); err != nil {
		return err
	}
	target := c.target
	if c.vain.Load() >= deafStories {
		target.Patience /= deafPart
	}
	own, cancel := context.WithTimeoutCause(ctx, storyPatience*target.Patience, errStoryTime)
	defer cancel()
	err := Run(own, s, target, "")
	var failure *Failure
	switch {
	case err == nil:
		c.vain.Store(0)
		return nil
	case ctx.Err() != nil:
		return c.over(ctx)
	case !errors.As(err, &failure):
		failure = &Failure{Story: s.String(), File: s.File, Line: s.Line, Clause: s.Clause, Step: s.Name, Want: "it can be played", Got: err.Error()}
	}
	if failure.timeout {
		c.vain.Add(1)
	}
	c.lookAfter(ctx)
	return failure
}

// over tells why no more stories are played.
func (c *checker) over(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end == nil {
		c.end = context.Cause(ctx)
	}
	return c.end
}

func (c *checker) stopped() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end == nil {
		return ""
	}
	return c.end.Error()
}

// lookAfter looks whether the server is still there after a story has failed.
func (c *checker) lookAfter(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, c.target.Patience)
	defer cancel()
	for _, door := range []string{DoorText, DoorLine} {
		if c.target.hasDoor(door) && !c.answers(ctx, door) && ctx.Err() == nil {
			c.mu.Lock()
			c.end = cmp.Or(c.end, errGone)
			c.mu.Unlock()
		}
	}
}

// answers tells whether a door takes a connection within goneAfter, or only
// makes us wait.
func (c *checker) answers(ctx context.Context, door string) bool {
	again := time.NewTicker(goneAfter / 10)
	defer again.Stop()
	for range 10 {
		conn, err := c.target.dial(ctx, door)
		if err == nil {
			_ = conn.Close() // nothing was said on it
			return true
		}
		if errors.Is(err, ErrNoDoor) || ctx.Err() != nil {
			return true
		}
		select {
		case <-again.C:
		case <-ctx.Done():
		}
	}
	return false
}
