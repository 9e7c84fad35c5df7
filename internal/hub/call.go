package hub

import (
	"context"
	"errors"
	"slices"

	"github.com/parley-chat/parley"
)

// Call is a command for a program to serve: for any that provides it, or for
// the newest session of a user that can be called.
type Call struct {
	To      string // the user, as the caller called it; empty: any provider
	Command string
	Args    []string
	Size    int // bytes that the program is told
}

// Call hands a command over. It never waits. Done is called once, from any
// goroutine, perhaps before Call returns: with what was returned, or with a
// *parley.Error. It must not wait.
func (s *Session) Call(c Call, done func([]string, error)) {
	handed := &handed{size: c.Size, done: done, asked: c.To != ""}
	if c.To == "" {
		s.callAny(c, handed)
	} else {
		s.callUser(c, handed)
	}
}

// callAny hands a call to the provider with the fewest in hand. Those that are
// just ending take none.
func (s *Session) callAny(c Call, one *handed) {
	const looks = 2 // one may end while another begins
	for range looks {
		for left := s.hub.providers(c.Command); len(left) > 0; {
			callee := slices.MinFunc(left, func(a, b provider) int { return a.Calls() - b.Calls() })
			err := s.hand(callee.Session, c, one)
			if err == nil {
				return
			}
			if !errors.Is(err, parley.ErrOffline) {
				one.done(nil, err)
				return
			}
			left = without(left, callee)
		}
	}
	one.done(nil, errNobodyProvides(c.Command))
}

// providers gives a list that is never changed.
func (h *Hub) providers(command string) []provider {
	h.offers.mu.RLock()
	defer h.offers.mu.RUnlock()
	if at := h.offers.byCommand[command]; at != nil {
		return at.providers
	}
	return nil
}

func errNobodyProvides(command string) *parley.Error {
	return parley.Errorf(parley.CodeCommandNotFound, "nobody provides the command %s now; help lists those that there are", shown(command))
}

// callUser hands a call to the newest session of a user that takes calls.
func (s *Session) callUser(c Call, one *handed) {
	h := s.hub
	u, name := h.online(c.To)
	switch {
	case s.user.Load() == nil:
		one.done(nil, parley.ErrNotLoggedIn)
		return
	case u == nil && name.IsZero():
		one.done(nil, errNoUser(c.To))
		return
	case u == nil: // only the store knows whether there is such a user
		h.journal.add(&absence{hub: h, called: c.To, name: name, done: one.done})
		return
	}
	h.mu.RLock()
	sessions := u.sessions // a list that is there is never changed
	h.mu.RUnlock()
	for _, callee := range slices.Backward(sessions) {
		if err := s.hand(callee, c, one); !errors.Is(err, parley.ErrOffline) {
			if err != nil {
				one.done(nil, err)
			}
			return
		}
	}
	one.done(nil, errOffline(u.Name))
}

// hand gives a call to a session: ErrOffline when it takes none.
func (s *Session) hand(to *Session, c Call, one *handed) error {
	e := parley.Called{Command: c.Command, Args: c.Args}
	if u := s.user.Load(); u != nil {
		e.Caller = u.Name
	}
	if !to.dialect.Load().Calls || to.deaf.Load() {
		return parley.ErrOffline
	}
	var err error
	if e.Number, err = to.callee().take(one); err != nil {
		return err
	}
	run := s.hub.newRun()
	run.add(e, nil)
	run.put(to)
	if f, ok := to.sink.(Follower); ok {
		f.Follow(s.sink)
	}
	if to.deaf.Load() {
		to.callee().end() // it went deaf meanwhile
	}
	return nil
}

// absence is what is said to somebody who calls a user that is not online.
type absence struct {
	hub    *Hub
	called string
	name   parley.Name
	done   func([]string, error)
	err    error
}

func (a *absence) prepare(ctx context.Context) bool {
	account, found, err := a.hub.account(ctx, a.name)
	switch {
	case err != nil:
		a.err = a.hub.refusal(err, "ask")
	case found:
		a.err = errOffline(account.Name)
	default:
		a.err = errNoUser(a.called)
	}
	return false
}

func (a *absence) write(Tx) error    { return nil }
func (a *absence) fail(err error)    { a.err = err }
func (a *absence) publish(*delivery) {}
func (a *absence) finished()         { a.done(nil, a.err) }
func (a *absence) size() int         { return len(a.called) }
