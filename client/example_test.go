package client_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/client"
	"github.com/parley-chat/parley/client/parleytest"
)

// url is the address of a server that runs for the examples. Yours is, perhaps,
// text://127.0.0.1:7700.
var url = sync.OnceValue(func() string { return parleytest.Start(&examples, parleytest.Grant("dice", "provide")).URL })

func Example() {
	ctx := context.Background()
	alice, err := client.Dial(ctx, url(), client.Guest("alice"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer alice.Close()
	if err := alice.Join(ctx, "lobby"); err != nil {
		fmt.Println(err)
		return
	}

	// Somebody else comes in.
	bob, err := client.Dial(ctx, url(), client.Guest("bob"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer bob.Close()
	if _, err := bob.Say(ctx, "lobby", "is anybody here?"); err != nil {
		fmt.Println(err)
		return
	}

	for event := range alice.Events() {
		if said, ok := event.(parley.Said); ok {
			fmt.Printf("%s says in %s: %s\n", said.SenderName, said.Room, said.Text)
			break
		}
	}
	// Output: bob says in lobby: is anybody here?
}

// A refusal of the server is told by its code.
func Example_refusals() {
	ctx := context.Background()
	c, err := client.Dial(ctx, url())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	_, err = c.Say(ctx, "lobby", "hello")
	if errors.Is(err, parley.ErrNotLoggedIn) {
		err = c.Guest(ctx, "carol")
	}
	var refusal *parley.Error
	if err == nil {
		_, err = c.Say(ctx, "cellar", "hello")
	}
	if errors.As(err, &refusal) {
		fmt.Println(refusal.Code)
	}
	// Output: room_not_found
}

// A program that others ask, and that nobody else has to know of.
func ExampleClient_Handle() {
	ctx := context.Background()
	lamp, err := client.Dial(ctx, url(), client.Guest("lamp"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer lamp.Close()
	lamp.Handle("light", func(_ context.Context, call client.Call) ([]string, error) {
		if len(call.Args) != 1 {
			return nil, parley.Errorf(parley.CodeSyntax, "say light,on or light,off")
		}
		return []string{"the light is " + call.Args[0]}, nil
	})

	// It asks itself here; any other session may.
	answer, err := lamp.Ask(ctx, "lamp", "light", "on")
	fmt.Println(answer, err)
	_, err = lamp.Ask(ctx, "lamp", "light")
	fmt.Println(err)
	// Output:
	// [the light is on] <nil>
	// syntax: say light,on or light,off
}

// A command for everyone. Open instead of Dial would let the server run this program.
func ExampleClient_Provide() {
	ctx := context.Background()
	dice, err := client.Dial(ctx, url())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer dice.Close()
	if err := errors.Join(dice.Register(ctx, "dice", "secret"), dice.Login(ctx, "dice", "secret")); err != nil {
		fmt.Println(err)
		return
	}
	err = dice.Provide(ctx, "double", 1, 1, "doubles a number", func(_ context.Context, call client.Call) ([]string, error) {
		n, err := strconv.Atoi(call.Args[0])
		if err != nil {
			return nil, parley.Errorf(parley.CodeSyntax, "%q is no number", call.Args[0])
		}
		return []string{strconv.Itoa(2 * n)}, nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	caller, err := client.Dial(ctx, url())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer caller.Close()
	fmt.Println(caller.Do(ctx, "double", "21"))
	// Output: [42] <nil>
}

// All that was said in a room, however much it is.
func ExampleClient_History() {
	ctx := context.Background()
	c, err := client.Dial(ctx, url(), client.Guest("dave"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	if err := c.NewRoom(ctx, "tea"); err != nil {
		fmt.Println(err)
		return
	}
	for _, text := range []string{"green", "or black?"} {
		if _, err := c.Say(ctx, "tea", text); err != nil {
			fmt.Println(err)
			return
		}
	}
	for message, err := range c.History(ctx, "tea", "") {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(message.SenderName+":", message.Text)
	}
	// Output:
	// dave: green
	// dave: or black?
}

// examples stands for the test of which the examples are a part.
var examples exampleTest

type exampleTest struct {
	testing.TB
	dir  string
	ends []func()
}

func (e *exampleTest) Helper() {}

func (e *exampleTest) TempDir() (dir string) {
	e.dir, _ = os.MkdirTemp("", "parley-example")
	return e.dir
}

func (e *exampleTest) Cleanup(f func())             { e.ends = append(e.ends, f) }
func (e *exampleTest) Errorf(f string, args ...any) { panic(fmt.Sprintf(f, args...)) }
func (e *exampleTest) Fatalf(f string, args ...any) { panic(fmt.Sprintf(f, args...)) }

func (e *exampleTest) end() {
	for _, f := range e.ends {
		f()
	}
	if e.dir != "" {
		os.RemoveAll(e.dir)
	}
}
