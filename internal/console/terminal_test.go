package console

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/creack/pty"
)

func sprint(v any) string { return fmt.Sprintf("%+v", v) }

func connectedTo(f *fake, protocol string) string {
	return "-- connected to " + f.url(protocol) + "; M shows the menu, exit ends"
}

const (
	ctrlC = "\x03"
	ctrlD = "\x04"
	up    = "\x1b[A"
	left  = "\x1b[D"
)

func TestNameAtTerminal(t *testing.T) {
	t.Parallel()
	fakeLine := newLineFake()
	fakeLine.names["taken"], _ = net.Pipe()
	f := listen(t, fakeLine.serve)
	s := atTerminal(t, Options{URL: f.url("line")}, 24, 120)
	s.shows("Screen name:")
	s.types("aaaaaaaaaaaaaaaaaaaaa\r")
	s.shows("-- a screen name has at most 20 characters, this one has 21", "Screen name:")
	s.types("\r")
	s.shows("-- a screen name cannot be empty", "Screen name:")
	s.types("taken\r")
	s.shows("Screen name: taken", connectedTo(f, "line"),
		`-- the server did not accept the screen name "taken": it is in use, registered, or not allowed there`,
		"Another screen name:")
	s.types("alice\r")
	s.shows("Another screen name: alice", connectedTo(f, "line"), "Welcome alice", "alice>")
	s.types("exit\r")
	s.ends(ExitOK)
}

func TestBareNameErrorAtTerminal(t *testing.T) {
	t.Parallel()
	f := listen(t, pyServe(newLineFake()))
	s := atTerminal(t, Options{URL: f.url("line"), Chunks: true, Name: "taken"}, 24, 120)
	s.shows("Another screen name:")
	s.types("alice\r")
	s.shows("Welcome, alice!", "alice>")
	s.types("join a b\r")
	s.shows("alice> join a b", "Joined ['a', 'b']", "alice [a b]>")
	s.types(ctrlD)
	s.ends(ExitOK)
}

func TestRoomsMenuAndLimitAtTerminal(t *testing.T) {
	t.Parallel()
	fakeLine := newLineFake()
	f := listen(t, fakeLine.serve)
	s := atTerminal(t, Options{URL: f.url("line"), Name: "alice"}, 24, 100)
	s.shows("Welcome alice", "alice>")
	s.types("join lobby games\r")
	s.shows("Joined lobby (ok) games (ok)", "alice [games lobby]>")
	s.types("join nowhere\r")
	s.shows("Joined nowhere (no such room)", "alice [games lobby]>")
	s.types("leave games\r")
	s.shows("Left games (ok)", "alice [lobby]>")
	s.types("M\r")
	s.shows(append(strings.Split("alice [lobby]> M\n"+lineMenu, "\n"), "alice [lobby]>")...)
	s.types(strings.Repeat("x", 4097) + "\r")
	s.shows("-- that line is longer than a terminal line can be; it was not sent", "alice [lobby]>")
	s.types(strings.Repeat("é", 2049) + "\r")
	s.shows("-- that message has 4098 bytes, and the protocol allows 4096; it was not sent", "alice [lobby]>")
	s.types("rooms\r")
	s.shows("Rooms games lobby", "alice [lobby]>")
	s.types(up + "x\r")
	s.shows("alice [lobby]> roomsx", "Verified", "alice [lobby]>")
	s.types("exit\r")
	s.ends(ExitOK)
	want := "join lobby games|join nowhere|leave games|rooms|roomsx|exit"
	if got := strings.Join(fakeLine.lines(), "|"); got != want {
		t.Errorf("the server received %s, want %s", got, want)
	}
}

// A pusher is a server that sends what the test wants.
type pusher struct {
	*fake
	text chan string
	once sync.Once
}

func newPusher(t *testing.T) *pusher {
	p := &pusher{text: make(chan string)}
	p.fake = listen(t, func(c net.Conn) {
		for text := range p.text {
			io.WriteString(c, text)
		}
	})
	t.Cleanup(p.end)
	return p
}

// end closes the connection.
func (p *pusher) end() { p.once.Do(func() { close(p.text) }) }

func TestIncomingLineDoesNotBreakTheTypedOne(t *testing.T) {
	t.Parallel()
	f := newPusher(t)
	s := atTerminal(t, Options{URL: f.url("line"), Name: "alice"}, 24, 40)
	f.text <- "Welcome\n"
	s.shows("Welcome", "alice>")
	s.types("half a line")
	s.shows("Welcome", "alice> half a line")
	f.text <- "bob says in room lobby hi\n"
	s.shows("Welcome", "bob says in room lobby hi", "alice> half a line")
	s.types(" and more")
	s.shows("bob says in room lobby hi", "alice> half a line and more")

	// A line over several rows, with the cursor in the first of them.
	s.types(strings.Repeat("y", 40) + strings.Repeat(left, 50))
	rows := []string{"alice> half a line and more" + strings.Repeat("y", 13), strings.Repeat("y", 27)}
	s.shows(rows...)
	f.text <- "\x1b[2J\x1b[Hbob\x07 says\n"
	s.shows("bob says in room lobby hi", "�[2J�[Hbob� says", rows[0], rows[1])
	s.types("Z")
	s.shows("�[2J�[Hbob� says", "alice> half a linZe and more"+strings.Repeat("y", 12), strings.Repeat("y", 28))

	// The room in the prompt changes while a line is typed.
	f.text <- "Joined lobby (ok)\n"
	s.await("the new prompt", func(all []string) bool {
		return len(all) > 2 && strings.HasPrefix(all[len(all)-2], "alice [lobby]> half a linZe and")
	})
	s.types(ctrlC)
	f.end()
	s.ends(ExitOK)
}

func TestResize(t *testing.T) {
	t.Parallel()
	f := newPusher(t)
	s := atTerminal(t, Options{URL: f.url("line"), Name: "alice"}, 24, 40)
	f.text <- "Welcome\n"
	s.shows("Welcome", "alice>")
	if err := pty.Setsize(s.master, &pty.Winsize{Rows: 24, Cols: 60}); err != nil {
		t.Fatal(err)
	}
	s.types(strings.Repeat("y", 50))
	s.shows("alice> " + strings.Repeat("y", 50))
	f.text <- "bob says hi\n"
	s.shows("bob says hi", "alice> "+strings.Repeat("y", 50))
	s.types(ctrlC)
	f.end()
	s.ends(ExitOK)
}

func TestReconnect(t *testing.T) {
	t.Parallel()
	fakeLine := newLineFake()
	f := listen(t, fakeLine.serve)
	s := atTerminal(t, Options{URL: f.url("line"), Name: "alice"}, 24, 100)
	s.shows("alice>")
	s.types("join lobby\r")
	s.shows("alice [lobby]>")
	s.types("half a line")
	s.shows("alice [lobby]> half a line")
	f.cut()
	s.shows("alice [lobby]> half a line", "-- the server closed the connection", "Reconnect? [Y/n]")
	s.types("what?\r")
	s.shows("-- please answer y or n", "Reconnect? [Y/n]")
	s.types("\r")
	s.shows("Welcome alice", "-- you were in rooms before; to go back: join lobby", "alice> half a line")
	s.types(" more\r")
	s.shows("alice> half a line more", "Verified", "alice>")

	f.listener.Close()
	f.cut()
	s.shows("-- the server closed the connection", "Reconnect? [Y/n]")
	s.types("y\r")
	s.shows("-- cannot reach "+f.url("line")+": nobody listens there", "Try again? [Y/n]")
	s.types("n\r")
	s.ends(ExitUnreachable)
}

func TestKillAtTerminal(t *testing.T) {
	t.Parallel()
	f := listen(t, newLineFake().serve)
	s := atTerminal(t, Options{URL: f.url("line"), Name: "admin"}, 24, 100)
	s.shows("admin>")
	s.types("kill\r")
	s.ends(ExitOK)
}

func TestEndsAtTerminal(t *testing.T) {
	tests := []struct {
		name, protocol, keys string
		before               string // screen to wait for
	}{
		{"Ctrl-C, line", "line", ctrlC, "alice>"},
		{"Ctrl-D, line", "line", ctrlD, "alice>"},
		{"Ctrl-C in a half-typed line", "line", "half" + ctrlC, "alice>"},
		{"exit, text", "text", "exit\r", ">"},
		{"Ctrl-C, text", "text", ctrlC, ">"},
		{"Ctrl-D, text", "text", ctrlD, ">"},
		{"exit with an answer missing", "text", "hang\rexit\r" + ctrlC, ">"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			serve := newLineFake().serve
			if tt.protocol == "text" {
				serve = textServe(nil)
			}
			s := atTerminal(t, Options{URL: listen(t, serve).url(tt.protocol), Name: "alice"}, 24, 100)
			s.shows(tt.before)
			s.types(tt.keys)
			s.ends(ExitOK)
		})
	}
	for _, key := range []string{ctrlC, ctrlD} {
		s := atTerminal(t, Options{URL: "line://" + closedPort(t)}, 24, 80)
		s.shows("Screen name:")
		s.types(key)
		s.ends(ExitOK)
	}
}

func TestUnreachableAtTerminal(t *testing.T) {
	t.Parallel()
	s := atTerminal(t, Options{URL: "text://" + closedPort(t)}, 24, 80)
	s.ends(ExitUnreachable)
}

func TestInterruptedWhileConnecting(t *testing.T) {
	t.Parallel()
	dialing := make(chan struct{})
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		close(dialing)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	s := atTerminal(t, Options{URL: "text://x", Dial: dial}, 24, 80)
	<-dialing
	s.types("typed ahead" + ctrlC)
	s.ends(ExitOK)
}

func TestTerminatedAtTerminal(t *testing.T) {
	t.Parallel()
	f := listen(t, textServe(nil))
	master, slave, err := pty.Open()
	if err != nil {
		t.Skip(err)
	}
	defer master.Close()
	defer slave.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if code := Run(ctx, Options{URL: f.url("text"), In: slave, Out: slave, Err: slave}); code != ExitInterrupted {
		t.Errorf("exit code %d, want %d", code, ExitInterrupted)
	}
}

func TestTextAtTerminal(t *testing.T) {
	t.Parallel()
	f := listen(t, textServe(nil))
	s := atTerminal(t, Options{URL: f.url("text"), Name: "bob"}, 24, 100)
	s.shows(connectedTo(f, "text"), "-- you are bob", ">")
	s.types("whoami\r")
	s.shows("> whoami", "user,bob", ">")
	s.types("poke\r")
	s.shows("> poke", "* room lobby <bob> hi, there", "* room lobby <bob> �[2Jall", "ok", "* carol joined lobby", ">")
	s.types("nop\r")
	s.shows("> nop", "(empty)", ">")
	s.types("a\\\r")
	s.shows(`-- not sent: the message ends with a backslash that escapes nothing; write \\ for a backslash`, ">")
	s.types("req,9,whoami\r")
	s.shows("req,9,user,bob", ">")
	s.types("login,bob,hunter2\r")
	s.shows("ok", ">")
	s.types(up + "\r") // not the password
	s.shows("> req,9,whoami", "req,9,user,bob", ">")
	s.types("M\r")
	s.shows(append(strings.Split("> M\n"+textMenu, "\n"), ">")...)
	s.types("die\r")
	s.shows("-- the server closed the connection", "Reconnect? [Y/n]")
	s.types("\r")
	s.shows(connectedTo(f, "text"), "-- you are bob", ">")
	s.types("exit\r")
	s.ends(ExitOK)
}

func TestRawAtTerminal(t *testing.T) {
	t.Parallel()
	f := listen(t, textServe(nil))
	s := atTerminal(t, Options{URL: f.url("text"), Raw: true}, 24, 100)
	s.shows("-- connected to "+f.url("text")+"; Ctrl-D ends", ">")
	s.types("poke\r")
	s.shows("> poke", `room,lobby,bob,1-1,2026-01-02T03:04:05.678Z,hi\, there\n\u001b[2Jall`, "ok", "joined,lobby,carol", ">")
	s.types("req,1,nop\r")
	s.shows("> req,1,nop", "req,1", ">")
	s.types(ctrlD)
	s.ends(ExitOK)
}

func TestPasswordAtTerminal(t *testing.T) {
	t.Parallel()
	f := listen(t, textServe(nil))
	s := atTerminal(t, Options{URL: f.url("text"), Name: "bob", AskPassword: true}, 24, 100)
	s.shows("Password:")
	s.types("hunter2\r")
	s.shows("Password:", connectedTo(f, "text"), "-- you are bob", ">")
	s.types(ctrlD)
	s.ends(ExitOK)
	s.mu.Lock()
	defer s.mu.Unlock()
	if bytes.Contains(s.raw, []byte("hunter2")) {
		t.Error("the password was shown")
	}
}

// Wide characters and an unfinished key must not keep the session from taking
// a line back.
func TestHalfTypedLineIsTakenBackWhateverItIs(t *testing.T) {
	for typed, shown := range map[string]string{"日本": "日本", "a\x1b": "a", "a\x1b[": "a", "a\xc3": "a"} {
		t.Run(fmt.Sprintf("%q", typed), func(t *testing.T) {
			t.Parallel()
			f := newPusher(t)
			s := atTerminal(t, Options{URL: f.url("line"), Name: "alice"}, 24, 100)
			f.text <- "Welcome\n"
			s.shows("Welcome", "alice>")
			s.types(typed)
			s.shows("alice> " + shown)
			f.end()
			s.shows("Reconnect? [Y/n]")
			s.types("n\r")
			s.ends(ExitUnreachable)
		})
	}
}

// Only one of the two a terminal: the session is a pipe.
func TestHalfATerminalIsAPipe(t *testing.T) {
	master, slave, err := pty.Open()
	if err != nil {
		t.Skip(err)
	}
	defer master.Close()
	defer slave.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	f := listen(t, textServe(nil))
	var notices bytes.Buffer
	if code := Run(t.Context(), Options{URL: f.url("text"), In: null, Out: slave, Err: &notices}); code != ExitOK {
		t.Errorf("exit code %d, notices %q", code, &notices)
	}
}
