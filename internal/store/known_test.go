package store

import (
	"fmt"
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
)

// TestKnown holds that no registered name is ever taken for a free one, whenever
// it was registered, and that nearly every free one is known to be.
func TestKnown(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, Options{Dir: dir})
	<-s.known.done
	name := func(kind string, i int) parley.Name {
		n, err := parley.ParseUserName(fmt.Sprintf("%s%c%c%c", kind, 'a'+i/400, 'a'+i/20%20, 'a'+i%20))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	const accounts = 200
	register := func(s *Store, from, to int) {
		err := s.Commit(t.Context(), func(tx hub.Tx) error {
			for i := from; i < to; i++ {
				if err := tx.CreateAccount(&hub.Account{User: parley.User{Name: name("user_", i)}, Hash: "x"}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	look := func(s *Store, registered int) {
		t.Helper()
		free := 0
		for i := range accounts {
			if i < registered && s.known.isFree(name("user_", i)) {
				t.Errorf("%v is registered and was taken for free", name("user_", i))
			}
			if s.known.isFree(name("guest_", i)) {
				free++
			}
		}
		if free < accounts*9/10 {
			t.Errorf("of %d free names %d are known to be", accounts, free)
		}
	}
	register(s, 0, accounts/2)
	look(s, accounts/2)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, Options{Dir: dir})
	<-s.known.done
	register(s, accounts/2, accounts)
	look(s, accounts)
}
