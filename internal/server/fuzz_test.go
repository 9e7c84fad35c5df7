package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/parley-chat/parley/wire/textwire"
)

// The states that a fuzzed client may be in before it goes astray.
const (
	nobody = iota
	asGuest
	inRoom
	states
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
	} {
		for state := range states {
			f.Add([]byte(seed), byte(3), byte(state))
		}
	}
	h := start(f)
	witness := h.guest("witness")
	f.Fuzz(func(t *testing.T, in []byte, step, state byte) {
		conn := h.memory("text", roomy)
		defer conn.Close()
		var setUp []byte
		switch state % states {
		case inRoom:
			setUp = append(frame("guest", "fuzzer"), frame("join", "lobby")...)
		case asGuest:
			setUp = frame("guest", "fuzzer")
		}
		stray(t, conn, append(setUp, in...), step)
		for {
			data, err := readFrame(conn)
			if err != nil {
				streamEnd(t, err)
				break
			}
			if _, err := textwire.Parse(data, len(data)+1); err != nil || len(data) > 65536 {
				t.Fatalf("the server sent a frame of %d bytes, %q: %v", len(data), cut(data), err)
			}
		}
		served(t, h, witness)
	})
}

// FuzzLineDoor is FuzzTextDoor for the line door: what comes back is messages
// that may be sent.
func FuzzLineDoor(f *testing.F) {
	for _, seed := range []string{
		"fuzzer", "fuzzer\nrooms\n", "\n", "kil", "new a b\xff\njoin a\nsend a - x\x1b[31m\r\n", "send lobby lobby - a - b\n",
		"tell witness a\u2028b\n", "members lobby\nmembers\nclients\nexit\n", "caf\xc3", "leave lobby lobby\n \n",
	} {
		for state := range states {
			f.Add([]byte(seed), byte(5), byte(state))
		}
	}
	h := start(f, func(s *setup) { s.cfg.Kill = "never" })
	witness := h.guest("witness")
	f.Fuzz(func(t *testing.T, in []byte, step, state byte) {
		conn := h.memory("line", roomy)
		defer conn.Close()
		var setUp []byte
		switch state % states {
		case inRoom:
			setUp = []byte("fuzzer\njoin lobby\n")
		case asGuest:
			setUp = []byte("fuzzer\n")
		}
		stray(t, conn, append(setUp, in...), step)
		c := &lineClient{newClient(t, conn)}
		for {
			line, err := c.readLine()
			if errors.Is(err, io.EOF) || errors.Is(err, os.ErrClosed) {
				break
			}
			if err != nil && line == "" && !errors.Is(err, io.ErrUnexpectedEOF) && !isBareNameError(err) {
				t.Fatal(err)
			}
			if err != nil {
				break
			}
		}
		served(t, h, witness)
	})
}

// isBareNameError tells whether the stream ended with the one message that has
// no LF.
func isBareNameError(err error) bool {
	return errors.Is(err, io.EOF) && fmt.Sprint(err) == `the server sent a part of a line, "NAMEERROR": EOF`
}

// stray writes bytes in pieces and ends the direction, while somebody else
// reads.
func stray(t *testing.T, conn *conn, in []byte, step byte) {
	t.Helper()
	conn.SetDeadline(time.Now().Add(patience))
	for n := int(step) + 1; len(in) > 0; in = in[min(n, len(in)):] {
		if _, err := conn.Write(in[:min(n, len(in))]); err != nil {
			break // the server closed it, which is its right
		}
	}
	conn.CloseWrite()
}

func streamEnd(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
		t.Fatalf("the stream ended with %v", err)
	}
}

// served holds that the server lives: no handler panicked, and another client
// is answered.
func served(t *testing.T, h *host, witness *textClient) {
	t.Helper()
	if n := h.log.panics(); n > 0 {
		t.Fatalf("%d panics: %q", n, h.log.errors())
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	done := make(chan error, 1)
	go func() { // ends with the answer, or with the server
		_, err := witness.Write(frame("req", "w", "nop"))
		for err == nil {
			var got []string
			if got, err = witness.readFrame(); len(got) == 2 && got[0] == "req" && got[1] == "w" {
				break
			}
		}
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Fatalf("the witness: %v", err)
		}
	case <-ctx.Done():
		t.Fatal("the witness is not answered")
	}
}
