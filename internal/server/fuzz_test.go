package server_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/wire/textwire"
)

// The states in which a fuzzed client goes astray: what it sent before, one
// write each.
var (
	textStates = [][]string{
		nil,
		{string(frame("guest", "fuzzer"))},
		{string(frame("guest", "fuzzer")), string(frame("join", "lobby"))},
		{string(frame("login", "account", "secret")), string(frame("join", "lobby")), string(frame("copies", "on"))},
		{string(frame("login", "robot", "secret")), string(frame("provide", "dice", "0", "-1", "")), string(frame("ask", "robot", "x"))},
	}
	lineStates = [][]string{
		nil,
		{"fuzzer\n"},
		{"fuzzer\njoin lobby\n"},
		{"fuzzer"}, // chunk mode
		{"account secret\n", "join lobby\n"},
	}
)

// FuzzTextDoor sends arbitrary bytes, cut into arbitrary reads, to the text door
// in every state. What comes back is well-formed frames within the limit, the
// connection ends, and another client is served as before.
func FuzzTextDoor(f *testing.F) {
	for _, seed := range []string{
		"\x00\x00\x00\x03\x00nop", "\xff\xff\xff\xff", "\x00\x00\x00\x01\x01x", "\x00\x00\x00\x00\x00",
		string(frame("req", "1", "say", "lobby", "hi")) + string(frame("history", "lobby")) + string(frame("nop")),
		string(frame("join", "lobby")) + string(frame("topic", "lobby", "\x1b")) + string(frame("leave", "lobby")),
		string(frame("post", "@witness", "c1", "a\r\nb")) + string(frame("send", "witness", "dice", "\x00")),
		string(frame("copies", "on")) + string(frame("logout")) + string(frame("whoami")),
		string(frame("new", "attic")) + string(frame("members", "attic")) + string(frame("users")) + string(frame("rooms", "l")),
		string(frame("register", "fuzzer", "x")) + string(frame("login", "fuzzer", "x")) + string(frame("passwd", "x", "x")) + string(frame("myrooms")),
		string(frame("tell", "account", "hi")) + string(frame("history", "@account", "before", "1-0000000000001", "9")),
		string(frame("req", "1", "req", "2", "req", "3", "help")) + string(frame("help", "say")),
		string(frame("req", "1", "echo", "a")) + string(frame("echo", "b,c")) + string(frame("say", "lobby", "hi")) + string(frame("modules")) + string(frame("modules", "reload")),
		string(frame("ask", "fuzzer", "x")) + string(frame("whoami")) + string(frame("return", "1", "y")) + string(frame("ask", "witness", "x", "")),
		string(frame("dice", "a")) + string(frame("req", "1", "users")) + string(frame("return", "2", "error", "fatal", "odd", "")) + string(frame("req", "7", "return", "1", "send", "x")),
		string(frame("provide", "d", "0", "1", "h")) + string(frame("d")) + string(frame("withdraw", "dice")) + string(frame("help", "d")) + string(frame("return", "1")),
		string(frame("dice")) + string(frame("logout")) + string(frame("return", "2")) + string(frame("return")) + string(frame("return", "x", "y")),
	} {
		for state := range textStates {
			f.Add([]byte(seed), byte(3), byte(state))
		}
	}
	h := start(f, robots, limits(func(l *parley.Limits) { l.Call = 50 * time.Millisecond }))
	h.account("account")
	h.account("robot").Close()
	go echo(h.robot("robot2", "echo")) // ends with the connection
	witness := h.guest("witness")
	f.Fuzz(func(t *testing.T, in []byte, step, state byte) {
		witness.use(t)
		c := stray(t, h.memory("text", roomy), textStates[int(state)%len(textStates)], in, step)
		for {
			data, err := readFrame(c)
			if errors.Is(err, io.EOF) {
				break
			}
			if err == nil {
				err = frameFault(data)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		served(h, witness)
	})
}

// echo returns what it is called with.
func echo(c *textClient) {
	for {
		called, err := c.readFrame()
		if err != nil {
			return
		}
		if like(called, []string{"call", "..."}) {
			c.Write(frame(append([]string{"return", called[1]}, called[4:]...)...))
		}
	}
}

func frameFault(data []byte) error {
	if len(data) > 65536 {
		return errors.New("the server sent a frame over the limit")
	}
	_, err := textwire.Parse(data, len(data)+1)
	return err
}

// FuzzLineDoor is FuzzTextDoor for the line door: what comes back is messages
// that may be sent.
func FuzzLineDoor(f *testing.F) {
	for _, seed := range []string{
		"fuzzer", "fuzzer\nrooms\n", "\n", "kill\n", "new a b\xff\njoin a\nsend a - x\x1b[31m\r\n", "send lobby lobby - a - b\n",
		"tell witness a\u2028b\n", "members lobby\nmembers\nclients\nexit\n", "caf\xc3", "leave lobby lobby\n \n", "account secret", "join lobby",
		"send lobby - " + strings.Repeat("x\r", 300), strings.Repeat("x", 600), "tell account hi\ntell nobody hi\ntell fuzzer hi\n",
	} {
		for state := range lineStates {
			f.Add([]byte(seed), byte(5), byte(state))
			f.Add([]byte(seed), byte(255), byte(state))
		}
	}
	h := start(f, func(s *setup) { s.cfg.Kill = "never" })
	h.account("account")
	witness := h.guest("witness")
	f.Fuzz(func(t *testing.T, in []byte, step, state byte) {
		witness.use(t)
		c := stray(t, h.memory("line", roomy), lineStates[int(state)%len(lineStates)], in, step)
		all, err := io.ReadAll(c)
		if err != nil {
			t.Fatalf("the stream ended with %v", err)
		}
		lines := strings.Split(string(all), "\n")
		if last := lines[len(lines)-1]; last != "" && last != "NAMEERROR" {
			t.Fatalf("the stream ended with a part of a line, %q", last)
		}
		for _, line := range lines {
			if err := lineFault(line); err != nil {
				t.Fatal(err)
			}
		}
		served(h, witness)
	})
}

// stray sends bytes in pieces, each of which the server reads alone, and ends
// the direction.
func stray(t *testing.T, c *conn, before []string, in []byte, step byte) *conn {
	t.Helper()
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	pieces := before
	for n := int(step) + 1; len(in) > 0; in = in[min(n, len(in)):] {
		pieces = append(pieces[:len(pieces):len(pieces)], string(in[:min(n, len(in))]))
	}
	for _, piece := range pieces {
		if _, err := c.Write([]byte(piece)); err != nil {
			break // the server closed it, which is its right
		}
		c.waitTaken()
	}
	c.CloseWrite()
	return c
}

// served holds that the server lives: nothing panicked or failed, and another
// client is answered.
func served(h *host, witness *textClient) {
	witness.t.Helper()
	if errs := h.log.errors(); len(errs) > 0 {
		witness.t.Fatalf("the server logged %q", errs)
	}
	witness.within(patience)
	if got := witness.ask("whoami"); !like(got, []string{"user", "witness"}) {
		witness.t.Fatalf("the witness is answered %q", got)
	}
}

// The two fuzz targets rest on these.
func TestFaultsAreSeen(t *testing.T) {
	for _, line := range []string{"a\x1b", "a\r", "a\u2028", "\xff", strings.Repeat("x", 4097), "\u0085"} {
		if lineFault(line) == nil {
			t.Errorf("lineFault(%q) finds nothing", cut([]byte(line)))
		}
	}
	for _, line := range []string{"", "a\tb", strings.Repeat("x", 4096), "\ufffd"} {
		if err := lineFault(line); err != nil || !utf8.ValidString(line) {
			t.Errorf("lineFault(%q) = %v", cut([]byte(line)), err)
		}
	}
	for _, data := range []string{"\xff", `a\`, strings.Repeat("x", 65537)} {
		if frameFault([]byte(data)) == nil {
			t.Errorf("frameFault(%q) finds nothing", cut([]byte(data)))
		}
	}
}
