package client_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/client"
	"github.com/parley-chat/parley/client/parleytest"
)

// quiet keeps what handlers' faults log away from the output of the tests, and counts it.
func quiet(t *testing.T) *atomic.Int64 {
	logged := &atomic.Int64{}
	earlier := slog.Default()
	slog.SetDefault(slog.New(counter{slog.DiscardHandler, logged}))
	t.Cleanup(func() { slog.SetDefault(earlier) })
	return logged
}

type counter struct {
	slog.Handler
	n *atomic.Int64
}

func (c counter) Enabled(context.Context, slog.Level) bool { return true }

func (c counter) Handle(context.Context, slog.Record) error {
	c.n.Add(1)
	return nil
}

// echo gives back who called, what, and with which arguments.
func echo(_ context.Context, call client.Call) ([]string, error) {
	return append([]string{call.Caller.String(), call.Command}, call.Args...), nil
}

func TestProvideAndCall(t *testing.T) {
	ctx, s := within(t), parleytest.Start(t, parleytest.Grant("robot", "provide"))
	robot, alice, nobody := account(t, s, "robot"), dial(t, s, client.Guest("alice")), dial(t, s)
	must(t, robot.Provide(ctx, "echo", 0, 2, "gives back what it gets", echo))
	if v := got(alice.Do(ctx, "echo", "a,b", `\`))(t); !slices.Equal(v, []string{"alice", "echo", "a,b", `\`}) {
		t.Errorf("echo: %q", v)
	}
	if v := got(nobody.Do(ctx, "echo"))(t); !slices.Equal(v, []string{"", "echo"}) {
		t.Errorf("echo of nobody: %q", v)
	}
	_, err := alice.Do(ctx, "echo", "1", "2", "3")
	refused(t, err, parley.CodeSyntax)
	if help := got(alice.Help(ctx, "echo"))(t); len(help) != 1 || !strings.Contains(help[0], "gives back") {
		t.Errorf("help: %q", help)
	}
	list := got(alice.Modules(ctx))(t)
	if len(list) != 1 || list[0].Name.String() != "robot" || list[0].State != "connected" || !slices.Equal(list[0].Commands, []string{"echo"}) || list[0].Calls < 2 {
		t.Errorf("modules: %+v", list)
	}
	refused(t, alice.Provide(ctx, "mine", 0, 0, "no", echo), parley.CodeForbidden)
	refused(t, robot.Provide(ctx, "say", 0, 0, "no", echo), parley.CodeNameTaken)
	refused(t, alice.ReloadModules(ctx), parley.CodeForbidden)
	must(t, robot.Withdraw(ctx, "echo"))
	_, err = alice.Do(ctx, "echo")
	refused(t, err, parley.CodeCommandNotFound)
	refused(t, robot.Withdraw(ctx, "echo"), parley.CodeCommandNotFound)
}

// What is provided is provided again when the connection was lost.
func TestProvideAgain(t *testing.T) {
	ctx, s := within(t), parleytest.Start(t, parleytest.Grant("robot", "provide"))
	robot := account(t, s, "robot")
	must(t, robot.Provide(ctx, "echo", 0, -1, "gives back what it gets", echo))
	must(t, robot.Provide(ctx, "gone", 0, -1, "is taken back", echo))
	must(t, robot.Withdraw(ctx, "gone"))
	s.Restart()
	await[client.Back](robot)
	alice := dial(t, s, client.Guest("alice"))
	got(alice.Do(ctx, "echo"))(t)
	_, err := alice.Do(ctx, "gone")
	refused(t, err, parley.CodeCommandNotFound)
}

func TestHandlersErrors(t *testing.T) {
	logged := quiet(t)
	ctx, s := within(t), parleytest.Start(t)
	robot, alice := dial(t, s, client.Guest("robot")), dial(t, s, client.Guest("alice"))
	robot.Handle("values", func(context.Context, client.Call) ([]string, error) { return []string{"", "x"}, nil })
	robot.Handle("nothing", func(context.Context, client.Call) ([]string, error) { return nil, nil })
	robot.Handle("own", func(context.Context, client.Call) ([]string, error) {
		return nil, fmt.Errorf("wrapped: %w", &parley.Error{Code: "out_of_tea", Message: "buy some"})
	})
	for name, h := range map[string]client.Handler{
		"fault":  func(context.Context, client.Call) ([]string, error) { return nil, errors.New("a secret") },
		"panic":  func(context.Context, client.Call) ([]string, error) { panic("a secret") },
		"error":  func(context.Context, client.Call) ([]string, error) { return []string{"error", "fatal", "x", "y"}, nil },
		"binary": func(context.Context, client.Call) ([]string, error) { return []string{"\xff"}, nil },
		"many":   func(context.Context, client.Call) ([]string, error) { return make([]string, 2000), nil },
		"long":   func(context.Context, client.Call) ([]string, error) { return []string{strings.Repeat("x", 70000)}, nil },
	} {
		robot.Handle(name, h)
		before := logged.Load()
		_, err := alice.Ask(ctx, "robot", name)
		if !errors.Is(err, parley.ErrUnhandled) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want unhandled", name, err)
		}
		if logged.Load() == before {
			t.Errorf("%s: nothing was logged", name)
		}
	}
	if v := got(alice.Ask(ctx, "robot", "values"))(t); !slices.Equal(v, []string{"", "x"}) {
		t.Errorf("values: %q", v)
	}
	if v := got(alice.Ask(ctx, "robot", "nothing"))(t); len(v) != 0 {
		t.Errorf("nothing: %q", v)
	}
	var own *parley.Error
	if _, err := alice.Ask(ctx, "robot", "own"); !errors.As(err, &own) || own.Code != "out_of_tea" || own.Message != "buy some" {
		t.Errorf("own: %v", err)
	}
	_, err := alice.Ask(ctx, "robot", "unheard")
	refused(t, err, parley.CodeCommandNotFound)
	robot.Handle("values", nil)
	_, err = alice.Ask(ctx, "robot", "values")
	refused(t, err, parley.CodeCommandNotFound)
	_, err = alice.Ask(ctx, "nobody", "values")
	refused(t, err, parley.CodeUserNotFound)
}

// Handlers run together: each of these waits for all the others.
func TestHandlersRunTogether(t *testing.T) {
	ctx, s := within(t), parleytest.Start(t)
	robot := dial(t, s, client.Guest("robot"))
	const together = 32
	var here sync.WaitGroup
	here.Add(together)
	robot.Handle("meet", func(context.Context, client.Call) ([]string, error) {
		here.Done()
		here.Wait()
		return nil, nil
	})
	var asking sync.WaitGroup
	for range together {
		asking.Go(func() {
			if _, err := robot.Ask(ctx, "robot", "meet"); err != nil {
				t.Error(err)
			}
		})
	}
	asking.Wait()
}

// A handler may ask in turn, its own program even.
func TestHandlerAsks(t *testing.T) {
	ctx, s := within(t), parleytest.Start(t, parleytest.Grant("robot", "provide"))
	robot, alice := account(t, s, "robot"), dial(t, s, client.Guest("alice"))
	must(t, robot.Provide(ctx, "outer", 0, 0, "asks inner", func(ctx context.Context, call client.Call) ([]string, error) {
		return robot.Ask(ctx, call.Caller.String(), "inner")
	}))
	alice.Handle("inner", echo)
	if v := got(alice.Do(ctx, "outer"))(t); !slices.Equal(v, []string{"robot", "inner"}) {
		t.Errorf("outer: %q", v)
	}
}

// Calls in hand end with their connection: their contexts do, and what they return goes nowhere.
func TestCallsEndWithTheConnection(t *testing.T) {
	ctx, s := within(t), parleytest.Start(t)
	robot, alice := dial(t, s, client.Guest("robot")), dial(t, s, client.Guest("alice"))
	robot.Handle("wait", func(ctx context.Context, _ client.Call) ([]string, error) {
		robot.Cut()
		<-ctx.Done()
		return []string{"too late"}, nil
	})
	_, err := alice.Ask(ctx, "robot", "wait")
	refused(t, err, parley.CodeUnhandled)
	await[client.Back](robot)
	robot.Handle("wait", echo)
	if v := got(alice.Ask(ctx, "robot", "wait"))(t); !slices.Equal(v, []string{"alice", "wait"}) {
		t.Errorf("wait: %q", v)
	}
}
