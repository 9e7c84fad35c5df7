package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/parley-chat/parley/client"
	"github.com/parley-chat/parley/client/parleytest"
	"github.com/parley-chat/parley/wire/textwire"
)

// runAsModule is the whole program when a test started this binary as a module.
func runAsModule() {
	if os.Getenv("PARLEY_MODULE") == "" {
		return
	}
	ctx := context.Background()
	c, err := client.Open(ctx, "text://nowhere:1", "nobody")
	if err == nil {
		err = c.Provide(ctx, "echo", 0, -1, "gives back what it gets", func(ctx context.Context, call client.Call) ([]string, error) {
			fmt.Println("a line that would break the frames")
			return echo(ctx, call)
		})
	}
	if err == nil {
		<-c.Done()
		if err = c.Err(); errors.Is(err, client.ErrClosed) {
			os.Exit(0)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// The same program is a module and a client. Here the test is the supervisor: it gives
// the program a connection that is logged in.
func TestOpenUnderAServer(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	t.Run("a socket", func(t *testing.T) {
		openUnderAServer(t, func(m *exec.Cmd, conn *net.TCPConn) {
			socket, err := conn.File()
			must(t, err)
			m.Stdin, m.Stdout = socket, socket
			must(t, m.Start())
			socket.Close()
			conn.Close()
		})
	})
	t.Run("pipes", func(t *testing.T) {
		openUnderAServer(t, func(m *exec.Cmd, conn *net.TCPConn) {
			t.Cleanup(func() { conn.Close() })
			m.Stdin, m.Stdout = struct{ io.Reader }{conn}, struct{ io.Writer }{conn}
			must(t, m.Start())
		})
	})
}

func openUnderAServer(t *testing.T, start func(*exec.Cmd, *net.TCPConn)) {
	ctx, s := within(t), parleytest.Start(t, parleytest.Grant("robot", "provide"))
	account(t, s, "robot").Close()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "text://"))
	must(t, err)
	conn.Write(textwire.AppendFrame(nil, "login", "robot", "secret"))
	conn.Read(make([]byte, textwire.HeaderSize+len("ok")))
	module := exec.CommandContext(ctx, os.Args[0])
	var log strings.Builder
	module.Env, module.Stderr = []string{"PARLEY_MODULE=robot"}, &log
	start(module, conn.(*net.TCPConn))
	alice := dial(t, s, client.Guest("alice"))
	for {
		if _, err := alice.Help(ctx, "echo"); err == nil {
			break // it has come in
		} else if ctx.Err() != nil {
			t.Fatalf("the module does not come in: %v; %s", err, &log)
		}
	}
	if v := got(alice.Do(ctx, "echo", "x"))(t); !slices.Equal(v, []string{"alice", "echo", "x"}) {
		t.Errorf("echo: %q", v)
	}
	s.Stop()
	if err := module.Wait(); err != nil || !strings.Contains(log.String(), "would break") {
		t.Errorf("the module: %v; it logged %q", err, &log)
	}
}

// By itself it comes in as the environment says.
func TestOpenByItself(t *testing.T) {
	ctx, s := within(t), parleytest.Start(t)
	account(t, s, "alice").Close()
	open := func(url string) *client.Client {
		c, err := client.Open(ctx, url, "alice", client.NoReconnect())
		must(t, err)
		t.Cleanup(c.Close)
		return c
	}
	t.Setenv("PARLEY_PASSWORD", "secret")
	got(open(s.URL).MyRooms(ctx))(t) // which guests may not ask for
	t.Setenv("PARLEY_URL", s.URL)
	got(open("text://127.0.0.1:1").Whoami(ctx))(t)
	t.Setenv("PARLEY_PASSWORD", "")
	_, err := client.Open(ctx, "", "alice")
	if err == nil || !strings.Contains(err.Error(), "name_taken") {
		t.Errorf("Open as the guest alice: %v, want name_taken", err)
	}
}
