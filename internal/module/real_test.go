//go:build linux || darwin

package module

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestAModuleServesCalls(t *testing.T) {
	t.Parallel()
	for name, plain := range map[string]bool{"contained": false, "plain": true} {
		t.Run(name, func(t *testing.T) {
			h := supervise(t, plain, "dice probe", "online probe")
			dice := h.seat("dice", 1)
			home := filepath.Join(h.dir, "modules", "dice")
			if got := dice.call("directory"); !slices.Equal(got, []string{"did", home}) {
				t.Errorf("its directory is %q, want %q", got, home)
			}
			if info, err := os.Stat(home); err != nil || info.Mode().Perm() != 0o700 {
				t.Errorf("its directory: %v, %v; want mode 0700", info.Mode(), err)
			}
			want := []string{
				"did", "PATH=" + os.Getenv("PATH"), "HOME=" + home, "LANG=de_DE.UTF-8", "PARLEY_MODULE=dice", "SEED=7",
			}
			if got := dice.call("environment"); !slices.Equal(got, want) {
				t.Errorf("its environment is %q, want %q", got, want)
			}
			if runtime.GOOS == "linux" {
				if got := dice.call("descriptors"); !slices.Equal(got, []string{"did", "0 socket", "1 socket", "2 pipe"}) {
					t.Errorf("its descriptors are %q", got)
				}
			}
			if got := dice.call("nice"); got[0] != "did" {
				t.Errorf("its niceness: %q", got)
			}
			if got := h.seat("online", 1).call("nothing"); !slices.Equal(got, []string{"unknown", "nothing"}) {
				t.Errorf("the other module returned %q", got)
			}
			if got := h.s.States(); !slices.Equal(got, []State{{"dice", running}, {"online", running}}) {
				t.Errorf("the states are %v", got)
			}
		})
	}
}

func TestStderrIsLogged(t *testing.T) {
	t.Parallel()
	h := supervise(t, false, "dice probe")
	h.seat("dice", 1).call("log", strconv.Quote("one\ntwo \x1b[31m\x07\xff\n"+strings.Repeat("x", 3000)+"\nthe end"))
	h.untilLogged(`"msg":"two \u001b[31m\u0007` + "\uFFFD" + `","module":"dice"`)
	h.untilLogged(`"level":"INFO","msg":"one","module":"dice"`)
	h.untilLogged(strings.Repeat("x", 1024) + "…")
	h.write()
	if err := h.s.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.untilLogged("the end") // not a whole line
}

// TestNothingIsLeft runs modules that crash, and wants all their descriptors and
// processes back.
func TestNothingIsLeft(t *testing.T) {
	before := openDescriptors(t)
	h := supervise(t, false, "dice probe", "crash exit-called", "gone exit", "stay stubborn")
	h.seat("crash", 1).call()
	h.seat("stay", 1)
	h.until("gone is off", func() bool { return h.state("gone") == off })
	pids := []int{h.pid("dice"), h.pid("stay")}
	h.s.Close(t.Context())
	for _, pid := range pids {
		if err := syscall.Kill(pid, 0); err == nil {
			t.Errorf("process %d is still there", pid)
		}
	}
	h.until("all descriptors are back", func() bool { return openDescriptors(t) <= before })
}

func openDescriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// TestReplacedWithoutLosingACall calls a module while it is replaced twice: who
// provides the command is called, and each call comes back.
func TestReplacedWithoutLosingACall(t *testing.T) {
	t.Parallel()
	h := supervise(t, false, "dice probe")
	for n, kind := range []string{"stubborn", "probe"} {
		old := h.seat("dice", n+1)
		h.write("dice " + kind)
		if err := h.s.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		calls := 0
		for got := old.call("x"); got != nil; got = old.call("x") {
			if got[0] == "error" {
				t.Fatalf("call %d came back as %q", calls, got)
			}
			calls++
		}
		if got := h.seat("dice", n+2).call("x"); len(got) == 0 || got[0] == "error" { // it provides already
			t.Fatalf("the new program returned %q", got)
		}
	}
}

// TestInputEndsWithTheConnection lets the host close a connection: the module reads
// the end of its input, although somebody else has the socket open, too.
func TestInputEndsWithTheConnection(t *testing.T) {
	t.Parallel()
	h := supervise(t, false)
	h.s.opts.Limits.Grace = time.Minute // a machine may be slow
	h.write("dice garbage")
	if err := h.s.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := h.seat("dice", 1).call(); !slices.Equal(got, []string{"error", "unhandled"}) {
		t.Errorf("the call came back as %q", got)
	}
	h.untilLogged("the program ended: exit status 0")
	if strings.Contains(h.log.String(), "terminated") {
		t.Error("the module was terminated")
	}
}

func TestBadPrograms(t *testing.T) {
	t.Parallel()
	h := supervise(t, false)
	list := "none no-such-program\ntext text\nbroken ./broken\n"
	if err := os.WriteFile(filepath.Join(h.dir, "text"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(h.dir, "broken"), []byte("this is no program"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(h.dir, listName), []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := h.s.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"none", "text", "broken"} {
		h.until(name+" is off", func() bool { return h.state(name) == off })
	}
	for _, part := range []string{"neither in the data directory nor in PATH", "chmod +x", "broken cannot be run: exec format error"} {
		if !strings.Contains(h.log.String(), part) {
			t.Errorf("the log does not say %q", part)
		}
	}
}

func TestWithoutALauncher(t *testing.T) {
	t.Parallel()
	h := supervise(t, false)
	h.s.opts.Launcher = nil
	h.write("dice probe")
	if err := h.s.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.until("dice is off", func() bool { return h.state("dice") == off })
}

// TestLaunchAlone runs the launcher as nobody should.
func TestLaunchAlone(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	hears, says, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer hears.Close()
	p, err := os.StartProcess(program, []string{program, launchWord}, &os.ProcAttr{Files: []*os.File{nil, nil, says}})
	says.Close()
	if err != nil {
		t.Fatal(err)
	}
	said := make([]byte, 1000)
	n, _ := hears.Read(said)
	if state, err := p.Wait(); err != nil || state.ExitCode() != 1 || !strings.Contains(string(said[:n]), "only a server") {
		t.Errorf("alone it ended with %v, %v, and said %q", state, err, said[:n])
	}
}

func TestNotes(t *testing.T) {
	t.Parallel()
	h := supervise(t, false) // for its log
	limits := DefaultLimits()
	n := &notes{log: h.opts.Log, limits: &limits, second: time.Unix(0, 0)}
	at := func(ms int64) time.Time { return time.UnixMilli(ms) }
	for i := range int64(500) {
		n.add([]byte("line\n"), at(i))
	}
	n.add([]byte("later\n"), at(1000))
	n.end()
	text := h.log.String()
	if got := strings.Count(text, `"msg":"line"`); got != limits.LogLines {
		t.Errorf("%d lines were logged of 500 within a second, want %d", got, limits.LogLines)
	}
	if !strings.Contains(text, `"lines":400`) || !strings.Contains(text, `"msg":"later"`) {
		t.Errorf("the log does not tell of 400 dropped lines, and go on: %s", text)
	}
}
