package client_test

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/client"
	"github.com/parley-chat/parley/internal/memnet"
	"github.com/parley-chat/parley/wire/textwire"
)

// puppet is a server that does what the test says.
type puppet struct {
	net.Listener
	t testing.TB
}

// newPuppet listens. For each connection it reads the login of a guest, says what it is
// told, and leaves the rest to serve.
func newPuppet(t *testing.T, serve func(n int, c net.Conn)) *puppet {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serve(n, c)
			c.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-ended
	})
	return &puppet{l, t}
}

func (p *puppet) url() string { return "text://" + p.Addr().String() }

// read reads one request.
func read(c net.Conn) []string {
	header := make([]byte, textwire.HeaderSize)
	if _, err := io.ReadFull(c, header); err != nil {
		return nil
	}
	data := make([]byte, int(header[2])<<8|int(header[3]))
	if _, err := io.ReadFull(c, data); err != nil {
		return nil
	}
	fields, _ := textwire.Parse(data, 100)
	return fields
}

// let answers one request as it wants to be.
func let(c net.Conn, values ...string) {
	if r := read(c); len(r) > 1 {
		write(c, append([]string{"req", r[1]}, values...)...)
	}
}

func write(c net.Conn, fields ...string) { c.Write(textwire.AppendFrame(nil, fields...)) }

// What is not the text protocol ends the connection, with a word about it.
func TestServerSpeaksSomethingElse(t *testing.T) {
	for _, tt := range []struct{ name, says, want string }{
		{"another protocol", "HTTP/1.1 400 Bad Request\r\n\r\n", "not the text protocol"},
		{"no null byte", "\x00\x00\x00\x01xx", "not the text protocol"},
		{"not UTF-8", "\x00\x00\x00\x01\x00\xff", "not the text protocol"},
		{"a frame of a gigabyte", "\x40\x00\x00\x00\x00", "not the text protocol"},
		{"half a frame", "\x00\x00\x00\x09\x00req", "EOF"},
		{"nothing", "", "EOF"},
		{"a refusal of nothing", "\x00\x00\x00\x17\x00error,nonfatal,syntax,x", "syntax: x"},
		{"an error without a type", "\x00\x00\x00\x05\x00error", "unhandled"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPuppet(t, func(_ int, c net.Conn) {
				read(c)
				io.WriteString(c, tt.says)
			})
			c, err := client.Dial(within(t), p.url(), client.Guest("robot"))
			if err == nil {
				c.Close()
				t.Fatal("Dial has no error")
			}
			var ended *client.ConnError
			if !errors.As(err, &ended) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Dial: %v, want a ConnError with %q", err, tt.want)
			}
		})
	}
}

// Pushes that are unknown or not whole, and answers to nothing, change nothing.
func TestServerSaysTooMuch(t *testing.T) {
	p := newPuppet(t, func(_ int, c net.Conn) {
		let(c, "ok")
		for _, fields := range [][]string{
			{"unheard", "of"},
			{""},
			{"room"},
			{"room", "lobby", "alice", "no id", "no time", "text", "more"},
			{"call"},
			{"call", "1", "x"},
			{"told", "a"},
			{"joined", "lobby"},
			{"req"},
			{"req", "99999", "ok"},
			{"req", "no number", "ok"},
			{"req", "-1", "ok"},
			{"return", "1"},
			{"ok"},
			{"room", "lobby", "alice", "no id", "no time", "text"},
		} {
			write(c, fields...)
		}
		let(c, "user", "robot")
		read(c) // until the client goes
	})
	c, err := client.Dial(within(t), p.url(), client.Guest("robot"))
	must(t, err)
	robot := &program{c, t}
	defer c.Close()
	if who := got(c.Whoami(within(t)))(t); who.String() != "robot" {
		t.Errorf("Whoami: %v", who)
	}
	if e := robot.next().(parley.Said); e.Text != "text" || e.ID() != "" || !e.Time.IsZero() {
		t.Errorf("told %v", e)
	}
}

// Answers that are none of the command's are errors, and no panic.
func TestServerAnswersSomethingElse(t *testing.T) {
	p := newPuppet(t, func(_ int, c net.Conn) {
		let(c, "ok")
		for {
			r := read(c)
			if r == nil {
				return
			}
			write(c, append([]string{"req", r[1]}, r[3:]...)...) // the arguments, as values
		}
	})
	c, err := client.Dial(within(t), p.url(), client.Guest("robot"))
	must(t, err)
	defer c.Close()
	ctx := within(t)
	for name, f := range map[string]func() error{
		"Whoami":  func() error { _, err := c.Whoami(ctx); return err },
		"Users":   func() error { _, err := c.Users(ctx); return err },
		"Members": func() error { _, err := c.Members(ctx, "x"); return err },
		"Topic":   func() error { _, err := c.Topic(ctx, "x"); return err },
		"Say":     func() error { _, err := c.Say(ctx, "x", "x"); return err },
		"History": func() error { _, err := c.HistoryAfter(ctx, "x", "", 0); return err },
		"Modules": func() error { _, err := c.Modules(ctx); return err },
		"Help":    func() error { _, err := c.Help(ctx, ""); return err },
	} {
		if err := f(); err == nil && name != "Members" {
			t.Errorf("%s has no error", name)
		}
	}
}

// A server whose pages never end does not keep the client for ever.
func TestServerListsForEver(t *testing.T) {
	p := newPuppet(t, func(_ int, c net.Conn) {
		let(c, "ok")
		for {
			r := read(c)
			if r == nil {
				return
			}
			answer := []string{"req", r[1], "ok"}
			switch r[2] {
			case "users":
				answer = []string{"req", r[1], "users", "alice", "bob"}
			case "history":
				answer = []string{"req", r[1], "history", "1-0000000000001", "2026-11-20T20:31:37.581Z", "bob", "again"}
			}
			write(c, answer...)
		}
	})
	c, err := client.Dial(within(t), p.url(), client.Guest("robot"), client.NoReconnect())
	must(t, err)
	robot := &program{c, t}
	defer c.Close()
	ctx := within(t)
	if _, err := c.Users(ctx); err == nil {
		t.Error("Users has no error")
	}
	n := 0
	for _, err = range c.History(ctx, "lobby", "") {
		n++
	}
	if n != 2 || err == nil {
		t.Errorf("History gave %d messages, and the error %v", n, err)
	}
	must(t, c.Follow(ctx, "lobby", ""))
	if lost := await[client.Lost](robot); !strings.Contains(lost.Err.Error(), "again and again") {
		t.Errorf("Lost because of %v", lost.Err)
	}
}

// A server that says nothing any more is given up, and asked again on a new connection.
func TestSilentServer(t *testing.T) {
	p := newPuppet(t, func(n int, c net.Conn) {
		let(c, "ok")
		for n > 0 && read(c) != nil {
			// Only the first connection is answered later than never.
			write(c, "joined", "lobby", "alice")
		}
		io.Copy(io.Discard, c)
	})
	c, err := client.Dial(within(t), p.url(), client.Guest("robot"), client.Silence(20*time.Millisecond), client.Quick())
	must(t, err)
	robot := &program{c, t}
	defer c.Close()
	if lost := await[client.Lost](robot); !strings.Contains(lost.Err.Error(), "does not answer") {
		t.Errorf("Lost because of %v", lost.Err)
	}
	await[client.Back](robot)
	await[parley.Joined](robot) // it is asked whether it is there
}

// A connection through which nothing can be written ends like any other.
func TestPipeThatBreaks(t *testing.T) {
	ours, theirs := memnet.Pipe(64)
	c := client.Over(t, ours)
	defer c.Close()
	done := make(chan error)
	go func() { done <- c.Nop(within(t)) }()
	read(theirs)
	theirs.Reset()
	var ended *client.ConnError
	if err := <-done; !errors.As(err, &ended) {
		t.Errorf("Nop: %v, want a ConnError", err)
	}
	<-c.Done()
}
