package server_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/config"
)

// halfClose ends the sending direction.
func halfClose(t *testing.T, c *textClient) {
	t.Helper()
	if err := c.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
}

// A program that says nothing any more is not waited for, even while it waits for a
// call of its own.
func TestDeafProgramIsNotCalled(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		robot, alice, bob := h.robot("robot", "dice"), h.guest("alice"), h.guest("bob")
		robot.send("ask", "bob", "x")
		number := bob.want("call", "*", "x", "robot")[1]
		robot.send("whoami") // waits for bob
		halfClose(t, robot)
		pass(time.Millisecond)
		began := time.Now()
		if got := alice.ask("dice"); got[2] != "unhandled" { // only now it is found to be deaf
			t.Errorf("a command of a deaf program: %q", got)
		}
		if got := alice.ask("dice"); got[2] != "command_not_found" {
			t.Errorf("a command of a program that is known to be deaf: %q", got)
		}
		if got := alice.ask("ask", "robot", "x"); got[2] != "user_offline" {
			t.Errorf("a deaf program is asked: %q", got)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("that took %v", took)
		}
		bob.send("return", number)
	}, robots)
}

// Those who wait for each other do not hold a shutdown up: nobody is read any more.
func TestShutdownWithCallsInHand(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		alice, bob := h.guest("alice"), h.guest("bob")
		alice.send("ask", "bob", "x")
		bob.send("ask", "alice", "x")
		bob.send("ask", "bob", "x")
		pass(time.Millisecond)
		began := time.Now()
		h.shutdown()
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("Shutdown took %v", took)
		}
	}, func(s *setup) { s.shutdown = true })
}

// The description of a command is of the last who provides it, and not of one who
// withdrew.
func TestDescriptionOfCommand(t *testing.T) {
	h := start(t, robots)
	h.robot("robot", "dice")
	two, alice := h.account("robot2"), h.guest("alice")
	two.ok("provide", "dice", "5", "5", "five")
	if got := alice.ask("dice"); got[2] != "syntax" {
		t.Errorf("described by robot2: %q", got)
	}
	two.ok("withdraw", "dice")
	if got := alice.ask("help", "dice"); got[1] != "dice,[arguments]: a command of robot" {
		t.Errorf("described by robot again: %q", got)
	}
}

// A return that is no message ends its call all the same, and has no answer.
func TestBrokenReturn(t *testing.T) {
	h := start(t, robots)
	robot, alice := h.robot("robot", "dice"), h.guest("alice")
	for _, data := range []string{"return,1,\xff", "return,2," + strings.Repeat(",", 2000), `return,3,\`} {
		alice.send("dice")
		robot.want("call", "*", "dice", "alice")
		robot.raw(append([]byte{0, 0, byte(len(data) >> 8), byte(len(data)), 0}, data...))
		alice.want("error", "nonfatal", "unhandled", "*")
	}
	robot.raw([]byte("\x00\x00\x00\x09\x00return,\xff\xff"))
	robot.ok("copies", "off")
	alice.send("dice")
	robot.want("call", "4", "dice", "alice")
	robot.send("return", "4", "error", "nonfatal", "odd", "")
	alice.want("error", "nonfatal", "odd", "odd") // an error has an info, always
}

// What a program could never have in hand is too long, and not for now only.
func TestCallThatNeverFits(t *testing.T) {
	h := start(t, robots, func(s *setup) { s.cfg.Limits.Frame = 4 << 20 })
	h.robot("robot", "dice")
	alice := h.guest("alice")
	if got := alice.ask("dice", strings.Repeat("x", 3<<20)); got[2] != "request_too_long" {
		t.Errorf("a call of 3 MiB: %q", got[:4])
	}
	if got := alice.ask(append([]string{"dice"}, make([]string, 1021)...)...); got[2] != "request_too_long" || !strings.Contains(got[3], "fields") {
		t.Errorf("a call of 1,021 arguments: %q", got)
	}
}

// A caller who does not read its answers has no more of them made.
func TestCallerThatDoesNotRead(t *testing.T) {
	h := start(t, robots)
	robot := h.robot("robot", "dice")
	alice := &textClient{newClient(t, h.memory("text", 1<<10))}
	alice.ok("guest", "alice")
	big := strings.Repeat("x", 60<<10)
	for range 100 {
		alice.send("dice")
	}
	n := 0
	for {
		answer, pushed := robot.askAmong("copies", "off")
		if answer[0] != "ok" {
			t.Fatal(answer)
		}
		if len(pushed) == 0 {
			break
		}
		for _, call := range pushed {
			n++
			robot.send("return", call[1], big)
		}
	}
	if most := parley.DefaultLimits().CallsInFlight + 2; n > most {
		t.Errorf("%d calls for a caller that does not read, want at most %d", n, most)
	}
	alice.Close()
}

// A right that is taken away ends what was done with it.
func TestRightIsTakenAway(t *testing.T) {
	h := start(t, robots)
	robot, alice := h.robot("robot", "dice"), h.guest("alice")
	cfg := config.Default()
	if err := h.Reload(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if got := alice.ask("dice"); got[2] != "command_not_found" {
		t.Errorf("a command of one who may not provide any more: %q", got)
	}
	if got := robot.ask("provide", "dice", "0", "0", ""); got[2] != "forbidden" {
		t.Errorf("provided again: %q", got)
	}
}

// What a module is granted is not granted to who has registered its name before.
func TestGrantOfModuleIsNotOfAccount(t *testing.T) {
	var data string
	h := start(t, func(s *setup) { data, s.mayFail = s.cfg.Data, true })
	early := h.account("dice")
	if err := os.WriteFile(filepath.Join(data, "modules.txt"), []byte("dice /bin/cat\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := config.Default()
	cfg.Grants = config.Grants{"Dice": {Rights: []string{"admin", "provide"}}}
	if err := h.Reload(context.Background(), cfg); err != nil {
		t.Fatal(err)
	}
	for _, request := range [][]string{{"modules", "reload"}, {"provide", "x", "0", "0", ""}} {
		if got := early.ask(request...); got[2] != "forbidden" {
			t.Errorf("%q of an account that has a module's name: %q", request, got)
		}
	}
}

// Who is cut because it does not read is not waited for because it called
// somebody: nothing of it is answered any more.
func TestSlowCallerIsCutAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		bob, carl := h.guest("bob"), h.guest("carl")
		alice := &textClient{newClient(t, h.memory("text", 2000))}
		alice.ok("guest", "alice")
		alice.send("ask", "bob", "x")
		bob.want("call", "*", "x", "alice")
		began := time.Now()
		for sent := 0; sent < 20 && carl.ask("send", "alice", "x", strings.Repeat("x", 4000))[0] == "ok"; sent++ {
		} // until it is full, or gone already
		for slices.Contains(carl.ask("users"), "alice") && time.Since(began) < time.Minute {
			pass(100 * time.Millisecond)
			alice.Conn.(*conn).SetReadDeadline(time.Now().Add(time.Millisecond))
			alice.Read(make([]byte, 100000))
		}
		if time.Since(began) > 2*time.Second {
			t.Errorf("gone after %v", time.Since(began))
		}
	}, limits(func(l *parley.Limits) { l.Outbox = 20_000 }))
}

// The list of programs gives what fits (1.4.12).
func TestLongListOfPrograms(t *testing.T) {
	grants := config.Grants{}
	for i := range 180 {
		grants[fmt.Sprint("program", i)] = config.Grant{Rights: []string{"provide"}}
	}
	h := start(t, granting(grants))
	for name := range grants {
		h.robot(name, "dice")
	}
	if got := h.text().ask("modules"); got[0] != "modules" {
		t.Errorf("got %.200q", got)
	}
}
