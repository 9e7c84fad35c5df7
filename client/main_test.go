package client_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/client"
	"github.com/parley-chat/parley/client/parleytest"
)

func TestMain(m *testing.M) {
	runAsModule() // if this process is one
	goleak.VerifyTestMain(afterwards{m})
}

// afterwards ends what the examples have started.
type afterwards struct{ *testing.M }

func (a afterwards) Run() int {
	defer examples.end()
	return a.M.Run()
}

// patience is for how long a test waits for what must come. It only ends a test that has
// failed already.
const patience = time.Minute

// program is a client under test. Its methods fail the test.
type program struct {
	*client.Client
	t testing.TB
}

// dial comes in and ends with the test.
func dial(t testing.TB, s *parleytest.Server, options ...client.Option) *program {
	t.Helper()
	c, err := client.Dial(within(t), s.URL, append([]client.Option{client.Quick()}, options...)...)
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	t.Cleanup(c.Close)
	return &program{c, t}
}

// account comes in as an account, which it makes.
func account(t testing.TB, s *parleytest.Server, name string, options ...client.Option) *program {
	t.Helper()
	p := dial(t, s, client.NoReconnect())
	if err := p.Register(within(t), name, "secret"); err != nil && !errors.Is(err, &parley.Error{Code: parley.CodeNameTaken}) {
		t.Fatalf("Register %s: %v", name, err)
	}
	p.Close()
	return dial(t, s, append([]client.Option{client.Login(name, "secret")}, options...)...)
}

// within gives a test's context an end.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// next gives the next event.
func (p *program) next() parley.Event {
	p.t.Helper()
	select {
	case e, ok := <-p.Events():
		if !ok {
			p.t.Fatalf("the events have ended: %v", p.Err())
		}
		return e
	case <-time.After(patience):
		p.t.Fatal("no event comes")
	}
	return nil
}

// await skips events up to one of a type, and gives it.
func await[E parley.Event](p *program) E {
	p.t.Helper()
	for {
		if e, ok := p.next().(E); ok {
			return e
		}
	}
}

// must fails the test for an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// got fails the test for an error, and gives what came without one.
func got[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		must(t, err)
		return value
	}
}

// refused fails the test unless an error is a refusal with a code.
func refused(t testing.TB, err error, code parley.Code) {
	t.Helper()
	if !errors.Is(err, &parley.Error{Code: code}) {
		t.Errorf("got the error %v, want %s", err, code)
	}
}
