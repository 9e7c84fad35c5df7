package module

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// eachWay runs a test with namespaces and without.
func eachWay(t *testing.T, test func(t *testing.T, plain bool)) {
	t.Helper()
	for name, plain := range map[string]bool{"contained": false, "plain": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !plain && !hasNamespaces() {
				t.Skip("this system lets us make no namespaces")
			}
			test(t, plain)
		})
	}
}

// hasNamespaces tells whether modules can be contained here.
func hasNamespaces() bool {
	p, err := os.StartProcess("/bin/true", []string{"true"}, &os.ProcAttr{Sys: apart(false)})
	if err != nil {
		return false
	}
	p.Wait()
	return true
}

// needsLandlock skips where the system has none that is new enough.
func needsLandlock(t *testing.T, abi int) {
	t.Helper()
	if got := landlockABI(); got < abi {
		t.Skipf("this system's Landlock has version %d; this needs %d", got, abi)
	}
}

// do lets a module try something, and wants it to succeed or to be refused.
func do(t *testing.T, s *seat, may bool, what ...string) {
	t.Helper()
	want := "refused"
	if may {
		want = "did"
	}
	if got := s.call(what...); len(got) == 0 || got[0] != want {
		t.Errorf("%s: %q gave %q, want that it %s", s.name, what, got, want)
	}
}

func TestFilesOutOfReach(t *testing.T) {
	t.Parallel()
	needsLandlock(t, 1)
	eachWay(t, func(t *testing.T, plain bool) {
		h := supervise(t, plain)
		around := filepath.Join(filepath.Dir(h.dir), "around") // there before the module is
		if err := os.Symlink(h.dir, around); err != nil {
			t.Fatal(err)
		}
		h.write("dice probe", "poll probe")
		if err := h.s.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		dice, home := h.seat("dice", 1), filepath.Join(h.dir, "modules", "dice")
		h.seat("poll", 1) // so that its directory is there
		db := filepath.Join(h.dir, "parley.db")
		theirs := filepath.Join(h.dir, "modules", "poll", "kept")
		beside := filepath.Join(filepath.Dir(h.dir), "beside")
		for _, path := range []string{db, theirs, beside} {
			if err := os.WriteFile(path, []byte("secret"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, path := range []string{db, theirs, filepath.Join(h.dir, listName), "../../parley.db", "/proc/self/root" + db} {
			do(t, dice, false, "read", path)
			do(t, dice, false, "write", path)
		}
		if err := os.Symlink(db, filepath.Join(home, "link")); err != nil {
			t.Fatal(err)
		}
		do(t, dice, false, "read", "link")
		do(t, dice, false, "read", filepath.Join(around, "parley.db"))
		do(t, dice, false, "read", fmt.Sprintf("/proc/%d/environ", os.Getpid()))
		do(t, dice, false, "read", fmt.Sprintf("/proc/%d/root%s", os.Getpid(), db))
		do(t, dice, false, "list", h.dir)
		do(t, dice, true, "write", "mine")
		do(t, dice, true, "read", filepath.Join(home, "mine"))
		do(t, dice, true, "list", ".")
		do(t, dice, true, "read", "/etc/passwd")
		do(t, dice, true, "write", "/dev/null")
		if text, err := os.ReadFile(db); err != nil || string(text) != "secret" {
			t.Errorf("the database holds %q, %v", text, err)
		}
	})
}

func TestTheServerOutOfReach(t *testing.T) {
	t.Parallel()
	needsLandlock(t, abiScope)
	eachWay(t, func(t *testing.T, plain bool) {
		h := supervise(t, plain, "dice probe", "online probe")
		dice, online := h.seat("dice", 1), h.seat("online", 1)
		for _, network := range []struct{ name, address string }{{"tcp", "127.0.0.1:0"}, {"unix", "@parley-module-test-" + strconv.Itoa(os.Getpid())}} {
			var cfg net.ListenConfig
			cfg.SetMultipathTCP(false)
			l, err := cfg.Listen(context.Background(), network.name, network.address)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			do(t, dice, false, "dial", network.name, l.Addr().String())
			do(t, online, network.name == "tcp", "dial", network.name, l.Addr().String())
		}
		if plain {
			do(t, dice, false, "listen") // in a network of its own, it may
		}
		do(t, online, true, "listen")
		pid := strconv.Itoa(os.Getpid())
		for _, sig := range []string{"0", "18"} { // SIGCONT does no harm if it arrives
			do(t, dice, false, "signal", pid, sig)
			do(t, online, false, "signal", pid, sig)
		}
	})
}

func TestLimits(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, plain bool) {
		h := supervise(t, plain, "dice probe")
		dice, limits := h.seat("dice", 1), h.opts.Limits
		for which, want := range map[int]int64{
			unix.RLIMIT_CORE: 0, unix.RLIMIT_NOFILE: int64(limits.Files), unix.RLIMIT_DATA: limits.Memory, unix.RLIMIT_FSIZE: limits.FileSize,
		} {
			if got := dice.call("limit", strconv.Itoa(which)); len(got) != 2 || got[1] != strconv.FormatInt(want, 10) {
				t.Errorf("limit %d is %q, want %d", which, got, want)
			}
		}
		if got := dice.call("files"); len(got) != 2 || len(got[1]) > 2 {
			t.Errorf("it opened %q files besides its own, want less than %d", got, limits.Files)
		}
		do(t, dice, false, "size", "large")
		do(t, dice, false, "memory")
		do(t, dice, false, "raise")
		if got := dice.call("nice"); len(got) != 2 || got[1] > "15" { // as the system call gives it: 20 less
			t.Errorf("its niceness is %q", got)
		}
	})
}

func TestPrivileges(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, plain bool) {
		dice := supervise(t, plain, "dice probe").seat("dice", 1)
		may := uint64(0)
		for _, c := range kept {
			may |= 1 << c
		}
		status := dice.call("status")
		for _, set := range []string{"CapEff:\t", "CapPrm:\t", "CapBnd:\t"} {
			at := slices.IndexFunc(status, func(line string) bool { return strings.HasPrefix(line, set) })
			if at < 0 {
				t.Fatalf("the system tells no %s: %.300q", set, status)
			}
			has, err := strconv.ParseUint(strings.TrimPrefix(status[at], set), 16, 64)
			if os.Getuid() != 0 && set == "CapBnd:\t" { // it can get none of them
				continue
			}
			if err != nil || has&^may != 0 {
				t.Errorf("%s%x, %v; want no more than %x", set, has, err, may)
			}
		}
		if !slices.Contains(status, "NoNewPrivs:\t1") {
			t.Errorf("it may get new privileges: %q", status)
		}
	})
}

// TestProcessesAreBounded lets a module start more and more of them. Each way all
// of them are gone in the end.
func TestProcessesAreBounded(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"fork-bomb", "fork-tree"} {
		t.Run(kind, func(t *testing.T) {
			eachWay(t, func(t *testing.T, plain bool) {
				if plain && kind == "fork-tree" {
					t.Skip("without a PID namespace the system does not tell whose they are")
				}
				h := supervise(t, plain, "bomb "+kind)
				h.seat("bomb", 1).call()
				h.untilLogged("too many processes")
				h.seat("bomb", 2)
				h.until("they are gone", func() bool { return len(sleepers(t, h.dir)) == 0 })
			})
		})
	}
}

// TestNothingOutlivesAModule lets a module leave a process behind.
func TestNothingOutlivesAModule(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, plain bool) {
		h := supervise(t, plain, "dice daemon")
		dice := h.seat("dice", 1)
		if got := dice.call("and end"); len(got) != 2 || got[1] == "0" {
			t.Fatalf("it left %q behind", got)
		}
		if len(sleepers(t, h.dir)) == 0 {
			t.Fatal("it left nothing behind")
		}
		h.seat("dice", 2)
		h.until("it is gone", func() bool { return len(sleepers(t, h.dir)) == 0 })
		select {
		case <-dice.ended:
		default:
			t.Error("the connection has not ended, although the next program runs")
		}
	})
}

// TestWhoHidesHoldsNothingUp lets a module leave a process behind that is
// not found without namespaces, and that holds the module's socket and pipe.
func TestWhoHidesHoldsNothingUp(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, plain bool) {
		h := supervise(t, plain, "dice hider")
		dice := h.seat("dice", 1)
		if got := dice.call(); len(got) != 2 || got[1] != "unhandled" {
			t.Errorf("the call was answered %q", got)
		}
		h.seat("dice", 2)
		for _, left := range sleepers(t, h.dir) {
			if !plain {
				t.Errorf("process %d is left", left)
			}
			syscall.Kill(left, syscall.SIGKILL)
		}
		if strings.Contains(h.log.String(), "still served") {
			t.Error("the connection was not ended")
		}
	})
}

// sleepers lists the processes that the modules of a data directory started.
func sleepers(t *testing.T, dir string) (pids []int) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		environ, _ := os.ReadFile(name)
		words, _ := os.ReadFile(filepath.Join(filepath.Dir(name), "cmdline"))
		if bytes.Contains(environ, []byte("HOME="+dir+"/")) && bytes.HasPrefix(words, []byte("sleep\x00")) {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
	}
	return pids
}

// TestAFloodOfWords says more to the log than anybody wants to read.
func TestAFloodOfWords(t *testing.T) {
	t.Parallel()
	h := supervise(t, false, "loud stderr", "dice probe")
	h.untilLogged("lines were dropped")
	if got := h.seat("dice", 1).call("x"); got[0] != "unknown" {
		t.Errorf("another module returned %q meanwhile", got)
	}
	if got := h.seat("loud", 1).call("x"); got[0] != "echo" {
		t.Errorf("the loud module returned %q", got)
	}
	if size := len(h.log.String()); size > 1<<20 {
		t.Errorf("the log has %d bytes", size)
	}
	if strings.Contains(h.log.String(), "\x1b") {
		t.Error("the log holds an escape")
	}
}

// TestStops stops a module with SIGSTOP: it is ended all the same.
func TestStops(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, plain bool) {
		h := supervise(t, plain, "dice stops")
		dice := h.seat("dice", 1)
		go dice.call() // returns with the module's end
		h.until("it has the call", func() bool { return dice.Calls() == 1 })
		close(dice.hung)
		h.untilLogged("it hung")
		h.seat("dice", 2)
	})
}

// TestLetsGoOfItsSocket closes a module's end while it lives on.
func TestLetsGoOfItsSocket(t *testing.T) {
	t.Parallel()
	h := supervise(t, false, "dice closes")
	if got := h.seat("dice", 1).call(); len(got) != 2 || got[1] != "unhandled" {
		t.Errorf("the call came back as %q", got)
	}
	h.untilLogged(errSaid.Error())
	h.seat("dice", 2)
}
