package hub

import (
	"slices"
	"strings"
	"sync"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/wire/linewire"
)

// Offer is a command that programs provide.
type Offer struct {
	Command     string
	Least, Most int // arguments; Most below zero: as many as fit
	Help        string
}

// offers knows who provides what.
type offers struct {
	mu        sync.RWMutex
	byCommand map[string]*offered
	programs  map[string]*program // by the keys of the providers' names
}

// offered is a command with those who provide it, the latest last. The list is
// never changed, but replaced.
type offered struct {
	providers []provider
}

// provider is a session, and how it describes the command.
type provider struct {
	*Session
	Offer
}

// ErrMayNotProvide refuses a session that was not granted Provide.
var ErrMayNotProvide = parley.Errorf(parley.CodeForbidden, "providing commands needs a right; the operator can grant it")

// Provide offers a command from this session, or describes it anew.
// ErrNotLoggedIn, ErrMayNotProvide, CodeSyntax, CodeTooMany.
func (s *Session) Provide(o Offer) error {
	u, err := s.named()
	if err != nil {
		return err
	}
	if err := s.hub.checkOffer(o); err != nil {
		return err
	}
	all := &s.hub.offers
	all.mu.Lock()
	defer all.mu.Unlock()
	switch {
	case !s.May(Provide):
		return ErrMayNotProvide
	case s.isDraining():
		return parley.Errorf(parley.CodeForbidden, "this session is ending")
	}
	at := all.byCommand[o.Command]
	if at == nil {
		if len(all.byCommand) >= s.hub.limits.Offers {
			return parley.Errorf(parley.CodeTooMany, "programs provide %d commands already, as many as they may", len(all.byCommand))
		}
		at = &offered{}
		all.byCommand[o.Command] = at
	}
	at.providers = append(at.except(s), provider{s, o})
	c := s.callee()
	c.mu.Lock()
	c.program = all.program(u.Name)
	c.offers = append(without(c.offers, o.Command), o.Command)
	c.mu.Unlock()
	return nil
}

// except gives a copy of the list without a session.
func (at *offered) except(s *Session) (list []provider) {
	for _, p := range at.providers {
		if p.Session != s {
			list = append(list, p)
		}
	}
	return list
}

// latest gives the description that counts.
func (at *offered) latest() Offer { return at.providers[len(at.providers)-1].Offer }

func (all *offers) program(name parley.Name) *program {
	p := all.programs[name.Key()]
	if p == nil {
		p = &program{name: name}
		all.programs[name.Key()] = p
	}
	return p
}

// checkOffer holds an offer against clause 1.4.1.
func (h *Hub) checkOffer(o Offer) error {
	most := min(mostArguments, h.limits.Fields-4) // call, number, command and caller stand before them
	switch {
	case !isCommandName(o.Command):
		return parley.Errorf(parley.CodeSyntax, "a command has 1 to %d of the characters a-z, A-Z, 0-9, _ and -, and begins with a letter", longestCommand)
	case o.Least < 0 || o.Least > most || o.Most > most || o.Most >= 0 && o.Most < o.Least:
		return parley.Errorf(parley.CodeSyntax, "a command takes from 0 to %d arguments, and the most is not below the least; -1 is as many as fit", most)
	case len(o.Help) > h.limits.OfferHelp || linewire.Clean(o.Help) != o.Help:
		return parley.Errorf(parley.CodeSyntax, "the help is one line of at most %d bytes", h.limits.OfferHelp)
	}
	return nil
}

// mostArguments is how many a program's command may take.
const mostArguments = 1000

// longestCommand is how many characters the name of a command may have.
const longestCommand = 32

func isCommandName(s string) bool {
	isLetter := func(c rune) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
	if len(s) == 0 || len(s) > longestCommand || !isLetter(rune(s[0])) {
		return false
	}
	return !strings.ContainsFunc(s, func(c rune) bool {
		return !isLetter(c) && (c < '0' || '9' < c) && c != '_' && c != '-'
	})
}

// Withdraw takes an offer of this session back. CodeCommandNotFound.
func (s *Session) Withdraw(command string) error {
	all := &s.hub.offers
	all.mu.Lock()
	defer all.mu.Unlock()
	if at := all.byCommand[command]; at == nil || len(at.except(s)) == len(at.providers) {
		return parley.Errorf(parley.CodeCommandNotFound, "this session does not provide %s", shown(command))
	}
	all.withdraw(s, command)
	return nil
}

// withdraw takes one offer back. The caller holds the lock.
func (all *offers) withdraw(s *Session, command string) {
	at := all.byCommand[command]
	if at == nil {
		return
	}
	if at.providers = at.except(s); len(at.providers) == 0 {
		delete(all.byCommand, command)
	}
	c := s.callee()
	c.mu.Lock()
	c.offers = without(c.offers, command)
	c.mu.Unlock()
}

// withdrawAll takes back all that the session offers.
func (s *Session) withdrawAll() {
	c := s.called.Load()
	if c == nil {
		return
	}
	all := &s.hub.offers
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, command := range s.Commands() {
		all.withdraw(s, command)
	}
}

// Commands lists what the session provides, in the order in which it did.
func (s *Session) Commands() []string {
	c := s.called.Load()
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.offers)
}

// Offered finds the command of a program. Anybody may call it.
func (s *Session) Offered(command string) (Offer, bool) {
	h := s.hub
	h.offers.mu.RLock()
	defer h.offers.mu.RUnlock()
	at := h.offers.byCommand[command]
	if at == nil {
		return Offer{}, false
	}
	return at.latest(), true
}

// Offers lists the commands of programs by their names.
func (h *Hub) Offers() []Offer {
	h.offers.mu.RLock()
	defer h.offers.mu.RUnlock()
	list := make([]Offer, 0, len(h.offers.byCommand))
	for _, at := range h.offers.byCommand {
		list = append(list, at.latest())
	}
	slices.SortFunc(list, func(a, b Offer) int { return strings.Compare(a.Command, b.Command) })
	return list
}
