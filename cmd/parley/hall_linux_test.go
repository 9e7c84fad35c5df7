package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/parley-chat/parley/wire/textwire"
)

// hallWindow is how many texts of the speaker wait for an answer at most.
const hallWindow = 128

// A hall is the lobby of a server in a process of its own: a speaker, whose texts
// are numbered, and listeners, who want each of them, in order.
type hall struct {
	*testing.T
	server    *child
	listeners []*listener
	readers   sync.WaitGroup // they end with their connections

	speaker net.Conn
	due     []time.Time // when each text was to be said
	sizes   int         // bytes of the last one
	blocked time.Duration
	waiting chan struct{} // one for each text without an answer
	answers []time.Time   // the reader's, until there are as many as texts
	nAnswer atomic.Int64
}

// listener reads all that comes.
type listener struct {
	name    string
	conn    net.Conn
	heardAt []time.Time // each text; the reader's, until it has heard them
	n       atomic.Int64
	left    chan farewell // the watcher's: who leaves; it has room for all
}

type farewell struct {
	name string
	at   time.Time
}

// newHall starts a server, with so many listeners in its lobby.
func newHall(t *testing.T, listeners int) *hall {
	t.Helper()
	root, err := os.MkdirTemp(memoryDir(), "stall-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	h := &hall{T: t, server: serveChild(t, dataOf(root)), waiting: make(chan struct{}, hallWindow)}
	t.Cleanup(h.close)
	for i := range listeners {
		l := &listener{name: fmt.Sprintf("ear%d", i)}
		if i == 0 {
			l.left = make(chan farewell, 1<<14)
		}
		reader := h.enter(l.name, &l.conn)
		h.listeners = append(h.listeners, l)
		h.readers.Go(func() { h.listen(l, reader) })
	}
	reader := h.enter("speaker", &h.speaker)
	h.readers.Go(func() { h.hearAnswers(reader) })
	return h
}

// close hangs up, ends the server, and waits for both.
func (h *hall) close() {
	for _, l := range h.listeners {
		l.conn.Close()
	}
	if h.speaker != nil {
		h.speaker.Close()
	}
	h.readers.Wait()
	if code := h.server.stop(syscall.SIGTERM); code != 0 {
		h.Errorf("exit code %d, want 0", code)
	}
}

// enter connects to the text door and joins the lobby.
func (h *hall) enter(name string, conn *net.Conn) *bufio.Reader {
	h.Helper()
	c, err := dialText(h.server.text)
	if err != nil {
		h.Fatal(err)
	}
	*conn = c.conn
	c.must(h.T, "guest", name)
	c.must(h.T, "join", "lobby")
	c.conn.SetDeadline(time.Time{})
	return c.reader
}

// writeText makes the text with a number, of so many bytes.
func writeText(number, size int) string {
	text := fmt.Sprintf("%d ", number)
	return text + strings.Repeat("x", size-len(text))
}

func readText(text []byte) (number int, err error) {
	head, rest, _ := bytes.Cut(text, []byte(" "))
	if len(bytes.Trim(rest, "x")) > 0 {
		return 0, fmt.Errorf("the text was said otherwise")
	}
	return strconv.Atoi(string(head))
}

// frames hands every frame that comes to take, until the connection ends.
func (h *hall) frames(reader io.Reader, take func(data []byte)) {
	var header [textwire.HeaderSize]byte
	data := make([]byte, 1<<16)
	for {
		if _, err := io.ReadFull(reader, header[:]); err != nil {
			return
		}
		size := int(header[2])<<8 | int(header[3])
		if _, err := io.ReadFull(reader, data[:size]); err != nil {
			return
		}
		take(data[:size])
	}
}

func (h *hall) listen(l *listener, reader io.Reader) {
	h.frames(reader, func(data []byte) {
		switch {
		case bytes.HasPrefix(data, []byte("room,lobby,speaker,")):
			number, err := readText(data[bytes.LastIndexByte(data, ',')+1:])
			if want := len(l.heardAt); err != nil || number != want {
				h.Errorf("%s heard %.80q, want the text %d; %v", l.name, data, want, err)
				l.conn.Close() // or it would say so of each text
				return
			}
			l.heardAt = append(l.heardAt, time.Now())
			l.n.Add(1)
		case bytes.HasPrefix(data, []byte("left,lobby,")) && l.left != nil:
			name, _, _ := strings.Cut(string(data[len("left,lobby,"):]), ",")
			l.left <- farewell{name, time.Now()}
		case bytes.HasPrefix(data, []byte("error,")):
			h.Errorf("%s was sent %q", l.name, data)
		}
	})
}

// watcher is the listener who tells who has left.
func (h *hall) watcher() *listener { return h.listeners[0] }

func (h *hall) hearAnswers(reader io.Reader) {
	h.frames(reader, func(data []byte) {
		switch {
		case bytes.HasPrefix(data, []byte("ok,")):
			<-h.waiting
			h.answers = append(h.answers, time.Now())
			h.nAnswer.Add(1)
		case bytes.HasPrefix(data, []byte("error,")):
			h.Errorf("the speaker was answered %q", data)
		}
	})
}

// said is how many texts there are so far.
func (h *hall) said() int { return len(h.due) }

// say says the next text, once fewer than hallWindow wait for an answer.
func (h *hall) say(size int, due time.Time) {
	h.Helper()
	begun := time.Now()
	select {
	case h.waiting <- struct{}{}:
	case <-time.After(swarmPatience):
		h.Fatalf("%d texts of the speaker have had no answer for %v", hallWindow, swarmPatience)
	}
	h.speaker.SetWriteDeadline(begun.Add(2 * swarmPatience))
	if _, err := h.speaker.Write(textwire.AppendFrame(nil, "say", "lobby", writeText(h.said(), size))); err != nil {
		h.Fatalf("the speaker is not heard any more: %v", err)
	}
	h.blocked = max(h.blocked, time.Since(begun))
	h.due, h.sizes = append(h.due, due), size
}

// speak says a hundred texts a second, until the function tells to stop.
func (h *hall) speak(size int, stop func() bool) {
	h.Helper()
	const pause = 10 * time.Millisecond
	h.blocked = 0
	due := time.Now()
	for tick := time.Tick(pause); !stop(); <-tick {
		for ; !due.After(time.Now()); due = due.Add(pause) { // what the ticker left out, too
			h.say(size, due)
		}
	}
	h.heard()
}

// heard waits until every listener has heard everything, and the speaker was
// answered.
func (h *hall) heard() {
	h.Helper()
	within(h.T, swarmPatience, "every listener has heard every text", func() bool {
		behind := func(l *listener) bool { return int(l.n.Load()) < h.said() }
		return h.Failed() || int(h.nAnswer.Load()) == h.said() && !slices.ContainsFunc(h.listeners, behind)
	})
	if h.Failed() {
		h.FailNow()
	}
}

// slowest gives the time within which 99 of a hundred deliveries came, of the
// texts from one number up to another, and how many they were.
func (h *hall) slowest(from, to int) (time.Duration, int) {
	var all []time.Duration
	for i := from; i < to; i++ {
		for _, l := range h.listeners {
			all = append(all, l.heardAt[i].Sub(h.due[i]))
		}
	}
	if slices.Sort(all); len(all) == 0 {
		return 0, 0
	}
	return all[(len(all)-1)*99/100], len(all)
}

// slowestAnswer gives the longest that the speaker waited for an answer to a
// text from a number on.
func (h *hall) slowestAnswer(from int) (longest time.Duration) {
	for i, at := range h.answers[from:] {
		longest = max(longest, at.Sub(h.due[from+i]))
	}
	return longest
}

// asBefore wants the server to have no more descriptors than before.
func (h *hall) asBefore(before figures) {
	h.Helper()
	within(h.T, swarmPatience, "the server has no more descriptors than before", func() bool {
		return h.server.figures().descriptors <= before.descriptors+2
	})
}

// forgetMost lets the system begin anew with the most memory of the server.
func (c *child) forgetMost() {
	c.t.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", c.cmd.Process.Pid), []byte("5"), 0); err != nil {
		c.t.Fatal(err)
	}
}

// fitting makes a number of connections as small as the descriptors of a process
// want it.
func fitting(t *testing.T, n int) int {
	t.Helper()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if most := int(min(limit.Cur, 1<<20)) - 300; n > most {
		t.Logf("only %d connections, for lack of descriptors", most)
		return most
	}
	return n
}
