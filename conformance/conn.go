package conformance

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/wire/linewire"
	"github.com/parley-chat/parley/wire/textwire"
)

// maxUnread is how much may arrive that the story has not asked for.
const maxUnread = 16 << 20

var errBabble = fmt.Errorf("the server sent more than %d bytes that the story did not ask for", maxUnread)

// A conn is the connection of one actor. A goroutine reads all that arrives, so
// that no server waits for the story; it ends when the connection is closed.
type conn struct {
	// Fixed.
	net   net.Conn
	door  string
	chunk bool          // what is sent gets no LF
	bare  bool          // and neither has what arrives, perhaps
	wake  chan struct{} // holds one token when something arrived since the last look
	gone  chan struct{} // closed when the reader has ended

	// The player's.
	held  []byte // goes out with the next write
	lined bool   // what gather gave ended with LF

	// Shared.
	mu      sync.Mutex
	arrived []byte // and not taken yet
	reads   []int  // where in arrived a read ended; of a bare connection
	end     error  // why no more arrives
}

func newConn(c net.Conn, door string, chunk, bare bool) *conn {
	own := &conn{net: c, door: door, chunk: chunk, bare: bare, wake: make(chan struct{}, 1), gone: make(chan struct{})}
	go own.read()
	return own
}

func (c *conn) read() {
	defer close(c.gone)
	buf := make([]byte, 32<<10)
	for {
		n, err := c.net.Read(buf)
		c.mu.Lock()
		c.arrived = append(c.arrived, buf[:n]...)
		if c.bare && n > 0 {
			c.reads = append(c.reads, len(c.arrived))
		}
		if err == nil && len(c.arrived) > maxUnread {
			err = errBabble
		}
		c.end = err
		c.mu.Unlock()
		select {
		case c.wake <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// A cutter finds one message at the front of what arrived. Used 0 and no error
// mean that it is not complete yet; ended says that no more will come.
type cutter func(b []byte, ended bool) (msg []byte, used int, err error)

// take waits for what cut finds, and removes it from what arrived.
func (c *conn) take(ctx context.Context, cut cutter) (string, error) {
	for {
		msg, ok, err := c.tryTake(cut)
		if ok || err != nil {
			return msg, err
		}
		select {
		case <-c.wake:
		case <-ctx.Done():
			return "", c.silence(ctx)
		}
	}
}

func (c *conn) tryTake(cut cutter) (string, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	msg, used, err := cut(c.arrived, c.end != nil)
	if err != nil {
		return "", false, err
	}
	if used > 0 {
		text := string(msg)
		c.arrived = c.arrived[used:]
		return text, true, nil
	}
	if c.end != nil {
		return "", false, endOf(c.end, c.arrived)
	}
	return "", false, nil
}

// endOf says how a connection ended before the message that was waited for.
func endOf(end error, rest []byte) error {
	how := "the connection broke: " + end.Error()
	switch {
	case errors.Is(end, errBabble):
		how = end.Error()
	case errors.Is(end, io.EOF), errors.Is(end, io.ErrClosedPipe):
		how = "the server closed the connection"
	case errors.Is(end, syscall.ECONNRESET):
		how = "the server reset the connection"
	}
	if len(rest) > 0 {
		return fmt.Errorf("%s, having sent %s", how, quote(string(rest)))
	}
	return errors.New(how)
}

// silence says that the time was up, and what had arrived by then.
func (c *conn) silence(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.arrived) > 0 {
		return fmt.Errorf("nothing complete in time, only %s", quote(string(c.arrived)))
	}
	return errSilence
}

var errSilence = errors.New("nothing in time")

// message cuts one frame or one line. Neither may be too long, and nothing that
// drives a terminal may leave the line door.
func (c *conn) message(b []byte, ended bool) ([]byte, int, error) {
	limits := parley.DefaultLimits()
	if c.door == DoorText {
		data, size, err := textwire.Next(b, limits.Frame)
		if err != nil {
			return nil, 0, fmt.Errorf("%w: %s", err, quote(string(b)))
		}
		return data, size, nil
	}
	at := bytes.IndexByte(b, '\n')
	if at > limits.Line || at < 0 && len(b) > limits.Line {
		return nil, 0, fmt.Errorf("a message of more than %d bytes: %s", limits.Line, quote(string(b)))
	}
	if at < 0 && ended && c.chunk {
		return b, len(b), nil
	}
	if at < 0 {
		return nil, 0, nil
	}
	if msg := string(b[:at]); linewire.Clean(msg) != msg {
		return nil, 0, fmt.Errorf("a message with control characters or not in UTF-8: %s", quote(msg))
	}
	return b[:at], at + 1, nil
}

// exactly cuts as many bytes as text has, or fails as soon as they differ.
func exactly(text string) cutter {
	return func(b []byte, _ bool) ([]byte, int, error) {
		n := min(len(b), len(text))
		if string(b[:n]) != text[:n] {
			return nil, 0, errors.New(quote(string(b)))
		}
		if n < len(text) {
			return nil, 0, nil
		}
		return b[:n], n, nil
	}
}

// write sends what was held back and b in one write.
func (c *conn) write(b []byte, patience time.Duration) error {
	b = append(c.held, b...)
	c.held = nil
	if err := c.net.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, err := c.net.Write(b)
	return err
}

// encode makes a frame or a message of what a story says.
func (c *conn) encode(data string) []byte {
	switch {
	case c.door == DoorText:
		header := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
		return append(append(header, 0), data...)
	case c.chunk:
		return []byte(data)
	}
	return []byte(data + "\n")
}

// close ends the connection, and waits for its reader.
func (c *conn) close(abruptly bool) error {
	if tcp, ok := c.net.(interface{ SetLinger(sec int) error }); ok && abruptly {
		if err := tcp.SetLinger(0); err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
	}
	err := c.net.Close()
	<-c.gone
	return err
}

// ErrHalfClose is the error of [Run] when a story half-closes a connection of
// Target.Dial that has no CloseWrite, such as one of net.Pipe.
var ErrHalfClose = errors.New("this kind of connection cannot be closed in one direction")

// finish ends the sending direction.
func (c *conn) finish() error {
	half, ok := c.net.(interface{ CloseWrite() error })
	if !ok {
		return ErrHalfClose
	}
	return half.CloseWrite()
}

// awaitEnd waits for the server to end the connection. With silent it fails if
// the server says anything before.
func (c *conn) awaitEnd(ctx context.Context, silent bool) error {
	for {
		c.mu.Lock()
		arrived, end := string(c.arrived), c.end
		c.mu.Unlock()
		if c.bare {
			arrived = strings.Trim(arrived, lineEnds)
		}
		switch {
		case silent && arrived != "":
			return errors.New(quote(arrived))
		case end != nil: // in whatever way
			return nil
		}
		select {
		case <-c.wake:
		case <-ctx.Done():
			return errors.New("the connection is open")
		}
	}
}
