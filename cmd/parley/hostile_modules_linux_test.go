package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/module/hostile"
	"github.com/parley-chat/parley/internal/proof"
)

// init makes the test binary a hostile module, before it is anything else.
func init() { hostile.Main() }

// hostileServer is a server that runs one hostile module, "evil".
type hostileServer struct {
	*child
	data string
	log  *sharedBuffer
	nop  *textClient
	idle []string // connections of the server without the module
}

type sharedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *sharedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *sharedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// loggedTB lets a child write its log somewhere else.
type loggedTB struct {
	testing.TB
	log io.Writer
}

func (t loggedTB) Output() io.Writer { return t.log }

// serveHostile starts a server that gives up calls after some time.
func serveHostile(t *testing.T, patience time.Duration) *hostileServer {
	t.Helper()
	h := &hostileServer{data: filepath.Join(t.TempDir(), "data"), log: new(sharedBuffer)}
	config := filepath.Join(t.TempDir(), "parley.toml")
	settings := fmt.Sprintf("timeouts.call = '%v'\ntimeouts.request = '1s'\n", patience)
	if err := os.WriteFile(config, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	h.child = serveChild(loggedTB{t, h.log}, h.data, "--config", config)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the log: %.20000s", h.log.String())
		}
	})
	h.nop = h.dial(t)
	h.idle = h.connections(t)
	return h
}

func (h *hostileServer) dial(t *testing.T) *textClient {
	t.Helper()
	c, err := dialText(h.text)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.conn.Close() })
	c.must(t, "nop")
	return c
}

// list lets the server read a list of modules, and waits until it has.
func (h *hostileServer) list(t *testing.T, list string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(h.data, "modules.txt"), []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	const done = "the configuration was read again"
	before := strings.Count(h.log.String(), done)
	h.cmd.Process.Signal(syscall.SIGHUP)
	within(t, 20*time.Second, "the server reads the list", func() bool { return strings.Count(h.log.String(), done) > before })
}

// run lets the server run a module, and waits until it did.
func (h *hostileServer) run(t *testing.T, kind string) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	h.list(t, "evil "+hostile.Words(program, kind))
	within(t, 20*time.Second, "the module is started", func() bool { return strings.Contains(h.log.String(), "the module was started") })
	for _, lacks := range []string{"without namespaces", "no Landlock", "Landlock is old"} {
		if strings.Contains(h.log.String(), lacks) {
			t.Skip("this system cannot contain modules")
		}
	}
}

// call calls the module as soon as it provides its command.
func (h *hostileServer) call(t *testing.T, args ...string) (got []string) {
	t.Helper()
	c := h.dial(t)
	defer c.conn.Close()
	within(t, 20*time.Second, "the command is provided", func() bool {
		got = c.ask(t, append([]string{hostile.Command}, args...)...)
		return !slices.Contains(got, "command_not_found")
	})
	return got
}

// ask is must for a command that may fail.
func (c *textClient) ask(t *testing.T, fields ...string) []string {
	t.Helper()
	got, err := c.do(fields...)
	if err != nil {
		t.Fatalf("%q: %v", fields, err)
	}
	return got
}

// connections lists the sockets and pipes of the server, some twice.
func (h *hostileServer) connections(t *testing.T) (list []string) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd/", h.cmd.Process.Pid)
	open, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range open {
		link, _ := os.Readlink(dir + fd.Name())
		if strings.HasPrefix(link, "socket:") || strings.HasPrefix(link, "pipe:") {
			list = append(list, link)
		}
	}
	return list
}

// processes lists what the modules of the server started.
func (h *hostileServer) processes(t *testing.T) (words []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		environ, _ := os.ReadFile(name)
		if bytes.Contains(environ, []byte("HOME="+h.data+"/modules/")) {
			line, _ := os.ReadFile(filepath.Join(filepath.Dir(name), "cmdline"))
			words = append(words, string(bytes.ReplaceAll(line, []byte{0}, []byte{' '})))
		}
	}
	return words
}

// end takes the module away and wants all of it gone, and the server well.
func (h *hostileServer) end(t *testing.T) {
	t.Helper()
	h.list(t, "")
	within(t, 20*time.Second, "there are no modules", func() bool { return len(h.nop.must(t, "modules")) == 1 })
	for _, left := range h.processes(t) {
		t.Errorf("there is still: %s", left)
	}
	within(t, 20*time.Second, "the server has let go of its connections", func() bool {
		return !slices.ContainsFunc(h.connections(t), func(one string) bool { return !slices.Contains(h.idle, one) })
	})
	h.nop.must(t, "nop")
	h.nop.conn.Close() // or its last words would be waited for
	if code := h.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// TestHostileModules lets a server run each of them, one at a time: its calls
// fail as they should, others are served all the while, and nothing is left of it.
func TestHostileModules(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		kind string
		args []string // of the call
		want []string // of which the answer begins with one; none: it is not called
		log  []string // parts of it
		long bool     // it takes what nobody waits for
	}{
		{kind: "fork-bomb", want: []string{"started"}, log: []string{"too many processes and is killed"}},
		{kind: "fork-tree", want: []string{"started"}, log: []string{"too many processes and is killed"}},
		{kind: "flood", want: []string{"error nonfatal"}, log: []string{"the module ended and is started again"}, long: true},
		{kind: "returns", want: []string{"error nonfatal timeout"}},
		{kind: "stubborn", args: []string{"x"}, want: []string{"echo x"}},
		{kind: "daemon", want: []string{"daemon"}},
		{kind: "daemon", args: []string{"and end"}, want: []string{"daemon"}, log: []string{"exit status 3"}},
		{kind: "hider", want: []string{"error nonfatal unhandled"}, log: []string{"exit status 3"}},
		{kind: "stderr", args: []string{"x"}, want: []string{"echo x"}, log: []string{"lines were dropped"}},
		{kind: "exit", log: []string{"crashed 3 times", "exit status 0"}},
		{kind: "exit-later", log: []string{"crashed 3 times", "exit status 3"}},
		{kind: "farewell", args: []string{"x"}, want: []string{"echo x"}, log: []string{"exit status 0"}},
		{kind: "exit-called", want: []string{"error nonfatal unhandled"}, log: []string{"exit status 3"}},
		{kind: "hang", want: []string{"error nonfatal timeout"}, log: []string{"it hung"}},
		{kind: "garbage", want: []string{"error nonfatal"}, log: []string{"the module ended and is started again"}},
		{kind: "half", want: []string{"error nonfatal"}, log: []string{"the module ended and is started again"}},
		{kind: "long-return", want: []string{"error nonfatal unhandled"}, log: []string{"the module ended and is started again"}},
		{kind: "deaf", args: []string{strings.Repeat("x", 60_000)}, want: []string{"error nonfatal timeout"}, log: []string{"it hung"}},
		{kind: "closes", want: []string{"error nonfatal unhandled"}, log: []string{"its connection ended while it ran"}},
		{kind: "stops", want: []string{"error nonfatal timeout"}, log: []string{"it hung"}},
		{kind: "impostor", args: []string{"x"}, want: []string{"echo x"}, log: []string{"was told error,nonfatal"}},
		{kind: "greedy", log: []string{"too_many"}},
		{kind: "forger", args: []string{"x"}, want: []string{"echo x", "forged"}},
		{kind: "spoofer", want: []string{"error nonfatal unhandled"}},
		{kind: "spoofer", args: []string{"req", "1", "ok"}, want: []string{"error nonfatal unhandled"}},
		{kind: "spoofer", args: []string{"error", "fatal", "forbidden", "go away"}, want: []string{"error nonfatal forbidden"}},
	} {
		t.Run(fmt.Sprintf("%s %.20s", tt.kind, strings.Join(tt.args, " ")), func(t *testing.T) {
			if tt.long && proof.Size(1, 2, 2) == 1 {
				t.Skip("it waits for ten seconds; see make proof")
			}
			t.Parallel()
			patience := 30 * time.Second // a machine may be slow
			if slices.Contains(tt.want, "error nonfatal timeout") {
				patience = 500 * time.Millisecond
			}
			h := serveHostile(t, patience)
			h.run(t, tt.kind)
			if tt.want != nil {
				got := strings.Join(h.call(t, tt.args...), " ")
				if !slices.ContainsFunc(tt.want, func(want string) bool { return strings.HasPrefix(got, want) }) {
					t.Errorf("the call was answered %.200q, want %q", got, tt.want)
				}
			}
			h.nop.must(t, "nop")
			for _, part := range tt.log {
				within(t, 20*time.Second, "the log says "+part, func() bool { return strings.Contains(h.log.String(), part) })
			}
			h.nop.must(t, "nop")
			h.end(t)
		})
	}
}

// TestModulesCannotReachTheServer lets a module try what only the system forbids.
func TestModulesCannotReachTheServer(t *testing.T) {
	t.Parallel()
	h := serveHostile(t, time.Minute)
	h.run(t, "probe")
	for _, tt := range []struct {
		args []string
		want string // with which the answer begins
	}{
		{[]string{"write", "own"}, "did"},
		{[]string{"read", "own"}, "did"},
		{[]string{"read", "../../parley.db"}, "refused"},
		{[]string{"write", "../../parley.db"}, "refused"},
		{[]string{"write", "../../modules.txt"}, "refused"},
		{[]string{"signal", strconv.Itoa(h.cmd.Process.Pid), "9"}, "refused"},
		{[]string{"dial", "tcp", h.text}, "refused"},
		{[]string{"files"}, "did"},
		{[]string{"memory"}, "refused after"},
		{[]string{"size", "large"}, "refused"},
		{[]string{"raise"}, "refused"},
	} {
		if got := strings.Join(h.call(t, tt.args...), " "); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%q was answered %q, want %q", tt.args, got, tt.want)
		}
		h.nop.must(t, "nop")
	}
	h.end(t)
}

// TestReplacedModuleLosesNoCall changes the line of a module again and again, while
// clients call it as fast as they can.
func TestReplacedModuleLosesNoCall(t *testing.T) {
	t.Parallel()
	h := serveHostile(t, time.Minute)
	h.run(t, "echo")
	h.call(t)
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var callers sync.WaitGroup
	for range 2 {
		c := h.dial(t)
		callers.Go(func() {
			defer c.conn.Close()
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				want := strconv.Itoa(n)
				if got, err := c.do(hostile.Command, want); err != nil || len(got) != 2 || got[1] != want {
					t.Errorf("call %d was answered %q, %v", n, got, err)
					return
				}
			}
		})
	}
	for n := range 5 {
		started := strings.Count(h.log.String(), "the module was started")
		h.list(t, fmt.Sprintf("evil %s %d", hostile.Words(program, "echo"), n))
		within(t, 20*time.Second, "it is replaced", func() bool {
			return strings.Count(h.log.String(), "the module was started") == started+1 && len(h.processes(t)) == 1
		})
	}
	close(done)
	callers.Wait()
	h.end(t)
}

// TestModulesDieWithTheServer kills a server whose module would not end.
func TestModulesDieWithTheServer(t *testing.T) {
	t.Parallel()
	h := serveHostile(t, time.Minute)
	h.run(t, "stubborn")
	h.call(t)
	if len(h.processes(t)) != 1 {
		t.Fatalf("the module's processes are %q", h.processes(t))
	}
	h.stop(syscall.SIGKILL)
	within(t, 10*time.Second, "the module is gone", func() bool { return len(h.processes(t)) == 0 })
}
