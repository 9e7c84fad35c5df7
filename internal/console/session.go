package console

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A protocol says what typed lines and received bytes mean. The session's loop
// alone calls its methods.
type protocol interface {
	// connected begins on a new connection.
	connected()
	// received takes what one read returned.
	received(chunk []byte)
	// gone takes note that the connection ended, and tells whether that was
	// asked for, and nothing that was said is left unanswered.
	gone() bool
	// typed takes a command, or the end of the input.
	typed(input)
	// tick does what is due, and tells when to be called next at the latest.
	tick(now time.Time) time.Time
	// asks tells whether a further command may be read, and with what prompt.
	asks() (prompt string, ok bool)
}

// A question is what the next line is for, if it is not for a command.
type question struct {
	request
	before string // a notice: why it is asked
	then   func(input)
}

// A session is one run of the console. Its loop owns all of it.
type session struct {
	// Fixed.
	opts   Options
	to     target
	front  front
	person bool // at a terminal
	proto  protocol
	begin  func() // asks for what is needed, then connects

	// The connection.
	link    *link
	reached bool // it was connected before
	calls   caller
	waiting [][]byte // to be written
	pace    pace

	// What was asked for.
	question *question // nil: commands
	current  question  // of the line asked for last
	asked    bool      // a line was asked for and has not come
	taking   bool      // and is being taken back
	halfway  string    // a command that was taken back half-typed

	// The end.
	inputOver bool // no more commands
	leaveBy   time.Time
	failed    bool // an answer was an error
	over      bool
	code      int
}

// goodbye is how long the server may take to close after it was told that we
// leave.
const goodbye = 2 * time.Second

// mostWaiting is how many messages may wait to be written before no further
// command is read.
const mostWaiting = 16

func newSession(o Options, to target, f front, person bool) *session {
	s := &session{opts: o, to: to, front: f, person: person, pace: pace{on: o.Chunks}}
	if to.protocol == protocolLine {
		l := newLine(s)
		s.proto, s.begin = l, l.begin
	} else {
		t := newText(s)
		s.proto, s.begin = t, t.begin
	}
	return s
}

// run is the loop. It returns the exit code.
func (s *session) run(ctx context.Context) int {
	s.calls = caller{ctx: ctx, dial: s.opts.Dial, wait: s.opts.Timeout}
	defer s.calls.stop()
	defer s.drop()
	s.begin()
	for !s.over {
		s.step(ctx)
	}
	return s.code
}

// step waits for one thing to happen, and does what it calls for.
func (s *session) step(ctx context.Context) {
	next := s.tick(time.Now())
	s.askAgain()
	if s.over {
		return
	}
	var alarm <-chan time.Time
	if !next.IsZero() {
		timer := time.NewTimer(time.Until(next))
		defer timer.Stop()
		alarm = timer.C
	}
	var in <-chan []byte
	var out chan<- []byte
	var head []byte
	if s.link != nil {
		in = s.link.in
		if len(s.waiting) > 0 && s.pace.ready(time.Now()) {
			out, head = s.link.out, s.waiting[0]
		}
	}
	select {
	case <-ctx.Done():
		s.finish(ExitInterrupted)
	case typed := <-s.front.typed():
		s.typed(typed)
	case call := <-s.calls.made:
		s.called(call)
	case chunk, ok := <-in:
		if !ok {
			s.lost()
			return
		}
		s.pace.heard()
		s.proto.received(chunk)
	case out <- head:
		s.waiting = s.waiting[1:]
		s.pace.sent(time.Now())
	case <-alarm:
	}
}

// tick does what is due and tells when something will be.
func (s *session) tick(now time.Time) (next time.Time) {
	if !s.leaveBy.IsZero() && !now.Before(s.leaveBy) {
		s.finish(s.verdict())
		return next
	}
	next = s.leaveBy
	if s.link == nil {
		return next
	}
	if len(s.waiting) > 0 {
		next = sooner(next, s.pace.next(now))
	}
	return sooner(next, s.proto.tick(now))
}

// sooner gives the earlier of two times, of which zero is never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// askAgain asks for the next line, if one is wanted and none is asked for.
func (s *session) askAgain() {
	if s.asked || s.over {
		return
	}
	if s.question != nil {
		s.current, s.question = *s.question, nil
		if s.current.before != "" {
			s.notice(s.current.before)
		}
	} else {
		if s.inputOver || s.link == nil || len(s.waiting) >= mostWaiting {
			return
		}
		prompt, ok := s.proto.asks()
		if !ok {
			return
		}
		s.current = question{
			request: request{prompt: prompt, prefill: s.halfway, command: true},
			then:    s.command,
		}
		s.halfway = ""
	}
	s.asked = true
	s.front.ask(s.current.request)
}

// want asks a question. A command that is being typed is kept for later.
func (s *session) want(q question) {
	s.question = &q
	if s.asked && !s.taking {
		s.taking = true
		s.front.cancel()
	}
}

// typed takes a line from the front.
func (s *session) typed(in input) {
	if errors.Is(in.err, errInterrupt) {
		s.interrupted()
		return
	}
	s.asked = false
	if s.taking && in.err == nil {
		s.taking = false
		if s.current.command {
			s.halfway = in.text
		}
		return
	}
	s.taking = false
	s.current.then(in)
}

// command takes a line that is a command, or the end of them.
func (s *session) command(in input) {
	if in.err != nil {
		s.endInput(in)
		return
	}
	if in.long {
		s.refuse("that line is longer than a terminal line can be; it was not sent")
		return
	}
	s.proto.typed(in)
}

func (s *session) endInput(in input) {
	s.inputOver = true
	s.front.prompt("")
	if errors.Is(in.err, errLongLine) {
		s.refuse(errLongLine.Error())
	}
	if s.link == nil {
		s.finish(s.verdict())
		return
	}
	s.proto.typed(in)
}

// interrupted is Ctrl-C: the first ends orderly, the second at once.
func (s *session) interrupted() {
	if s.link == nil || s.inputOver {
		s.finish(s.verdict())
		return
	}
	s.endInput(input{err: errInterrupt})
}

// askPassword asks the person for a password.
func (s *session) askPassword(then func(password string)) {
	s.want(question{request: request{prompt: "Password: ", secret: true}, then: func(in input) {
		if in.err != nil {
			s.finish(ExitOK)
			return
		}
		then(in.text)
	}})
}

// leave gives the server a while to close the connection.
func (s *session) leave() {
	s.inputOver = true
	s.front.prompt("")
	s.leaveBy = time.Now().Add(goodbye)
}

// send puts one message into the queue of the connection.
func (s *session) send(b []byte) { s.waiting = append(s.waiting, b) }

// drop ends the connection from our side.
func (s *session) drop() {
	if s.link != nil {
		s.link.close()
	}
	s.link, s.waiting = nil, nil
}

// lost deals with a connection that the server ended.
func (s *session) lost() {
	settled := s.proto.gone()
	if s.link == nil || s.over {
		return // the protocol knew why, and what to do
	}
	s.drop()
	switch {
	case settled:
		s.finish(s.verdict())
	case s.person:
		s.offer("the server closed the connection", "Reconnect?")
	default:
		s.notice("the server closed the connection before everything was answered")
		s.finish(ExitUnreachable)
	}
}

// show prints what was asked for.
func (s *session) show(text string) {
	if s.person && s.asked && s.current.command && !s.taking && !s.inputOver {
		if prompt, ok := s.proto.asks(); ok {
			s.front.prompt(prompt)
		}
	}
	if err := s.front.show(answer, text); err != nil && !s.over {
		s.notice(fmt.Sprintf("%v: %v", errCannotPrint, err))
		s.finish(ExitError)
	}
}

// notice prints what the console has to say.
func (s *session) notice(text string) { s.front.show(notice, text) }

// refuse says why something is not sent. To a script that is an error.
func (s *session) refuse(why string) {
	s.notice(why)
	s.failed = true
}

// verdict is the exit code of an orderly end. A person has seen the errors.
func (s *session) verdict() int {
	if s.failed && !s.person {
		return ExitError
	}
	return ExitOK
}

// late ends a script's session that waited too long.
func (s *session) late() {
	s.notice(fmt.Sprintf("not everything was answered within %v; --timeout sets how long to wait", s.opts.Timeout))
	s.finish(ExitTimeout)
}

func (s *session) finish(code int) {
	if !s.over {
		s.over, s.code = true, code
		s.front.prompt("")
	}
}
