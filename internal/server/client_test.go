package server_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/parley-chat/parley/wire/textwire"
)

// roomy is a buffer that no test fills by accident.
const roomy = 1 << 20

// client is a peer of the server that reads when it is asked to. Its methods
// that have a Client's t fail the test; those that return an error may be used
// by any goroutine.
type client struct {
	net.Conn
	t testing.TB
	r *bufio.Reader
}

func newClient(t testing.TB, c net.Conn) *client {
	t.Cleanup(func() { c.Close() })
	return &client{Conn: c, t: t, r: bufio.NewReader(c)}
}

// use lets another test go on with the client.
func (c *client) use(t testing.TB) { c.t = t }

// raw sends bytes as they are.
func (c *client) raw(b []byte) {
	c.t.Helper()
	if _, err := c.Write(b); err != nil {
		c.t.Fatalf("send %q: %v", cut(b), err)
	}
}

// ended reads the rest of the stream, which must be nothing and then its end.
func (c *client) ended() {
	c.t.Helper()
	rest, err := io.ReadAll(c.r)
	if len(rest) > 0 || err != nil {
		c.t.Fatalf("got %q, %v; want the end of the connection", cut(rest), err)
	}
}

// textClient speaks the text protocol.
type textClient struct{ *client }

// readFrame reads one frame; its fields are nil when it is empty.
func (c *textClient) readFrame() ([]string, error) {
	data, err := readFrame(c.r)
	if err != nil || len(data) == 0 {
		return nil, err
	}
	return textwire.Parse(data, len(data)+1)
}

func readFrame(r io.Reader) ([]byte, error) {
	var header [textwire.HeaderSize]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(header[:])
	if size > 16<<20 || header[4] != 0 {
		return nil, fmt.Errorf("the server sent a frame that begins with %q", header)
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, fmt.Errorf("the server sent a part of a frame: %w", err)
	}
	return data, nil
}

func frame(fields ...string) []byte { return textwire.AppendFrame(nil, fields...) }

func (c *textClient) send(fields ...string) {
	c.t.Helper()
	c.raw(frame(fields...))
}

func (c *textClient) recv() []string {
	c.t.Helper()
	fields, err := c.readFrame()
	if err != nil {
		c.t.Fatalf("receive: %v", err)
	}
	return fields
}

// want receives one message like this; a field * is any one, ... is all the rest.
func (c *textClient) want(fields ...string) []string {
	c.t.Helper()
	got := c.recv()
	if !like(got, fields) {
		c.t.Fatalf("got %q, want %q", got, fields)
	}
	return got
}

// ask sends a command under a fresh request ID and returns what stands behind
// that ID in the answer. What is pushed before it is skipped.
func (c *textClient) ask(fields ...string) []string {
	c.t.Helper()
	got, _ := c.askAmong(fields...)
	return got
}

// askAmong is as ask and gives what was pushed before the answer, too.
func (c *textClient) askAmong(fields ...string) (answer []string, pushed [][]string) {
	c.t.Helper()
	const id = "\x00ask" // that no test says otherwise
	c.send(append([]string{"req", id}, fields...)...)
	for {
		got := c.recv()
		if len(got) >= 2 && got[0] == "req" && got[1] == id {
			return got[2:], pushed
		}
		pushed = append(pushed, got)
	}
}

// ok asks and wants an answer that begins with ok.
func (c *textClient) ok(fields ...string) []string {
	c.t.Helper()
	got := c.ask(fields...)
	if len(got) == 0 || got[0] != "ok" {
		c.t.Fatalf("%q: got %q, want ok", fields, got)
	}
	return got
}

// fatal reads until the stream ends, and wants a fatal error of a type as the
// last message. It returns how many messages came before.
func (c *textClient) fatal(kind string) int {
	c.t.Helper()
	var last []string
	for n := 0; ; n++ {
		got, err := c.readFrame()
		if errors.Is(err, io.EOF) {
			if !like(last, []string{"error", "fatal", kind, "..."}) {
				c.t.Fatalf("the last of %d messages is %q, want a fatal %s", n, last, kind)
			}
			return n - 1
		}
		if err != nil {
			c.t.Fatalf("receive: %v; last was %q", err, last)
		}
		last = got
	}
}

func like(got, want []string) bool {
	for i, w := range want {
		if w == "..." {
			return true
		}
		if i >= len(got) || w != "*" && w != got[i] {
			return false
		}
	}
	return len(got) == len(want)
}

// lineClient speaks the line protocol. Its lines end with LF.
type lineClient struct{ *client }

// readLine reads one message, which must be one that may be sent: no longer
// than the limit, UTF-8, and without any control character but TAB.
func (c *lineClient) readLine() (string, error) {
	line, err := c.r.ReadString('\n')
	if err != nil {
		if line != "" {
			err = fmt.Errorf("the server sent a part of a line, %q: %w", cut([]byte(line)), err)
		}
		return "", err
	}
	line = line[:len(line)-1]
	return line, lineFault(line)
}

// lineFault says what is wrong with a line that the server sent.
func lineFault(line string) error {
	bad := func(r rune) bool { return r != '\t' && unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }
	switch {
	case len(line) > 4096:
		return fmt.Errorf("the server sent a line of %d bytes, want at most 4096", len(line))
	case !utf8.ValidString(line):
		return fmt.Errorf("the server sent %q, which is not UTF-8", line)
	case strings.ContainsFunc(line, bad):
		return fmt.Errorf("the server sent %q, which has a control character", line)
	}
	return nil
}

func (c *lineClient) send(line string) {
	c.t.Helper()
	c.raw([]byte(line + "\n"))
}

func (c *lineClient) recv() string {
	c.t.Helper()
	line, err := c.readLine()
	if err != nil {
		c.t.Fatalf("receive: %v", err)
	}
	return line
}

// want receives one message; one that ends with * gives only its beginning.
func (c *lineClient) want(line string) string {
	c.t.Helper()
	got := c.recv()
	if begin, open := strings.CutSuffix(line, "*"); got != line && !(open && strings.HasPrefix(got, begin)) {
		c.t.Fatalf("got %q, want %q", got, line)
	}
	return got
}

// ask sends a message and returns the one that comes next.
func (c *lineClient) ask(line string) string {
	c.t.Helper()
	c.send(line)
	return c.recv()
}

// text connects to the text door in memory.
func (h *host) text() *textClient {
	return &textClient{newClient(h.t, h.memory("text", roomy))}
}

// guest is text, under a guest's name.
func (h *host) guest(name string) *textClient {
	h.t.Helper()
	c := h.text()
	c.ok("guest", name)
	return c
}

// account is text, logged in; the account is made if it is not there.
func (h *host) account(name string) *textClient {
	h.t.Helper()
	c := h.text()
	if got := c.ask("register", name, "secret"); !slices.Equal(got, []string{"ok"}) && !like(got, []string{"error", "nonfatal", "name_taken", "*"}) {
		h.t.Fatalf("register %s: %q", name, got)
	}
	c.ok("login", name, "secret")
	return c
}

// line connects to the line door in memory, in line mode, with a name unless
// that is empty.
func (h *host) line(name string) *lineClient {
	h.t.Helper()
	c := &lineClient{newClient(h.t, h.memory("line", roomy))}
	if name != "" {
		c.send(name)
		c.want("Welcome*")
	}
	return c
}

// isReset tells whether an error is that of a connection which the other end
// has ended.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// cut shortens bytes for a failure's text.
func cut(b []byte) string {
	if len(b) > 200 {
		return fmt.Sprintf("%s… (%d bytes)", b[:200], len(b))
	}
	return string(b)
}

// within gives the connection a while; only a test that has failed needs all
// of it.
func (c *client) within(d time.Duration) { c.SetDeadline(time.Now().Add(d)) }
