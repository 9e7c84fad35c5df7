package server_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/config"
)

// granting gives accounts rights.
func granting(grants config.Grants) func(*setup) {
	return func(s *setup) { s.cfg.Grants = grants }
}

// robots may provide.
func robots(s *setup) {
	granting(config.Grants{"robot": {Rights: []string{"provide"}}, "robot2": {Rights: []string{"provide"}}, "boss": {Rights: []string{"admin"}}})(s)
}

// robot logs in as somebody who may provide, and provides a command.
func (h *host) robot(name, command string) *textClient {
	h.t.Helper()
	c := h.account(name)
	c.ok("provide", command, "0", "-1", "a command of "+name)
	return c
}

// A call goes to the provider and its return comes back, behind the caller's
// own IDs (1.4.5, 1.4.6).
func TestCall(t *testing.T) {
	h := start(t, robots)
	robot, alice := h.robot("robot", "dice"), h.guest("alice")
	nobody := h.text()
	for i, tt := range []struct {
		name   string
		from   *textClient
		says   []string
		called []string // behind call and the number
		gives  []string // behind return and the number
		hears  []string
	}{
		{"plain", alice, []string{"dice", "2d6"}, []string{"dice", "alice", "2d6"}, []string{"dice", "7"}, []string{"dice", "7"}},
		{"under an ID", alice, []string{"req", "a,b", "dice"}, []string{"dice", "alice"}, []string{"4"}, []string{"req", "a,b", "4"}},
		{"of nobody", nobody, []string{"dice", ""}, []string{"dice", "", ""}, []string{"x\r\n,\\"}, []string{"x\r\n,\\"}},
		{"nothing returned", alice, []string{"req", "1", "dice"}, []string{"dice", "alice"}, nil, []string{"req", "1"}},
		{"nothing at all", alice, []string{"dice"}, []string{"dice", "alice"}, nil, nil},
		{"an error", alice, []string{"dice", "x"}, []string{"dice", "alice", "x"}, []string{"error", "nonfatal", "no_such_dice", "what?"}, []string{"error", "nonfatal", "no_such_dice", "what?"}},
		{"a fatal error", alice, []string{"dice"}, []string{"dice", "alice"}, []string{"error", "fatal", "syntax", "no"}, []string{"error", "nonfatal", "syntax", "no"}},
		{"half an error", alice, []string{"dice"}, []string{"dice", "alice"}, []string{"error", "nonfatal", "syntax"}, []string{"error", "nonfatal", "unhandled", "*"}},
		{"an error of a bad type", alice, []string{"dice"}, []string{"dice", "alice"}, []string{"error", "nonfatal", "A b", "info"}, []string{"error", "nonfatal", "unhandled", "*"}},
		{"a push", alice, []string{"dice"}, []string{"dice", "alice"}, []string{"send", "bob", "text", "forged"}, []string{"error", "nonfatal", "unhandled", "*"}},
		{"another answer", alice, []string{"dice"}, []string{"dice", "alice"}, []string{"req", "7", "ok"}, []string{"error", "nonfatal", "unhandled", "*"}},
		{"too much", alice, []string{"req", "1", "dice"}, []string{"dice", "alice"}, []string{strings.Repeat("x", 65520)}, []string{"req", "1", "*"}},
		{"too much behind the ID", alice, []string{"req", strings.Repeat("i", 100), "dice"}, []string{"dice", "alice"}, []string{strings.Repeat("x", 65520)}, []string{"req", "*", "error", "nonfatal", "request_too_long", "*"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			robot.use(t)
			tt.from.use(t)
			tt.from.send(tt.says...)
			number := fmt.Sprint(i + 1)
			robot.want(append([]string{"call", number}, tt.called...)...)
			robot.send(append([]string{"return", number}, tt.gives...)...)
			tt.from.want(tt.hears...)
			robot.send("return", number, "again") // ignored
			robot.ok("copies", "off")
		})
	}
}

// Answers come in the order of the requests, whatever the order of the returns,
// and other requests wait (1.4.9).
func TestCallsKeepTheirOrder(t *testing.T) {
	h := start(t, robots)
	robot, alice := h.robot("robot", "dice"), h.account("alice")
	for i := range 10 {
		alice.send("req", fmt.Sprint(i), "dice", fmt.Sprint(i))
	}
	alice.send("req", "post", "say", "lobby", "said behind the calls")
	alice.send("req", "now", "whoami")
	alice.send("req", "last", "dice", "10")
	var numbers []string
	for i := range 10 {
		numbers = append(numbers, robot.want("call", "*", "dice", "alice", fmt.Sprint(i))[1])
	}
	slices.Reverse(numbers)
	for _, n := range numbers {
		robot.send("return", n, "done", n)
	}
	for i := range 10 {
		alice.want("req", fmt.Sprint(i), "done", numbers[9-i])
	}
	alice.want("req", "post", "ok", "*", "*")
	alice.want("req", "now", "user", "alice")
	robot.send("return", robot.want("call", "*", "dice", "alice", "10")[1])
	alice.want("req", "last")
}

// At most 64 calls of a connection are under way: its others wait where they
// are read (1.4.9).
func TestOneCallerIsSlowed(t *testing.T) {
	h := start(t, robots, limits(func(l *parley.Limits) { l.CallsInFlight, l.Calls = 4, 8 }))
	robot, alice := h.robot("robot", "dice"), h.guest("alice")
	for range 20 {
		alice.send("dice")
	}
	for range 4 {
		robot.want("call", "*", "dice", "alice")
	}
	robot.ok("copies", "off") // nothing was pushed before this answer
	for i := range 20 {
		robot.send("return", fmt.Sprint(i+1), fmt.Sprint(i))
		alice.want(fmt.Sprint(i))
		if i < 16 {
			robot.want("call", "*", "dice", "alice")
		}
	}
}

// When several fill what a program may have in hand, further calls are refused,
// by number and by bytes (1.4.8).
func TestProgramIsNotSwamped(t *testing.T) {
	h := start(t, robots, limits(func(l *parley.Limits) { l.CallsInFlight, l.Calls, l.CallBytes = 4, 8, 8000 }))
	robot := h.robot("robot", "dice")
	for _, name := range []string{"alice", "bob"} {
		c := h.guest(name)
		for range 4 {
			c.send("dice")
			robot.want("call", "*", "dice", name)
		}
	}
	carol := h.guest("carol")
	carol.send("dice")
	carol.want("error", "nonfatal", "rate_limited", "*")
	for i := range 8 {
		robot.send("return", fmt.Sprint(i+1))
	}
	carol.ok("copies", "off")
	robot.ok("copies", "off")
	carol.send("dice", strings.Repeat("x", 7000))
	carol.send("dice", strings.Repeat("y", 7000))
	number := robot.want("call", "*", "dice", "carol", "*")[1]
	robot.ok("copies", "off")
	robot.send("return", number)
	carol.want()
	carol.want("error", "nonfatal", "rate_limited", "*")
}

// A program that goes fails its calls; its command is gone (1.4.4, 1.4.8).
func TestProviderGoes(t *testing.T) {
	h := start(t, robots)
	alice := h.guest("alice")
	for name, end := range map[string]func(*textClient){
		"disconnects": func(c *textClient) { c.Close() },
		"logs out":    func(c *textClient) { c.ok("logout"); c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			alice.use(t)
			robot := h.robot("robot", "dice")
			alice.send("dice")
			robot.want("call", "1", "dice", "alice")
			end(robot)
			alice.want("error", "nonfatal", "unhandled", "*")
			alice.send("dice")
			alice.want("error", "nonfatal", "command_not_found", "*")
		})
	}
}

func TestWithdraw(t *testing.T) {
	h := start(t, robots)
	robot, alice := h.robot("robot", "dice"), h.guest("alice")
	if got := alice.ask("withdraw", "dice"); got[2] != "command_not_found" {
		t.Errorf("somebody else's command is withdrawn: %q", got)
	}
	alice.send("dice")
	robot.want("call", "1", "dice", "alice")
	robot.ok("withdraw", "dice")
	if got := h.guest("bob").ask("dice"); got[2] != "command_not_found" {
		t.Errorf("a command that was withdrawn: %q", got)
	}
	robot.send("return", "1", "still served")
	alice.want("still served")
}

// Several that provide a command share its calls (1.4.3).
func TestProvidersShare(t *testing.T) {
	h := start(t, robots)
	one, two, alice := h.robot("robot", "dice"), h.robot("robot2", "dice"), h.guest("alice")
	for range 6 {
		alice.send("dice")
	}
	for range 3 {
		one.want("call", "*", "dice", "alice")
		two.want("call", "*", "dice", "alice")
	}
	two.Close()
	for range 3 { // of two's, and alice's answers stand in order
		one.send("return", "1", "x")
		one.send("return", "2", "x")
		one.send("return", "3", "x")
	}
	for i := range 6 {
		if got := alice.recv(); (got[0] == "x") != (i%2 == 0) {
			t.Errorf("answer %d is %q; want one of robot's and one of robot2's in turn", i, got)
		}
	}
}

// What provide refuses (1.4.1, 1.4.2).
func TestProvideIsRefused(t *testing.T) {
	h := start(t, robots)
	h.guest("guest").ok("copies", "off")
	robot, alice := h.account("robot"), h.account("alice")
	for _, tt := range []struct {
		name string
		by   *textClient
		args []string
		want string
	}{
		{"nobody", h.text(), []string{"dice", "0", "1", "h"}, "not_logged_in"},
		{"without the right", alice, []string{"dice", "0", "1", "h"}, "forbidden"},
		{"built in", robot, []string{"say", "0", "1", "h"}, "name_taken"},
		{"a path", robot, []string{"../../bin/sh", "0", "1", "h"}, "syntax"},
		{"a null", robot, []string{"a\x00b", "0", "1", "h"}, "syntax"},
		{"nothing", robot, []string{"", "0", "1", "h"}, "syntax"},
		{"a digit first", robot, []string{"7up", "0", "1", "h"}, "syntax"},
		{"too long", robot, []string{strings.Repeat("a", 33), "0", "1", "h"}, "syntax"},
		{"no number", robot, []string{"dice", "x", "1", "h"}, "syntax"},
		{"least below zero", robot, []string{"dice", "-1", "1", "h"}, "syntax"},
		{"most below least", robot, []string{"dice", "2", "1", "h"}, "syntax"},
		{"most below any number", robot, []string{"dice", "0", "-2", "h"}, "syntax"},
		{"more than fit", robot, []string{"dice", "0", "1001", "h"}, "syntax"},
		{"two lines of help", robot, []string{"dice", "0", "1", "a\nb"}, "syntax"},
		{"long help", robot, []string{"dice", "0", "1", strings.Repeat("h", 201)}, "syntax"},
	} {
		if got := tt.by.ask(append([]string{"provide"}, tt.args...)...); len(got) < 4 || got[2] != tt.want {
			t.Errorf("%s: got %q, want %s", tt.name, got, tt.want)
		}
	}
	robot.ok("provide", "dice", "1", "2", "rolls dice")
	for _, args := range [][]string{{"dice"}, {"dice", "1", "2", "3"}} {
		if got := alice.ask(args...); !like(got, []string{"error", "nonfatal", "syntax", "usage: dice,1 to 2 arguments"}) {
			t.Errorf("%q: got %q, want a usage", args, got)
		}
	}
	if got := alice.ask("help", "dice"); !slices.Equal(got, []string{"help", "dice,1 to 2 arguments: rolls dice"}) {
		t.Errorf("help,dice: %q", got)
	}
	if got := alice.ask("help"); !slices.Contains(got, "dice,1 to 2 arguments: rolls dice") {
		t.Errorf("help has no dice: %q", got)
	}
}

// Offers are counted for the whole server.
func TestTooManyOffers(t *testing.T) {
	h := start(t, robots, limits(func(l *parley.Limits) { l.Offers = 3 }))
	robot := h.account("robot")
	for i := range 3 {
		robot.ok("provide", fmt.Sprint("c", i), "0", "0", "")
	}
	if got := robot.ask("provide", "c3", "0", "0", ""); got[2] != "too_many" {
		t.Errorf("a fourth command: %q", got)
	}
	robot.ok("withdraw", "c0")
	robot.ok("provide", "c3", "0", "0", "")
}

// ask reaches the newest text session of a user, and only that one can return
// (1.4.6, 1.4.10).
func TestAsk(t *testing.T) {
	h := start(t)
	alice, bob := h.account("alice"), h.account("bob")
	newest := h.text()
	newest.ok("login", "bob", "secret")
	h.line("carol")
	alice.send("ask", "BOB", "temperature", "kitchen")
	number := newest.want("call", "*", "temperature", "alice", "kitchen")[1]
	bob.send("return", number, "forged")
	alice.send("return", number, "forged")
	newest.send("return", "x")
	newest.send("return")
	newest.send("return", "99", "unknown")
	newest.send("return", number, "21", "C")
	alice.want("21", "C")
	for _, tt := range []struct{ name, user, command, want string }{
		{"unknown", "dave", "x", "user_not_found"},
		{"no name", "no name", "x", "user_not_found"},
		{"on the line door", "carol", "x", "user_offline"},
		{"empty", "bob", "", "syntax"},
	} {
		if got := alice.ask("ask", tt.user, tt.command); got[2] != tt.want {
			t.Errorf("ask %s: %q, want %s", tt.name, got, tt.want)
		}
	}
	if got := h.text().ask("ask", "bob", "x"); got[2] != "not_logged_in" {
		t.Errorf("ask of nobody: %q", got)
	}
	newest.Close()
	bob.Close()
	alice.send("ask", "alice", "self")
	n := alice.want("call", "*", "self", "alice")[1]
	alice.send("return", n, "me")
	alice.want("me")
}

// A return is served ahead of what its session waits for: here for a call that
// it made itself (1.4.7).
func TestReturnOvertakes(t *testing.T) {
	for _, sockets := range []bool{false, true} {
		t.Run(fmt.Sprint("sockets ", sockets), func(t *testing.T) {
			changes := []func(*setup){robots}
			if sockets {
				changes = append(changes, onSockets)
			}
			h := start(t, changes...)
			alice := h.account("alice")
			if sockets {
				alice = h.textOn()
				alice.ok("login", "alice", "secret")
			}
			alice.send("req", "1", "ask", "alice", "self")
			alice.send("req", "2", "whoami") // waits for the call
			alice.send("req", "3", "users")
			number := alice.want("call", "*", "self", "alice")[1]
			alice.send("return", number, "overtook")
			alice.want("req", "1", "overtook")
			alice.want("req", "2", "user", "alice")
			alice.want("req", "3", "users", "alice")
		})
	}
}

// A program that does not return is given up after the time of a call; it is not
// ended for that if it is no module, nor for its silence while it provides.
func TestCallTimesOut(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		robot, alice := h.robot("robot", "dice"), h.guest("alice")
		began := time.Now()
		alice.send("dice", "late")
		number := robot.want("call", "*", "dice", "alice", "late")[1]
		pass(4 * time.Second)
		alice.send("dice", "later")
		second := robot.want("call", "*", "dice", "alice", "later")[1]
		alice.want("error", "nonfatal", "timeout", "*")
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("given up after %v, want 5s", took)
		}
		robot.send("return", number, "too late")
		robot.send("return", second, "in time")
		alice.want("in time")
		robot.ok("copies", "off")
		alice.Close()
		pass(time.Hour) // with nothing said
		robot.ok("copies", "off")
	}, robots)
}

// Who goes while programs have calls of its in hand is gone at once.
func TestCallerGoes(t *testing.T) {
	h := start(t, robots, onSockets)
	robot, alice, watcher := h.robot("robot", "dice"), h.textOn(), h.guest("watcher")
	alice.ok("guest", "alice")
	watcher.ok("join", "lobby")
	alice.ok("join", "lobby")
	watcher.want("joined", "lobby", "alice")
	alice.send("dice")
	number := robot.want("call", "*", "dice", "alice")[1]
	reset(alice.Conn)
	watcher.want("left", "lobby", "alice", "*")
	robot.send("return", number, "to nobody")
	robot.ok("copies", "off")
}

// A client that ends its sending direction still gets what it called for
// (1.1.10).
func TestHalfClosedCallerIsAnswered(t *testing.T) {
	h := start(t, robots)
	robot, alice := h.robot("robot", "dice"), h.guest("alice")
	alice.send("dice")
	number := robot.want("call", "*", "dice", "alice")[1]
	halfClose(t, alice)
	robot.send("return", number, "7")
	alice.want("7")
	alice.ended()
}

func TestModulesList(t *testing.T) {
	h := start(t, robots)
	nobody := h.text()
	if got := nobody.ask("modules"); !slices.Equal(got, []string{"modules"}) {
		t.Errorf("without any: %q", got)
	}
	robot, alice := h.robot("robot", "dice"), h.guest("alice")
	robot.ok("provide", "coin", "0", "0", "")
	for _, gives := range []string{"7", "error", ""} {
		alice.send("dice")
		number := robot.want("call", "*", "dice", "alice")[1]
		robot.send("return", number, gives)
		alice.recv()
	}
	if got := nobody.ask("modules"); !like(got, []string{"modules", "robot", "connected", "coin dice", "3", "1", "*"}) || got[6] == "" {
		t.Errorf("with one: %q", got)
	}
	for by, want := range map[*textClient]string{nobody: "forbidden", alice: "forbidden", robot: "forbidden"} {
		if got := by.ask("modules", "reload"); got[2] != want {
			t.Errorf("modules,reload: %q, want %s", got, want)
		}
	}
}

// A program that ends its sending direction cannot return: its calls fail then, also
// those that it waits for itself.
func TestCallsOfHalfClosedProvider(t *testing.T) {
	for name, changes := range map[string][]func(*setup){"memory": {robots}, "sockets": {robots, onSockets}} {
		t.Run(name, func(t *testing.T) {
			h := start(t, changes...)
			enter := h.text
			if name == "sockets" {
				enter = h.textOn
			}
			h.account("robot").Close()
			robot, alice := enter(), enter()
			robot.ok("login", "robot", "secret")
			robot.ok("provide", "dice", "0", "0", "")
			alice.send("dice")
			robot.want("call", "1", "dice", "")
			robot.send("ask", "robot", "self")
			robot.want("call", "2", "self", "robot")
			robot.send("whoami") // waits for itself
			halfClose(t, robot)
			alice.want("error", "nonfatal", "unhandled", "*")
			robot.want("error", "nonfatal", "unhandled", "*")
			robot.want("user", "robot")
			robot.ended()
		})
	}
}
