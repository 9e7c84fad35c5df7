package store

import (
	"context"
	"sync"

	"github.com/bits-and-blooms/bloom/v3"

	"github.com/parley-chat/parley"
)

// known tells of nearly every name that nobody has registered that it is free,
// without asking the database: whoever comes in as a guest needs to know just
// that. It is a Bloom filter of what names are compared by. It is filled beside
// serving; until then everything is asked. Its goroutine is started by Open, and
// stopped and waited for by Close.
type known struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when it has ended

	mu     sync.RWMutex       // guards what follows
	filter *bloom.BloomFilter // made before the first commit
	ready  bool               // every account is in it
}

// Sizes of the filter: room for as many accounts at least, twice as many as there
// are, and what share of free names are asked for all the same.
const (
	knownLeast = 10_000
	knownWrong = 0.01
)

// prepare makes an empty filter of the right size.
func (k *known) prepare(ctx context.Context, s *Store) error {
	var accounts int
	err := s.readDB.QueryRowContext(ctx, "SELECT count(*) FROM users").Scan(&accounts)
	k.filter = bloom.NewWithEstimates(uint(3*2*max(accounts, knownLeast)), knownWrong)
	return err
}

func (k *known) start(s *Store) {
	var ctx context.Context
	ctx, k.cancel = context.WithCancel(s.opened)
	k.done = make(chan struct{})
	go func() {
		defer close(k.done)
		if err := k.fill(ctx, s); err != nil && ctx.Err() == nil {
			s.log.Warn("the names of accounts could not be read; each is asked for", "err", err)
		}
	}()
}

func (k *known) stop() {
	k.cancel()
	<-k.done
}

// fill reads the names of all accounts. One that is made meanwhile is added by
// its transaction.
func (k *known) fill(ctx context.Context, s *Store) error {
	rows, err := s.readDB.QueryContext(ctx, "SELECT "+accountColumns+" FROM users")
	if err != nil {
		return err
	}
	err = each(rows, func(row scanner) error {
		a, err := scanAccount(row) // with its checksum
		if err == nil {
			k.add(a)
		}
		return err
	})
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ready = err == nil
	return err
}

// add adds what an account's name is compared by.
func (k *known) add(a *accountRow) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, name := range []string{a.key, a.skeleton, a.folded} {
		k.filter.AddString(name)
	}
}

// isFree tells whether certainly no account is called so, or looks like it.
// False: ask the database.
func (k *known) isFree(name parley.Name) bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.ready && !k.filter.TestString(name.Key()) &&
		!k.filter.TestString(name.Skeleton()) && !k.filter.TestString(name.FoldedSkeleton())
}
