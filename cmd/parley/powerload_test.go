package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/powerloss"
)

// tracedChild is a parley server that strace records.
type tracedChild struct {
	*child
	server *os.Process   // strace ends with it, and as it does
	errs   *bytes.Buffer // what it said on standard error; for when it has ended
}

// traceChild starts a server on a data directory under strace, with arguments
// of strace's own, and waits until it is ready. Without a server, that ended
// before it was ready.
func traceChild(t *testing.T, trace string, strace []string, data string, more ...string) *tracedChild {
	t.Helper()
	args := append([]string{"serve", "--data", data, "--text", "127.0.0.1:0", "--line", "127.0.0.1:0"}, more...)
	// The shell tells the process whose place the server takes.
	words := powerloss.Strace(trace, strace, "sh", "-c", `echo pid $$; exec "$0"`, os.Args[0])
	c := &child{t: t, cmd: exec.Command(words[0], words[1:]...)}
	c.cmd.Env = append(os.Environ(), childArgs+"="+strings.Join(args, "\n"))
	errs := &bytes.Buffer{}
	c.cmd.Stderr = io.MultiWriter(t.Output(), errs)
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	traced := &tracedChild{child: c, errs: errs}
	t.Cleanup(func() {
		if traced.server != nil && c.cmd.ProcessState == nil {
			traced.server.Kill()
			c.cmd.Wait()
		}
	})
	c.lines = bufio.NewScanner(out)
	for c.lines.Scan() {
		name, value, _ := strings.Cut(c.lines.Text(), " ")
		switch name {
		case "pid":
			pid, err := strconv.Atoi(value)
			if err != nil {
				t.Fatal(err)
			}
			if traced.server, err = os.FindProcess(pid); err != nil {
				t.Fatal(err)
			}
		case "text":
			c.text = value
		case "line":
			c.line = value
		case "ready":
			return traced
		}
	}
	return traced
}

// stop sends the server a signal and waits for its end; it gives the exit code.
func (c *tracedChild) stop(sig os.Signal) int {
	c.server.Signal(sig)
	return c.wait()
}

// A promise is something that the server answered for: it must be kept from
// the moment on at which the answer left.
type promise struct {
	Life   int      // of which server, from 0
	Peer   string   // the client's address
	Answer int      // the number of the answer on the text door, from 0
	Said   string   // on the line door: what the answer says
	Words  []string // the request, and what the answer tells

	moment int
}

// promises are kept by many clients at once.
type promises struct {
	life int // of the server that runs
	mu   sync.Mutex
	all  []promise
}

func (p *promises) add(one promise) {
	p.mu.Lock()
	defer p.mu.Unlock()
	one.Life = p.life
	p.all = append(p.all, one)
}

// powerClient speaks to the text door, and keeps what it was promised.
type powerClient struct {
	*textClient
	t        *testing.T
	promises *promises
	answers  int
}

func dialPower(t *testing.T, address string, p *promises) *powerClient {
	c, err := dialText(address)
	if err != nil {
		t.Error(err)
		return nil
	}
	return &powerClient{textClient: c, t: t, promises: p}
}

// ask sends a request that must succeed and whose answer is a promise.
func (c *powerClient) ask(fields ...string) bool {
	got, err := c.do(fields...)
	if err != nil || got[0] != "ok" {
		c.t.Errorf("%q was answered %q, %v", fields, got, err)
		return false
	}
	if fields[0] != "login" {
		c.promises.add(promise{Peer: c.conn.LocalAddr().String(), Answer: c.answers, Words: append(fields, got[1:]...)})
	}
	c.answers++
	return true
}

// powerLoad has clients on both doors post, register and make rooms, until enough.
func powerLoad(t *testing.T, server *child, life string, p *promises, enough func() bool) {
	friend := "friend" + life // who is never there, so that nothing is pushed
	if c := dialPower(t, server.text, p); c != nil {
		c.ask("register", friend, "secret")
		c.conn.Close()
	}
	var all sync.WaitGroup
	for i := range 2 {
		all.Go(func() { powerWriter(t, server.text, fmt.Sprintf("w%s%d", life, i), friend, p, enough) })
	}
	for i := range 2 {
		all.Go(func() { powerShouter(t, server.line, fmt.Sprintf("s%s%d", life, i), p, enough) })
	}
	all.Wait()
}

func powerWriter(t *testing.T, address, name, friend string, p *promises, enough func() bool) {
	c := dialPower(t, address, p)
	if c == nil {
		return
	}
	defer c.conn.Close()
	ok := c.ask("register", name, "secret") && c.ask("login", name, "secret")
	for n := 0; ok && !enough(); n++ {
		id := fmt.Sprintf("%s-%d", name, n)
		switch n % 10 {
		case 3:
			room := fmt.Sprintf("%s-%d", name, n)
			ok = c.ask("new", room) && c.ask("join", room) && c.ask("topic", room, "all about "+room)
		case 6:
			ok = c.ask("post", "@"+friend, id, "psst "+id)
		case 8:
			ok = c.ask("say", "lobby", strings.Repeat(id+" ", 50))
		default:
			ok = c.ask("post", "lobby", id, "hello "+id)
		}
	}
}

// powerShouter speaks on the line door, where the own copy is the promise.
func powerShouter(t *testing.T, address, name string, p *promises, enough func() bool) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	lines := bufio.NewScanner(conn)
	send := func(line string) bool {
		if _, err := conn.Write([]byte(line + "\n")); err != nil || !lines.Scan() {
			t.Errorf("%q on the line door: %v, %v", line, err, lines.Err())
			return false
		}
		return true
	}
	ok := send(name)
	for n := 0; ok && !enough(); n++ {
		text := fmt.Sprintf("shout %s-%d.", name, n)
		if ok = send("send lobby - " + text); ok {
			want := name + " says in room lobby " + text
			if lines.Text() != want {
				t.Errorf("the line door answered %q, want %q", lines.Text(), want)
				return
			}
			p.add(promise{Peer: conn.LocalAddr().String(), Said: want + "\n", Words: []string{"shout", text}})
		}
	}
}

// dataOf is where the server's data is in the recorded directory: not at its
// top, so that the directories that the server makes are recorded as well.
func dataOf(root string) string { return filepath.Join(root, "var", "parley") }

// lives is how many servers are recorded one after the other: all but the last
// one are killed.
const lives = 2

// recordPower has servers work in a directory, and keeps in another one what
// strace says of it and what the servers promised.
func recordPower(t *testing.T, dir string, checkpoints int, flags ...string) {
	t.Helper()
	root := filepath.Join(dir, "root")
	if err := os.Mkdir(root, 0o700); err != nil {
		t.Fatal(err)
	}
	p := &promises{}
	for life := range lives {
		p.life = life
		server := traceChild(t, filepath.Join(dir, fmt.Sprintf("%d.strace", life)), nil, dataOf(root), flags...)
		if server.text == "" {
			t.Fatal("the server did not start")
		}
		powerLoad(t, server.child, fmt.Sprint(life), p, copiedOften(filepath.Join(dataOf(root), "parley.db"), checkpoints))
		if life < lives-1 {
			server.stop(syscall.SIGKILL)
		} else if code := server.stop(syscall.SIGTERM); code != 0 {
			t.Errorf("exit code %d after SIGTERM, want 0", code)
		}
		empty, err := powerloss.New(root, "-shm")
		if err != nil {
			t.Fatal(err)
		}
		found, err := empty.ReadDisk()
		if err == nil {
			err = found.Write(filepath.Join(dir, fmt.Sprintf("%d.disk", life)))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	kept, err := json.Marshal(p.all)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "promises.json"), kept, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// copiedOften tells when the log has been copied into the database so often
// since the first call, and enough was said meanwhile.
func copiedOften(db string, checkpoints int) func() bool {
	// Requests: in all, and since the last checkpoint, so that the log is begun
	// anew.
	const least, more = 150, 50
	var asked, since, copied atomic.Int64
	var last atomic.Pointer[time.Time]
	deadline := time.Now().Add(40 * time.Second) // of a client's minute
	return func() bool {
		info, err := os.Stat(db)
		if err != nil {
			return true
		}
		// A checkpoint writes in several moments: those less than a second
		// apart count once.
		if now := info.ModTime(); last.Load() == nil {
			last.Store(&now)
		} else if now.Sub(*last.Load()) > time.Second {
			last.Store(&now)
			copied.Add(1)
			since.Store(0)
		}
		return asked.Add(1) > least && since.Add(1) > more && copied.Load() >= int64(checkpoints) || time.Now().After(deadline)
	}
}
