package hub

import (
	"context"
	"sync/atomic"

	"github.com/alexedwards/argon2id"
	"golang.org/x/text/unicode/norm"

	"github.com/parley-chat/parley"
)

// passwords hashes with argon2id. The memory it takes is bounded: so many
// hashes at once, so many requests waiting, and more are refused.
type passwords struct {
	params  *argon2id.Params
	places  chan struct{} // its size is the number of hashes at once
	waiting atomic.Int32
	most    int32
}

// usualHash is the second recommended option of RFC 9106, section 4, with one
// lane: a server has other work for its cores.
var usualHash = &argon2id.Params{Memory: 64 << 10, Iterations: 3, Parallelism: 1, SaltLength: 16, KeyLength: 32}

func newPasswords(limits parley.Limits, params *argon2id.Params) *passwords {
	if params == nil {
		params = usualHash
	}
	return &passwords{params: params, places: make(chan struct{}, limits.Hashes), most: int32(limits.HashesWaiting)}
}

// hash makes the hash of a new password, in PHC form.
func (p *passwords) hash(ctx context.Context, password string) (hash string, err error) {
	err = p.inPlace(ctx, func() error {
		hash, err = argon2id.CreateHash(norm.NFC.String(password), p.params)
		return err
	})
	return hash, err
}

// compare tells whether a password has a hash. Without a hash it does the same
// work and says no.
func (p *passwords) compare(ctx context.Context, password, hash string) (same bool, err error) {
	err = p.inPlace(ctx, func() error {
		if hash == "" {
			_, err := argon2id.CreateHash(norm.NFC.String(password), p.params)
			return err
		}
		same, err = argon2id.ComparePasswordAndHash(norm.NFC.String(password), hash)
		return err
	})
	return same, err
}

func (p *passwords) inPlace(ctx context.Context, work func() error) error {
	if p.waiting.Add(1) > p.most {
		p.waiting.Add(-1)
		return parley.Errorf(parley.CodeRateLimited, "too many people log in at this moment; try again")
	}
	select {
	case p.places <- struct{}{}:
		p.waiting.Add(-1)
	case <-ctx.Done():
		p.waiting.Add(-1)
		return ctx.Err()
	}
	defer func() { <-p.places }()
	return work()
}
