package module

import (
	"cmp"
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Supervisor runs the modules of a data directory.
type Supervisor struct {
	opts  Options
	force context.Context // ends when nothing may be waited for any more
	cut   context.CancelFunc
	forks *forks         // where processes are started
	wg    sync.WaitGroup // the keepers, and what hands modules over

	mu      sync.Mutex
	closed  bool
	keepers map[string]*keeper // the newest of each name, by its key
	last    map[*keeper]struct{}
}

// Start begins to run what modules.txt lists. What is wrong with the list, or with
// a module, is logged. Close ends what it started.
func Start(opts Options) *Supervisor {
	s := &Supervisor{opts: opts, keepers: map[string]*keeper{}, last: map[*keeper]struct{}{}}
	if s.opts.Grants == nil {
		s.opts.Grants = func(string) Grant { return Grant{} }
	}
	if s.opts.jitter == nil {
		s.opts.jitter = func(d time.Duration) time.Duration { return d - rand.N(d/4+1) }
	}
	s.force, s.cut = context.WithCancel(context.Background())
	if s.opts.start == nil {
		s.forks = newForks(&s.opts)
		s.opts.start = s.forks.start
	}
	if err := s.Reload(s.force); err != nil {
		opts.Log.Error("no modules are run; mend the list, then reload", "err", err)
	}
	return s
}

// Reload reads the list again: new modules are started, and those that are off;
// removed ones end when they have answered what they were called for; changed
// ones are replaced. It does not wait for that. Its error is that the list cannot
// be read; then nothing has changed.
func (s *Supervisor) Reload(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	list, err := readList(s.opts.Dir, &s.opts.Limits, s.opts.Log)
	if err != nil {
		return err
	}
	listed := map[string]bool{}
	for _, m := range list {
		m.grant = s.opts.Grants(m.name.String())
		listed[m.name.Key()] = true
		s.keep(m)
	}
	for key, k := range s.keepers {
		if !listed[key] {
			delete(s.keepers, key)
			k.retired()
			k.leave()
			for _, old := range k.olders {
				old.leave()
			}
		}
	}
	return nil
}

// keep lets a module run as it is listed now. The caller holds mu.
func (s *Supervisor) keep(m *module) {
	old := s.keepers[m.name.Key()]
	if old != nil && old.module.equal(m) {
		old.again()
		return
	}
	k := newKeeper(s, m)
	s.keepers[m.name.Key()] = k
	s.last[k] = struct{}{}
	if old != nil {
		old.retired()
		k.olders = append(slices.Clone(old.olders), old)
		s.wg.Go(k.handOver) // ended by the keeper's end, and by Handover; Close waits
	}
	s.wg.Go(func() { // ended by leave and by quit; Close waits
		k.run()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.last, k)
	})
}

// States tells how the modules are, in the order of their names: those that are
// listed, and those that are not any more but still end.
func (s *Supervisor) States() []State {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]State{}
	for k := range s.last {
		all[k.module.name.Key()] = State{k.module.name.String(), k.state()}
	}
	for key, k := range s.keepers { // the newest counts
		all[key] = State{k.module.name.String(), k.state()}
	}
	return slices.SortedFunc(maps.Values(all), func(a, b State) int { return cmp.Compare(a.Name, b.Name) })
}

// Close ends all modules and waits for them. Those that have not ended when ctx
// does are killed.
func (s *Supervisor) Close(ctx context.Context) {
	stop := context.AfterFunc(ctx, s.cut)
	defer stop()
	s.mu.Lock()
	s.closed = true
	for k := range s.last {
		k.quit()
	}
	s.mu.Unlock()
	s.wg.Wait()
	s.cut()
	if s.forks != nil {
		s.forks.close()
	}
}
