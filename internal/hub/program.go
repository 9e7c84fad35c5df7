package hub

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/parley-chat/parley"
)

// Program is what is known of a user that provides commands, or once did.
type Program struct {
	Name     parley.Name
	Commands []string
	Calls    int           // that ended
	Errors   int           // of those: given up, refused, or ended by a fault of the program
	Median   time.Duration // of the latest calls; 0: there was none
}

// program counts the calls of one user's sessions.
type program struct {
	name parley.Name // fixed

	mu            sync.Mutex
	calls, errors int
	latest        []time.Duration // a ring of at most latestCalls
}

// latestCalls is of how many calls the median is told.
const latestCalls = 128

// count counts a call that ended. A program that provides nothing is not counted.
func (p *program) count(took time.Duration, failed bool) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if failed {
		p.errors++
	} else if len(p.latest) < latestCalls {
		p.latest = append(p.latest, took)
	} else {
		p.latest[(p.calls-p.errors)%latestCalls] = took
	}
	p.calls++
}

// figures tells what was counted.
func (p *program) figures() Program {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := Program{Name: p.name, Calls: p.calls, Errors: p.errors}
	if n := len(p.latest); n > 0 {
		f.Median = slices.Sorted(slices.Values(p.latest))[n/2]
	}
	return f
}

// Programs lists the users that provide commands, or have since the server
// began, by their names. Anybody may ask.
func (h *Hub) Programs() []Program {
	h.offers.mu.RLock()
	defer h.offers.mu.RUnlock()
	commands := map[*program][]string{}
	for command, at := range h.offers.byCommand {
		for _, s := range at.providers {
			c := s.callee()
			c.mu.Lock()
			p := c.program
			c.mu.Unlock()
			if !slices.Contains(commands[p], command) {
				commands[p] = append(commands[p], command)
			}
		}
	}
	list := make([]Program, 0, len(h.offers.programs))
	for _, p := range h.offers.programs {
		f := p.figures()
		f.Commands = commands[p]
		slices.Sort(f.Commands)
		list = append(list, f)
	}
	slices.SortFunc(list, func(a, b Program) int { return strings.Compare(a.Name.Key(), b.Name.Key()) })
	return list
}
