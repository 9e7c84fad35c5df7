package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ErrSystem is a system on which servers cannot be measured.
var ErrSystem = errors.New("measuring needs Linux: one thread with epoll plays all clients; run parley bench there, the server may be anywhere that --allow-remote permits")

// ErrUsage is what errors about options that make no sense are.
var ErrUsage = errors.New("these options make no sense")

// usageError is an ErrUsage with words of its own.
type usageError struct{ error }

func (usageError) Is(target error) bool { return target == ErrUsage }

func misuse(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// Options say what to measure. Zero sizes stand for those usual in the scenario.
type Options struct {
	Targets     []Target // one, or two to compare
	Scenario    string   // one of Scenarios
	Clients     int
	Members     int           // of one room, in rooms
	Senders     int           // in one room
	Size        int           // bytes of a payload
	Windows     []int         // loads that keep so many messages outstanding
	Rates       []float64     // loads of so many messages a second
	For         time.Duration // how long each load goes on
	Deliveries  int64         // how many deliveries each load has; 0: as long as For
	WarmUp      time.Duration // of each load, not measured
	Inflight    int           // connects and joins under way at once
	Rounds      int           // how often each server is measured
	Stall       time.Duration // without any progress before a run fails
	Settle      time.Duration // before memory is measured
	Goodbye     bool          // connect: clients say goodbye instead of vanishing
	AllowRemote bool          // addresses that are not this machine
	Progress    func(string)  // shows a line while it runs; nil: nobody looks

	calm  time.Duration // how long nothing must come before it counts as quiet; tests have less time
	brief time.Duration // see sockets; tests run a server in the same process
}

// A Target is a server to measure.
type Target struct {
	URL string // text://host:port, line://host:port or irc://host:port
	PID int    // of its process on this machine; 0: its cost is not measured
}

// ParseTarget reads PID@URL, or a URL alone.
func ParseTarget(s string) (Target, error) {
	before, url, found := strings.Cut(s, "@")
	if !found {
		return Target{URL: s}, nil
	}
	pid, err := strconv.Atoi(before)
	if err != nil || pid <= 0 {
		return Target{}, misuse("%q is not a process id; write PID@URL, or the URL alone", before)
	}
	return Target{URL: url, PID: pid}, nil
}

// target is a Target whose address is known.
type target struct {
	Target
	dialect dialect
	address netip.AddrPort
}

// resolve finds the address of a target, and refuses to load other people's
// machines.
func resolve(ctx context.Context, t Target, allowRemote bool) (*target, error) {
	name, address, found := strings.Cut(t.URL, "://")
	i := slices.IndexFunc(schemes, func(s scheme) bool { return s.name == name })
	if !found || i < 0 {
		return nil, misuse("%q is no address of a server; write text://host:port, line://host:port or irc://host:port", t.URL)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, misuse("%q has no host and port: %w", t.URL, err)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || number == 0 {
		return nil, misuse("%q has no port from 1 to 65535", t.URL)
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrUnreachable, t.URL, err)
	}
	slices.SortStableFunc(ips, func(a, b netip.Addr) int { return a.Unmap().BitLen() - b.Unmap().BitLen() })
	ip := ips[0].Unmap()
	if !ip.IsLoopback() && !allowRemote {
		return nil, misuse("%s is not this machine; a load tool is a weapon: use --allow-remote only against a server of your own", t.URL)
	}
	return &target{t, schemes[i].dialect, netip.AddrPortFrom(ip, uint16(number))}, nil
}

// prepare fills in what is usual, and checks the rest.
func (o *Options) prepare() (*scenario, error) {
	i := slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == o.Scenario })
	if i < 0 {
		return nil, misuse("there is no scenario %q; there are %s", o.Scenario, strings.Join(Scenarios(), ", "))
	}
	s := &scenarios[i]
	if err := o.checkFlags(s); err != nil {
		return nil, err
	}
	usual(&o.Clients, s.clients)
	usual(&o.Members, s.members)
	usual(&o.Members, o.Clients) // all in one room
	usual(&o.Senders, s.senders)
	usual(&o.Senders, o.Members) // each of them
	usual(&o.Size, 64)
	usual(&o.Inflight, 100)
	usual(&o.Rounds, 1)
	usual(&o.For, 3*time.Second)
	usual(&o.Stall, 20*time.Second)
	usual(&o.calm, 200*time.Millisecond)
	usual(&o.brief, 10*time.Millisecond)
	if len(o.Windows)+len(o.Rates) == 0 {
		o.Windows = s.windows
	}
	return s, o.check(s)
}

// checkFlags finds what does not go with the scenario.
func (o *Options) checkFlags(s *scenario) error {
	switch {
	case o.Members != 0 && !s.rooms:
		return misuse("%s has rooms of a size of its own; leave out --members", s.name)
	case len(o.Windows)+len(o.Rates) > 0 && s.windows == nil:
		return misuse("nobody speaks in %s; leave out --window and --rate", s.name)
	case o.Goodbye && !s.leaves:
		return misuse("nobody leaves in %s; leave out --goodbye", s.name)
	}
	return nil
}

// usual sets what was left open.
func usual[T int | time.Duration](v *T, to T) {
	if *v == 0 {
		*v = to
	}
}

// check finds sizes that cannot be.
func (o *Options) check(s *scenario) error {
	least := min(o.Clients, o.Members, o.Senders, o.Inflight, o.Rounds)
	switch {
	case len(o.Targets) < 1 || len(o.Targets) > 2:
		return misuse("one server is measured, or two are compared")
	case least < 1, o.For < 0, o.WarmUp < 0, o.Stall < 0, o.Settle < 0, o.Deliveries < 0:
		return misuse("sizes, numbers and times must be above 0")
	case o.Clients > mostClients:
		return misuse("at most %d clients", mostClients)
	case o.Clients%o.Members != 0:
		return misuse("%d clients do not make whole rooms of %d", o.Clients, o.Members)
	case o.Members == 1 && s.members != 1:
		return misuse("a room of one has nobody to deliver to; the scenario posts has such rooms")
	case o.Senders > o.Members:
		return misuse("%d senders in a room of %d", o.Senders, o.Members)
	case o.Size < stampSize:
		return misuse("a payload has at least %d bytes: it carries who said it, its number and its time", stampSize)
	case s.alone && o.Rounds > 1:
		return misuse("%s wants a server that has just been started; leave out --rounds", s.name)
	}
	for _, w := range o.Windows {
		if w < 1 || w > mostWaiting {
			return misuse("a window is from 1 to %d messages", mostWaiting)
		}
	}
	for _, r := range o.Rates {
		if r <= 0 || r > 1e7 {
			return misuse("a rate is above 0 and at most ten million messages a second")
		}
	}
	return nil
}

// checkTarget finds what a protocol cannot do.
func (o *Options) checkTarget(s *scenario, t *target) error {
	if t.PID != 0 {
		if _, err := processCPU(t.PID); err != nil {
			return misuse("%w", err)
		}
	} else if s.alone {
		return misuse("%s measures memory; give the process id of %s", s.name, t.URL)
	}
	if most := t.dialect.most(); o.Size > most {
		return misuse("a payload for %s has at most %d bytes", t.URL, most)
	}
	if s.posts && !t.dialect.answers(false) {
		return misuse("%s needs a protocol that answers each message; that of %s does not", s.name, t.URL)
	}
	if o.Goodbye && t.dialect.bye(nil) == nil {
		return misuse("the protocol of %s has no word of goodbye", t.URL)
	}
	return nil
}
