package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/wire/textwire"
)

// childArgs in the environment makes the test binary the program itself.
const childArgs = "PARLEY_TEST_CHILD"

func TestMain(m *testing.M) {
	if args, ok := os.LookupEnv(childArgs); ok {
		os.Exit(run(context.Background(), strings.Split(args, "\n"), os.Environ(), os.Stdin, os.Stdout, os.Stderr))
	}
	if len(os.Args) == 2 && os.Args[1] == launchName { // of a server that runs modules
		os.Exit(run(context.Background(), os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// child is a parley server in a process of its own.
type child struct {
	t          testing.TB
	cmd        *exec.Cmd
	text, line string // addresses
	lines      *bufio.Scanner
}

// serveChild starts a server on a data directory and waits until it is ready.
func serveChild(t testing.TB, data string, more ...string) *child {
	t.Helper()
	args := append([]string{"serve", "--data", data, "--text", "127.0.0.1:0", "--line", "127.0.0.1:0"}, more...)
	c := &child{t: t, cmd: exec.Command(os.Args[0])}
	c.cmd.Env = append(os.Environ(), childArgs+"="+strings.Join(args, "\n"))
	c.cmd.Stderr = t.Output()
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.cmd.Process.Kill() })
	c.lines = bufio.NewScanner(out)
	for c.lines.Scan() {
		name, address, _ := strings.Cut(c.lines.Text(), " ")
		switch name {
		case "text":
			c.text = address
		case "line":
			c.line = address
		case "ready":
			return c
		}
	}
	t.Fatal("the server ended before it was ready")
	return nil
}

// stop sends a signal and waits for the end; it gives the exit code.
func (c *child) stop(sig os.Signal) int {
	c.cmd.Process.Signal(sig)
	return c.wait()
}

// wait waits for the end of the server and gives its exit code.
func (c *child) wait() int {
	c.cmd.Wait()
	return c.cmd.ProcessState.ExitCode()
}

// textClient speaks the text protocol, one request after the other.
type textClient struct {
	conn   net.Conn
	reader *bufio.Reader
}

func dialText(address string) (*textClient, error) {
	conn, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(time.Minute))
	return &textClient{conn: conn, reader: bufio.NewReader(conn)}, nil
}

// do sends a command and gives the fields of the next frame.
func (c *textClient) do(fields ...string) ([]string, error) {
	if _, err := c.conn.Write(textwire.AppendFrame(nil, fields...)); err != nil {
		return nil, err
	}
	return c.read()
}

func (c *textClient) read() ([]string, error) {
	var header [textwire.HeaderSize]byte
	if _, err := io.ReadFull(c.reader, header[:]); err != nil {
		return nil, err
	}
	data := make([]byte, binary.BigEndian.Uint32(header[:]))
	if _, err := io.ReadFull(c.reader, data); err != nil {
		return nil, err
	}
	return textwire.Parse(data, 4096)
}

// must is do for a command that has to succeed.
func (c *textClient) must(t testing.TB, fields ...string) []string {
	t.Helper()
	got, err := c.do(fields...)
	if err != nil {
		t.Fatalf("%q: %v", fields, err)
	}
	if got[0] == "error" {
		t.Fatalf("%q: %q", fields, got)
	}
	return got
}

// guest comes in by the text door, for as long as a test may take.
func guest(t testing.TB, address, name string) *textClient {
	t.Helper()
	c, err := dialText(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.conn.Close() })
	c.conn.SetDeadline(time.Time{})
	c.must(t, "guest", name)
	return c
}

// within polls until a condition holds, and tells how long that took.
func within(t *testing.T, patience time.Duration, what string, holds func() bool) time.Duration {
	t.Helper()
	begun := time.Now()
	for tick := time.Tick(10 * time.Millisecond); !holds(); <-tick {
		if time.Since(begun) > patience {
			t.Errorf("within %v it did not come true that %s", patience, what)
			break
		}
	}
	return time.Since(begun)
}
