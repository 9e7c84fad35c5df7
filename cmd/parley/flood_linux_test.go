package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// An attempt is one way to come to a door and not to come in.
type attempt struct {
	name  string
	sent  string
	reset bool   // at once
	last  string // what the server says in the end, or the beginning of it
	fast  bool   // the server ends it at once
}

// The attempts of each door, in turn. Half of them are silent.
var (
	silent   = attempt{name: "silent"}
	reset    = attempt{name: "reset at once", reset: true}
	attempts = map[string][]attempt{
		"text": {
			silentText, silentText, silentText, silentText,
			{name: "half a header", sent: "\x00\x00", last: lateFrame},
			{name: "half a frame", sent: "\x00\x01\x00\x00\x00say,lobby,half a fra", last: lateFrame},
			{name: "a length of 4 GiB", sent: "\xff\xff\xff\xff", last: "error,fatal,request_too_long,", fast: true},
			reset,
		},
		"line": {
			silent, silent, silent, silent,
			{name: "half a character", sent: "\xc3", last: "NAMEERROR", fast: true},
			{name: "half a line", sent: string(bytes.Repeat([]byte("x"), 600)), last: "NAMEERROR", fast: true},
			{name: "no UTF-8", sent: "\xff\xff\xff\xff", last: "NAMEERROR", fast: true},
			reset,
		},
	}
)

var silentText = attempt{name: "silent", last: lateSession}

// What the text door says in the end.
const (
	lateFrame   = "error,fatal,timeout,the request was not complete"
	lateSession = "error,fatal,timeout,nothing was said"
)

// held is an attempt that goes on.
type held struct {
	net.Conn
	door string
	attempt
}

// flood is attempts at full speed on both doors of a server. It runs in a
// process of its own, on one processor: what it takes is the server's, and not
// that of those who measure.
type flood struct {
	t     *testing.T
	doors map[string]string // addresses
	held  chan held         // the latest attempts: as many as may be open
	next  atomic.Int64
}

const dialers = 32

// floodArgs in the environment makes TestConnectionFlood the flood: how many
// connections may be open, and the doors.
const floodArgs = "PARLEY_TEST_FLOOD"

// runFlood does what it is told on its input, line by line, and says "done"
// and a duration each time.
func runFlood(t *testing.T, args string) {
	var open int
	var text, line string
	if _, err := fmt.Sscan(args, &open, &text, &line); err != nil {
		t.Fatal(err)
	}
	f := &flood{t: t, doors: map[string]string{"text": text, "line": line}, held: make(chan held, open)}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		begun := time.Now()
		word, number, _ := strings.Cut(in.Text(), " ")
		switch word {
		case "rush":
			n, _ := strconv.Atoi(number)
			f.rush(n)
		case "leave":
			f.leave(func(h held) bool { return h.fast })
		case "ended":
			f.leave(func(held) bool { return true })
		}
		fmt.Println("done", time.Since(begun))
	}
}

// rush makes so many attempts.
func (f *flood) rush(n int) {
	most := f.next.Load() + int64(n)
	var all sync.WaitGroup
	for range dialers {
		all.Go(func() {
			for i := f.next.Add(1); i <= most; i = f.next.Add(1) {
				if err := f.try(int(i)); err != nil {
					f.t.Errorf("attempt %d: %v", i, err)
					return
				}
			}
		})
	}
	all.Wait()
	f.next.Store(most)
}

// try makes one attempt: one door and the other in turn, eight from the same
// address and eight from anywhere.
func (f *flood) try(i int) error {
	door := []string{"text", "line"}[i%2]
	how := attempts[door][i/2%len(attempts[door])]
	dialer := net.Dialer{Timeout: 30 * time.Second}
	if i/16%2 == 1 {
		dialer.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, byte(1+rand.IntN(10)), byte(rand.IntN(10)), byte(1+rand.IntN(10)))}
		dialer.Control = portLater
	}
	conn, err := dialer.DialContext(context.Background(), "tcp", f.doors[door])
	if err != nil {
		return err
	}
	if how.reset {
		return errors.Join(conn.(*net.TCPConn).SetLinger(0), conn.Close())
	}
	if _, err := io.WriteString(conn, how.sent); err != nil {
		return errors.Join(err, conn.Close())
	}
	f.hold(held{conn, door, how}, i)
	return nil
}

// portLater lets the system choose the port of a source when it knows the other
// end: else it must be free for all of them.
func portLater(_, _ string, raw syscall.RawConn) error {
	var err error
	return errors.Join(raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	}), err)
}

// hold keeps an attempt, and ends the oldest one when there are too many.
func (f *flood) hold(h held, i int) {
	for {
		select {
		case f.held <- h:
			return
		default:
		}
		select {
		case oldest := <-f.held:
			if i%2 == 0 {
				oldest.Conn.(*net.TCPConn).SetLinger(0)
			}
			oldest.Close()
		default:
		}
	}
}

// leave ends the attempts that are held. The server must have ended some already.
func (f *flood) leave(isEnded func(held) bool) {
	for {
		select {
		case h := <-f.held:
			if isEnded(h) {
				wantEnd(f.t, h)
			}
			h.Close()
		default:
			return
		}
	}
}

// wantEnd wants that the server has ended an attempt, with the right words.
func wantEnd(t *testing.T, h held) {
	t.Helper()
	h.SetReadDeadline(time.Now().Add(10 * time.Second))
	said, err := io.ReadAll(h)
	if h.door == "text" && len(said) > 5 {
		said = said[5:]
	}
	if err != nil || !bytes.HasPrefix(said, []byte(h.last)) || h.last == "" && len(said) > 0 {
		t.Errorf("%s on the %s door: the server said %q, %v; want %q and the end", h.name, h.door, said, err, h.last)
	}
}

// flooder is the process of a flood.
type flooder struct {
	t       *testing.T
	server  *child
	before  figures // of the server
	open    int     // how many attempts it holds at the most
	cmd     *exec.Cmd
	in      io.WriteCloser
	replies *bufio.Scanner
}

func startFlood(t *testing.T, server *child, open int) *flooder {
	t.Helper()
	f := &flooder{t: t, server: server, before: server.figures(), open: open, cmd: exec.Command(os.Args[0], "-test.run", "^TestConnectionFlood$")}
	f.cmd.Env = append(os.Environ(), "GOMAXPROCS=1", fmt.Sprintf("%s=%d %s %s", floodArgs, open, server.text, server.line))
	f.cmd.Stderr = t.Output()
	out, err := f.cmd.StdoutPipe()
	if err == nil {
		f.in, err = f.cmd.StdinPipe()
	}
	if err == nil {
		err = f.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.cmd.Process.Kill() })
	f.replies = bufio.NewScanner(out)
	return f
}

// do tells the flood something, and gives the time that it took.
func (f *flooder) do(what string) time.Duration {
	f.t.Helper()
	if _, err := io.WriteString(f.in, what+"\n"); err != nil {
		f.t.Fatal(err)
	}
	for f.replies.Scan() {
		if took, ok := strings.CutPrefix(f.replies.Text(), "done "); ok {
			d, _ := time.ParseDuration(took)
			return d
		}
	}
	f.t.Fatal("the flood has ended by itself")
	return 0
}

// end lets the flood tell what went wrong with it.
func (f *flooder) end() {
	f.t.Helper()
	f.in.Close()
	for f.replies.Scan() {
		if said := f.replies.Text(); said != "PASS" {
			f.t.Log(said)
		}
	}
	if err := f.cmd.Wait(); err != nil {
		f.t.Errorf("the flood: %v", err)
	}
}
