package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/wire/textwire"
)

// A swarm is many members of the lobby on bare sockets, which cost this process
// next to nothing while nobody reads from them.
type swarm struct {
	t       *testing.T
	members []*stalled
}

// stalled is a member that reads nothing, until it is asked to account for what
// it was sent.
type stalled struct {
	name string
	fd   int
	text bool   // on the text door
	in   []byte // read and not used yet

	// What account finds.
	heard int  // texts, whole and one after the other
	told  bool // why it was cut
	lost  bool // the system has given up what was not read yet
}

// For how long the members wait for what must come, and the bytes that their
// side of a connection holds (the system takes twice as many).
const (
	swarmPatience = 3 * time.Minute
	swarmBuffer   = 8 << 10
)

// newSwarm lets so many stalled members join the lobby. Every tenth is on the
// text door; they come last, for they are told of each that comes after them.
func newSwarm(t *testing.T, server *child, n int) *swarm {
	t.Helper()
	const together = 64 // are on their way in
	s := &swarm{t: t}
	t.Cleanup(s.close)
	for i := range n {
		m := &stalled{name: fmt.Sprintf("still%d", i), text: i >= n-n/10}
		address, hello := server.line, []byte(m.name+"\njoin lobby\n")
		if m.text {
			address = server.text
			hello = append(textwire.AppendFrame(nil, "guest", m.name), textwire.AppendFrame(nil, "join", "lobby")...)
		}
		if err := m.dial(address); err != nil {
			t.Fatalf("member %d of %d: %v", i, n, err)
		}
		s.members = append(s.members, m)
		if _, err := unix.Write(m.fd, hello); err != nil {
			t.Fatalf("%s: %v", m.name, err)
		}
		if i >= together {
			s.members[i-together].enter(t)
		}
	}
	for _, m := range s.members[max(0, n-together):] {
		m.enter(t)
	}
	return s
}

// close hangs up by a reset, so that no port is kept for a while.
func (s *swarm) close() {
	for _, m := range s.members {
		if m.fd >= 0 {
			_ = unix.SetsockoptLinger(m.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
			unix.Close(m.fd)
			m.fd = -1
		}
	}
}

func (m *stalled) dial(address string) (err error) {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if m.fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return err
	}
	return errors.Join(
		unix.SetsockoptInt(m.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, swarmBuffer),
		unix.SetsockoptTimeval(m.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: int64(swarmPatience / time.Second)}),
		unix.Connect(m.fd, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}),
	)
}

// more reads once. At the end of the stream the error is io.EOF.
func (m *stalled) more(flags int) error {
	var buf [16 << 10]byte
	n, _, err := unix.Recvfrom(m.fd, buf[:], flags)
	switch {
	case errors.Is(err, unix.EINTR):
		return nil
	case err != nil:
		return err
	case n == 0:
		return io.EOF
	}
	m.in = append(m.in, buf[:n]...)
	return nil
}

// enter waits until the member is in the lobby. What it is told of others is
// left out.
func (m *stalled) enter(t *testing.T) {
	t.Helper()
	answers := 0
	for answers < 2 {
		for message := m.next(); message != nil && answers < 2; message = m.next() {
			switch {
			case bytes.HasPrefix(message, []byte("joined,")):
			case m.text && string(message) == "ok", !m.text && bytes.HasPrefix(message, []byte("Welcome")), !m.text && string(message) == "Joined lobby (ok)":
				answers++
			default:
				t.Fatalf("%s was answered %q", m.name, message)
			}
		}
		if answers == 2 {
			return
		}
		if err := m.more(0); err != nil {
			t.Fatalf("%s did not come in: %v", m.name, err)
		}
	}
}

// next takes a whole message of what was read; nil: there is none.
func (m *stalled) next() []byte {
	if !m.text {
		line, rest, whole := bytes.Cut(m.in, []byte("\n"))
		if !whole {
			return nil
		}
		m.in = rest
		return line
	}
	data, size, err := textwire.Next(m.in, 1<<16)
	if err != nil || size == 0 {
		return nil // the end shows that something is left
	}
	m.in = m.in[size:]
	return data
}

// account lets every member read to its end. That holds the texts from the
// number first on, none left out, then perhaps the reason, and nothing behind it.
func (s *swarm) account(first int) {
	s.t.Helper()
	rest := slices.Clone(s.members)
	within(s.t, swarmPatience, "every member has read to its end", func() bool {
		rest = slices.DeleteFunc(rest, func(m *stalled) bool {
			over, err := m.account(first)
			if err != nil {
				s.t.Error(err)
			}
			return over || err != nil
		})
		return len(rest) == 0
	})
}

// account reads what is there, and tells whether the end was.
func (m *stalled) account(first int) (over bool, err error) {
	for err == nil {
		for message := m.next(); message != nil; message = m.next() {
			if err := m.take(message, first); err != nil {
				return true, err
			}
		}
		err = m.more(unix.MSG_DONTWAIT)
	}
	switch {
	case errors.Is(err, unix.EAGAIN):
		return false, nil
	case errors.Is(err, unix.ECONNRESET):
		m.lost = true
	case !errors.Is(err, io.EOF):
		return true, fmt.Errorf("%s heard %d texts, then %w", m.name, m.heard, err)
	}
	if m.told && len(m.in) > 0 {
		return true, fmt.Errorf("%s was sent %.80q behind the reason why it was cut", m.name, m.in)
	}
	return true, nil
}

func (m *stalled) take(message []byte, first int) error {
	if m.told {
		return fmt.Errorf("%s was sent %.80q behind the reason why it was cut", m.name, message)
	}
	head, reason := "speaker says in room lobby ", "Error: "+parley.ErrSlowConsumer.Message
	if m.text {
		head, reason = "room,lobby,speaker,", "error,fatal,slow_consumer,"
	}
	switch rest, isText := bytes.CutPrefix(message, []byte(head)); {
	case isText:
		if m.text {
			rest = rest[bytes.LastIndexByte(rest, ',')+1:] // behind id and time
		}
		number, err := readText(rest)
		if err != nil || number != first+m.heard {
			return fmt.Errorf("%s was sent %.80q, want the text %d", m.name, message, first+m.heard)
		}
		m.heard++
	case strings.HasPrefix(string(message), reason):
		m.told = true
	case m.heard == 0 && bytes.HasPrefix(message, []byte("joined,")): // before it stalled
	default:
		return fmt.Errorf("%s was sent %.80q, want a text", m.name, message)
	}
	return nil
}
