package modules_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var command = build("../cmd/parley")

// server is a running parley.
type server struct {
	cmd  *exec.Cmd
	data string
	text string // address
}

// serve starts a server whose data directory has these files.
func serve(t *testing.T, files map[string]string) *server {
	t.Helper()
	s := &server{data: t.TempDir()}
	for name, text := range files {
		write(t, filepath.Join(s.data, name), text)
	}
	s.cmd = exec.CommandContext(t.Context(), command(t), "serve",
		"--data", s.data, "--text", "127.0.0.1:0", "--line", "off", "--config", filepath.Join(s.data, "parley.toml"))
	s.cmd.Stderr = t.Output()
	s.cmd.Env = append(os.Environ(), "DICE_SEED=7", "SECRET=8")
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(syscall.SIGTERM) } // so that it ends its modules
	out, err := s.cmd.StdoutPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.cmd.Wait() })
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if address, ok := strings.CutPrefix(lines.Text(), "text "); ok {
			s.text = address
		}
		if lines.Text() == "ready" {
			return s
		}
	}
	t.Fatal("the server ended before it was ready")
	return nil
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// guest is a guest on the text door: a program too, whose server is real.
func (s *server) guest(t *testing.T, name string) *program {
	t.Helper()
	conn, err := net.Dial("tcp", s.text)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(time.Minute))
	p := &program{in: conn, out: bufio.NewReader(conn)}
	if got := p.do(t, "guest", name); got[0] != "ok" {
		t.Fatalf("guest,%s: %q", name, got)
	}
	return p
}

// do gives the answer to a request; pushes before it are kept.
func (p *program) do(t *testing.T, request ...string) []string {
	t.Helper()
	p.write(t, append(words("req", "do"), request...)...)
	for {
		got := p.read(t)
		if slices.Equal(got[:2], words("req", "do")) {
			return got[2:]
		}
		p.pushed = append(p.pushed, got)
	}
}

// push gives the next push that begins as wanted, and drops those before it.
func (p *program) push(t *testing.T, want ...string) []string {
	t.Helper()
	for {
		for len(p.pushed) > 0 {
			got := p.pushed[0]
			p.pushed = p.pushed[1:]
			if len(got) >= len(want) && slices.Equal(got[:len(want)], want) {
				return got
			}
		}
		p.pushed = append(p.pushed, p.read(t))
	}
}

// until repeats a request until its answer begins as wanted.
func (p *program) until(t *testing.T, want []string, request ...string) []string {
	t.Helper()
	var got []string
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		if got = p.do(t, request...); len(got) >= len(want) && slices.Equal(got[:len(want)], want) {
			return got
		}
		<-time.After(5 * time.Millisecond) // the machine has other things to do: to start what is waited for
	}
	t.Fatalf("%q answers %q at last, want %q", request, got, want)
	return nil
}

// reload gives a running server another modules.txt.
func (s *server) reload(t *testing.T, list string) {
	t.Helper()
	write(t, filepath.Join(s.data, "modules.txt"), list)
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

// TestServed: the three modules, started by a real server.
func TestServed(t *testing.T) {
	t.Parallel()
	list := fmt.Sprintf("dice '%s' '%s'\nreminder '%s'\npoll '%s' '%s'\n",
		python(t), file(t, "dice.py"), reminder(t), shell(t), file(t, "poll.sh"))
	s := serve(t, map[string]string{
		"parley.toml": "[grants.dice]\nenv = [\"DICE_SEED\"]\n[grants.poll]\nrights = [\"rooms\"]\n",
		"modules.txt": list,
	})
	alice := s.guest(t, "alice")

	alone := start(t, t.TempDir(), python(t), file(t, "dice.py"))
	alone.provides(t, "dice")
	want := alone.call(t, "alice", "dice", "5d1000")
	alone.end(t)
	if got := alice.until(t, words("dice"), "dice", "5d1000"); !slices.Equal(got, want) {
		t.Errorf("with DICE_SEED granted dice gives %q, want %q", got, want)
	}

	text := "tea, \\ and\r\nthé"
	alice.until(t, words("ok"), "remind", "1s", text) // and is told, at the end
	alice.until(t, words("ok"), "remind", "1h", text)
	if got := alice.do(t, "reminders"); got[len(got)-1] != text {
		t.Errorf("reminders gives %q", got)
	}
	bob := s.guest(t, "bob")
	bob.do(t, "join", "lobby")
	alice.until(t, words("ok"), "poll", "lobby", "Tea, or coffee?", "tea", "coffee")
	if got := bob.push(t, "room", "lobby", "poll"); got[5] != "alice asks: Tea, or coffee? 1: tea 2: coffee" {
		t.Errorf("the poll says %q", got)
	}
	if got := bob.do(t, "vote", "lobby", "2"); got[0] != "ok" {
		t.Errorf("vote gives %q", got)
	}
	got := alice.do(t, "result", "lobby")
	if diff := cmp.Diff(words("result", "Tea, or coffee?", "tea", "0", "coffee", "1"), got); diff != "" {
		t.Error(diff)
	}
	if got := bob.push(t, "room", "lobby", "poll"); got[5] != "the poll has ended: Tea, or coffee? tea: 0 coffee: 1" {
		t.Errorf("the poll says %q", got)
	}
	alice.push(t, "send", "reminder", "text", text)

	var states []string
	for row := alice.do(t, "modules")[1:]; len(row) >= 6; row = row[6:] {
		states = append(states, strings.Join(row[:3], ","))
	}
	if diff := cmp.Diff(words("dice,running,dice", "poll,running,poll result vote", "reminder,running,forget remind reminders"), states); diff != "" {
		t.Error(diff)
	}
	s.reload(t, "")
	alice.until(t, words("error", "nonfatal", "command_not_found"), "dice", "d6")
}
