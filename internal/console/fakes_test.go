package console

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-chat/parley/wire/linewire"
	"github.com/parley-chat/parley/wire/textwire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what has to come.
const patience = 10 * time.Second

// A fake is a server that lets a function serve each connection.
type fake struct {
	listener net.Listener
	mu       sync.Mutex
	conns    []net.Conn
	all      sync.WaitGroup
}

// listen starts a fake. The test's end stops it, its connections and their
// goroutines, and waits for them.
func listen(t *testing.T, serve func(net.Conn)) *fake {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{listener: l}
	f.all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			f.conns = append(f.conns, c)
			f.mu.Unlock()
			f.all.Go(func() {
				defer c.Close()
				serve(c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		f.cut()
		f.all.Wait()
	})
	return f
}

// cut ends all connections.
func (f *fake) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.conns {
		c.Close()
	}
}

func (f *fake) url(protocol string) string { return protocol + "://" + f.listener.Addr().String() }

// A lineFake behaves like our line door in line mode. Lines it got are in log.
type lineFake struct {
	mu    sync.Mutex
	names map[string]net.Conn
	rooms map[string][]string
	log   []string
}

func newLineFake() *lineFake {
	return &lineFake{names: map[string]net.Conn{}, rooms: map[string][]string{"lobby": nil, "games": nil}}
}

func (f *lineFake) lines() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.log)
}

func (f *lineFake) serve(c net.Conn) {
	lines := bufio.NewScanner(c)
	lines.Buffer(nil, 1<<20)
	if !lines.Scan() {
		return
	}
	name := lines.Text()
	f.mu.Lock()
	taken := f.names[name] != nil
	if !taken {
		f.names[name] = c
	}
	f.mu.Unlock()
	if taken || name == "proven" {
		io.WriteString(c, "NAMEERROR\n")
		return
	}
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.names, name)
	}()
	io.WriteString(c, "Welcome "+name+"\n")
	for lines.Scan() {
		f.mu.Lock()
		f.log = append(f.log, lines.Text())
		answer, more := f.answer(name, lines.Text())
		io.WriteString(c, answer)
		f.mu.Unlock()
		if !more {
			return
		}
	}
}

func (f *lineFake) answer(name, line string) (answer string, more bool) {
	parts := append(linewire.Parts(line), "")
	switch parts[0] {
	case "exit":
		return "", false
	case "kill":
		if name == "admin" {
			for _, c := range f.names {
				c.Close()
			}
			return "", false
		}
		return "Error: kill is not permitted\n", true
	case "die":
		return "", false
	case "join", "leave":
		var list []string
		for _, room := range parts[1 : len(parts)-1] {
			if _, ok := f.rooms[room]; ok {
				list = append(list, linewire.Status(room, "ok"))
			} else {
				list = append(list, linewire.Status(room, "no such room"))
			}
		}
		head := map[string]string{"join": "Joined ", "leave": "Left "}[parts[0]]
		return head + strings.Join(list, " ") + "\n", true
	case "rooms":
		if line == "rooms" {
			return "Rooms games lobby\n", true
		}
	case "send":
		names, text, _ := linewire.CutMarker(strings.TrimPrefix(line, "send"))
		return string(linewire.AppendSays(nil, name, names[0], text, 4096)), true
	case "tell":
		return "\x1b]0;title\x07\x1b[2J\u009b31m evil\tend\r\n", true
	}
	return "Verified\n", true
}

// pyServe behaves like the server of the seed: what one read returns is one
// message, and nothing it sends ends with LF.
func pyServe(f *lineFake) func(net.Conn) {
	return func(c net.Conn) {
		buf := make([]byte, 4096)
		recv := func() (string, bool) {
			n, err := c.Read(buf)
			if n > 0 {
				f.mu.Lock()
				f.log = append(f.log, string(buf[:n]))
				f.mu.Unlock()
			}
			return string(buf[:n]), err == nil
		}
		name, ok := recv()
		if !ok {
			return
		}
		if name == "taken" {
			io.WriteString(c, "NAMEERROR")
			return
		}
		io.WriteString(c, "Welcome, "+name+"!")
		for {
			message, ok := recv()
			if !ok || message == "exit" {
				return
			}
			list := "['" + strings.Join(linewire.Parts(message)[1:], "', '") + "']"
			switch linewire.Parts(message)[0] {
			case "join":
				io.WriteString(c, "Joined "+list)
			case "leave":
				io.WriteString(c, "Left "+list)
			case "rooms":
				io.WriteString(c, "['lobby', 'games']")
			default:
				io.WriteString(c, "Verified")
			}
		}
	}
}

// textServe is a server of the text protocol with a few commands. It calls got
// with the data of every frame.
func textServe(got func(string)) func(net.Conn) {
	return func(c net.Conn) {
		var kept []byte
		buf := make([]byte, 4096)
		user := ""
		for {
			data, size, err := textwire.Next(kept, 1000)
			switch {
			case err != nil:
				c.Write(textwire.AppendFrame(nil, "error", "fatal", "request_too_long", "a request has at most 1000 bytes"))
				return
			case size == 0:
				n, err := c.Read(buf)
				if err != nil {
					return
				}
				kept = append(kept, buf[:n]...)
				continue
			}
			if got != nil {
				got(string(data))
			}
			fields, err := textwire.Parse(data, 64)
			kept = kept[size:]
			if err != nil {
				c.Write(textwire.AppendFrame(nil, "error", "nonfatal", "syntax", err.Error()))
				continue
			}
			if !textCommand(c, fields, nil, &user) {
				return
			}
		}
	}
}

// textCommand answers one command, behind the fields that req puts first. Only to
// somebody with a name it knows return.
func textCommand(c net.Conn, fields, before []string, user *string) (more bool) {
	reply := func(fields ...string) { c.Write(textwire.AppendFrame(nil, append(before, fields...)...)) }
	push := func(fields ...string) { c.Write(textwire.AppendFrame(nil, fields...)) }
	switch fields[0] {
	case "req":
		if len(fields) == 1 {
			reply("error", "nonfatal", "syntax", "req wants an ID")
			return true
		}
		if len(fields) == 2 {
			before = append(before, fields[:2]...)
			reply("error", "nonfatal", "syntax")
			return true
		}
		return textCommand(c, fields[2:], append(before, fields[:2]...), user)
	case "whoami":
		if *user == "" {
			reply("error", "nonfatal", "not_logged_in", "log in, or be a guest")
			return true
		}
		reply("user", *user)
	case "guest":
		*user = fields[1]
		reply("ok")
	case "login":
		if fields[2] != "hunter2" {
			reply("error", "nonfatal", "wrong_user_or_password")
			return true
		}
		*user = fields[1]
		reply("ok")
	case "nop":
		reply()
	case "send":
		reply("ok")
	case "poke": // pushes around the answer
		push("room", "lobby", "bob", "1-1", "2026-01-02T03:04:05.678Z", "hi, there\n\x1b[2Jall")
		reply("ok")
		push("joined", "lobby", "carol")
	case "ring": // somebody asks
		push("call", "7", "light", "alice", "on", "a, b")
		reply("ok")
	case "hang":
	case "die":
		return false
	default:
		if fields[0] == returnWord && *user != "" {
			return true
		}
		reply("error", "nonfatal", "command_not_found", "no such command: "+fields[0])
	}
	return true
}

// piped runs the console as a pipe with an input, to its end.
func piped(t *testing.T, o Options, input string) (out, notices string, code int) {
	t.Helper()
	var outBuf, errBuf bytes.Buffer
	o.In, o.Out, o.Err = strings.NewReader(input), &outBuf, &errBuf
	if o.Timeout == 0 {
		o.Timeout = patience
	}
	code = Run(t.Context(), o)
	return outBuf.String(), errBuf.String(), code
}

// wantPiped checks how a pipe ended and what it printed.
func wantPiped(t *testing.T, o Options, input, wantOut, wantNotice string, wantCode int) {
	t.Helper()
	out, notices, code := piped(t, o, input)
	if out != wantOut || code != wantCode || !strings.Contains(notices, wantNotice) || wantNotice == "" && notices != "" {
		t.Errorf("the input %q gave\n%q\nnotices %q, exit code %d; want\n%q\nnotices with %q, exit code %d",
			input, out, notices, code, wantOut, wantNotice, wantCode)
	}
}

// inMemory gives a Dial that hands the other end of each connection to serve.
// The waiter waits for these goroutines.
func inMemory(serve func(net.Conn)) (dial dialFunc, all *sync.WaitGroup) {
	all = new(sync.WaitGroup)
	return func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		all.Go(func() {
			defer theirs.Close()
			serve(theirs)
		})
		return ours, nil
	}, all
}

func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// endless is an input that gives lines and then neither more nor an end.
func endless(t *testing.T, lines string) io.Reader {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	if _, err := fmt.Fprint(w, lines); err != nil {
		t.Fatal(err)
	}
	return r
}
