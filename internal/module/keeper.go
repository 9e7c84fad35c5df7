package module

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

// poll is how often a seat is asked whether what is waited for has come. It is
// asked only while a module is replaced or drained.
const (
	poll     = 10 * time.Millisecond
	slowPoll = time.Second // when it takes long
)

// keeper keeps one module running. Its goroutine is run.
type keeper struct {
	// Fixed when it begins.
	s      *Supervisor
	module *module
	log    *slog.Logger
	olders []*keeper // which it replaces

	ctx     context.Context // ended by quit, or when the supervisor is cut: the module ends
	quit    context.CancelFunc
	leaving chan struct{} // closed by leave: drain, then end
	leave   func()
	newer   chan struct{} // closed by retired: another keeper took this one's place
	retired func()
	retry   chan struct{} // starts a module that waits or is off
	ended   chan struct{} // closed when run returns

	crashes []time.Time // run's: the latest ones
	pause   time.Duration

	mu    sync.Mutex // guards what follows
	phase string
	seat  Seat // of the running program
}

func newKeeper(s *Supervisor, m *module) *keeper {
	k := &keeper{
		s: s, module: m, log: s.opts.Log.With("module", m.name.String()), phase: starting,
		leaving: make(chan struct{}), newer: make(chan struct{}), retry: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	k.ctx, k.quit = context.WithCancel(s.force)
	k.leave = sync.OnceFunc(func() { close(k.leaving) })
	k.retired = sync.OnceFunc(func() { close(k.newer) })
	return k
}

// again starts a module that waits or is off. A running one does not notice.
func (k *keeper) again() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.phase != waiting && k.phase != off {
		return
	}
	select {
	case k.retry <- struct{}{}:
	default:
	}
}

func (k *keeper) set(phase string, seat Seat) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.phase, k.seat = phase, seat
}

// state gives the state of 1.4.12.
func (k *keeper) state() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.phase == running && len(k.seat.Commands()) == 0 {
		return starting
	}
	return k.phase
}

// commands lists what the module provides now.
func (k *keeper) commands() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.seat == nil {
		return nil
	}
	return k.seat.Commands()
}

// run starts the program again and again, until it is to end.
func (k *keeper) run() {
	defer k.quit() // it holds memory of the supervisor's context
	defer close(k.ended)
	defer k.set(stopped, nil)
	for {
		began := time.Now()
		err := k.runOnce()
		if k.finished() {
			return
		}
		if !k.wait(err, time.Since(began)) {
			return
		}
	}
}

// finished tells whether the module is not to run any more.
func (k *keeper) finished() bool {
	select {
	case <-k.leaving:
	case <-k.ctx.Done():
	default:
		return false
	}
	return true
}

// wait waits until a module that crashed is to be started again. It returns false
// when it is not.
func (k *keeper) wait(why error, ran time.Duration) bool {
	select {
	case <-k.retry: // of a reload before this crash
	default:
	}
	limits, now := &k.s.opts.Limits, time.Now()
	if k.pause *= 2; ran >= limits.Steady {
		k.pause = 0
	}
	k.pause = min(max(k.pause, limits.Pause), limits.LongPause)
	if !scarce(why) && !errors.Is(why, errHung) { // whoever calls what takes it long makes it hang
		k.crashes = append(k.crashes, now)
	}
	k.crashes = slices.DeleteFunc(k.crashes, func(at time.Time) bool { return now.Sub(at) >= limits.Steady })
	var timer <-chan time.Time
	if len(k.crashes) >= limits.Crashes {
		k.set(off, nil)
		k.log.Error(fmt.Sprintf("the module crashed %d times within %v and is off now; mend it, then send modules,reload or SIGHUP",
			len(k.crashes), limits.Steady), "err", why)
	} else {
		k.set(waiting, nil)
		pause := k.s.opts.jitter(k.pause)
		k.log.Warn("the module ended and is started again", "err", why, "in", pause.Round(time.Millisecond).String())
		alarm := time.NewTimer(pause)
		defer alarm.Stop()
		timer = alarm.C
	}
	select {
	case <-timer:
	case <-k.retry:
		k.crashes, k.pause = nil, 0
	case <-k.leaving:
		return false
	case <-k.ctx.Done():
		return false
	}
	k.set(starting, nil)
	return true
}

// scarce tells that the system lacked something, which is not the module's fault.
func scarce(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOMEM) || errors.Is(err, syscall.EAGAIN)
}

// Why a module's program was ended.
var (
	errHung  = errors.New("it hung: a call timed out and it had said nothing since")
	errSaid  = errors.New("its connection ended while it ran")
	errAsked = errors.New("it was to end")
)

// runOnce runs the program until it has ended, and tells why it did.
func (k *keeper) runOnce() error {
	ours, theirs, hold, err := socketPair()
	if err != nil {
		return err
	}
	defer hold.Close()
	seat, err := k.s.opts.Host.Enter(k.ctx, k.module.name.String(), ours)
	if err != nil {
		theirs.Close()
		return fmt.Errorf("it was not let in: %w", err)
	}
	r := &life{seat: seat, hold: hold}
	r.process, err = k.s.opts.start(k.module, theirs)
	theirs.Close()
	if err == nil {
		k.set(running, seat)
		err = k.attend(r)
	}
	k.hangUp(r)
	return err
}

// life is one run of the program.
type life struct {
	process process
	seat    Seat
	hold    *os.File // another descriptor of the host's end of the socket
}

// hangUp waits for the end of the connection when the program is gone: what it
// said last is served. Somebody else may hold its end of the socket; then the
// connection is ended here.
func (k *keeper) hangUp(r *life) {
	if k.endedWithin(r.seat) {
		return
	}
	r.seat.Close()
	shut(r.hold)
	if !k.endedWithin(r.seat) && k.s.force.Err() == nil {
		k.log.Error("the connection of a module that ended is still served")
	}
}

// endedWithin waits for the end of a connection, for the time of grace.
func (k *keeper) endedWithin(seat Seat) bool {
	late := time.NewTimer(k.s.opts.Limits.Grace)
	defer late.Stop()
	select {
	case <-seat.Ended():
		return true
	case <-late.C:
	case <-k.s.force.Done():
	}
	return false
}

// attend looks after a running program until it is gone, and tells why it went.
func (k *keeper) attend(r *life) error {
	p, seat := r.process, r.seat
	select {
	case <-p.gone():
		return errors.New(p.how())
	case <-seat.Hung():
		p.kill()
		<-p.gone()
		return errHung
	case <-seat.Ended():
		if k.goneWithin(r) {
			return errors.New(p.how()) // most often that was why
		}
		k.compel(r)
		return errSaid
	case <-k.leaving:
		k.set(draining, seat)
		k.drain(p, seat)
	case <-k.ctx.Done():
	}
	seat.Close()
	if !k.goneWithin(r) {
		k.compel(r)
	}
	return errAsked
}

// drain waits until what was handed to a module came back.
func (k *keeper) drain(p process, seat Seat) {
	seat.Drain()
	late := time.NewTimer(k.s.opts.Limits.Drain)
	defer late.Stop()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for seat.Calls() > 0 {
		select {
		case <-tick.C:
		case <-p.gone():
			return
		case <-seat.Ended():
			return
		case <-late.C:
			return
		case <-k.ctx.Done():
			return
		}
	}
}

// compel ends a program that did not end with its input.
func (k *keeper) compel(r *life) {
	k.log.Warn("the module did not end with its input and is terminated")
	r.process.terminate()
	if k.goneWithin(r) {
		return
	}
	k.log.Warn("the module did not end by SIGTERM and is killed")
	r.process.kill()
	<-r.process.gone()
}

// goneWithin waits for the end of a program, for the time of grace.
func (k *keeper) goneWithin(r *life) bool {
	late := time.NewTimer(k.s.opts.Limits.Grace)
	defer late.Stop()
	for ended := r.seat.Ended(); ; {
		select {
		case <-r.process.gone():
			return true
		case <-ended:
			ended = nil
			shut(r.hold) // or its input would not end while we hold on to it
		case <-late.C:
			return false
		case <-k.s.force.Done():
			r.process.kill()
			<-r.process.gone()
			return true
		}
	}
}

// handOver lets those go that this keeper replaces, once it provides what they do;
// after a while, once it provides anything. A new program that does not run does
// not end one that does.
func (k *keeper) handOver() {
	late := time.NewTimer(k.s.opts.Limits.Handover)
	defer late.Stop()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for due := false; !k.providesAll() && (!due || k.state() != running); {
		select {
		case <-tick.C:
		case <-late.C:
			due = true
			tick.Reset(slowPoll)
			if k.state() != running {
				k.log.Error("the module's new program does not provide anything; the one before it goes on until it does")
			}
		case <-k.newer:
			return // who replaces this one lets them go
		case <-k.ended:
			return // as all of them, or they have gone
		}
	}
	for _, old := range k.olders {
		old.leave()
	}
}

// providesAll tells whether a module provides all that those do which it replaces.
func (k *keeper) providesAll() bool {
	mine := k.commands()
	for _, old := range k.olders {
		for _, command := range old.commands() {
			if !slices.Contains(mine, command) {
				return false
			}
		}
	}
	return true
}
