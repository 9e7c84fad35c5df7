package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-chat/parley/internal/bench"
)

func needLinux(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux can measure")
	}
}

// runBenchLine runs the program as parley bench.
func runBenchLine(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), append([]string{"bench"}, args...), nil, strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

// TestBench measures the program itself on both doors, and compares them.
func TestBench(t *testing.T) {
	needLinux(t)
	server := serveChild(t, t.TempDir(), "--durability", "relaxed")
	pid := fmt.Sprint(server.cmd.Process.Pid)
	small := []string{"--clients", "10", "--window", "1,8", "--deliveries", "900", "--warm-up", "0s"}
	t.Run("table", func(t *testing.T) {
		code, out, errs := runBenchLine(t, append(small, "line://"+server.line, "--pid", pid)...)
		for _, want := range []string{"fan-out, 10 clients, 64 bytes a message", "CPU s/M", "p99.9", "\n| w1 ", "\n| w8 ", "w8: so many deliveries took"} {
			if !strings.Contains(out, want) {
				t.Errorf("%q is not in the output", want)
			}
		}
		if code != 0 || errs != "" {
			t.Errorf("exit %d, errors %q, output %s", code, errs, out)
		}
	})
	t.Run("comparison as JSON", func(t *testing.T) {
		code, out, errs := runBenchLine(t, append(small, "line://"+server.line, "--pid", pid, "--vs", pid+"@text://"+server.text, "--rounds", "2", "--json")...)
		if code != 0 || errs != "" {
			t.Fatalf("exit %d, errors %q", code, errs)
		}
		decoder := json.NewDecoder(strings.NewReader(out))
		decoder.DisallowUnknownFields()
		var report bench.Report
		if err := decoder.Decode(&report); err != nil {
			t.Fatal(err)
		}
		want := bench.Settings{Clients: 10, Members: 10, Senders: 1, Size: 64, Rounds: 2}
		if diff := cmp.Diff(want, report.Settings); diff != "" || len(report.Results) != 8 || len(report.Medians) != 4 || len(report.Ratios) != 2 {
			t.Errorf("settings %s, %d results, %d medians, %d ratios; want 8, 4, 2", diff, len(report.Results), len(report.Medians), len(report.Ratios))
		}
	})
}

func TestBenchExitCodes(t *testing.T) {
	needLinux(t)
	closed, rude := listenAnd(t, nil), listenAnd(t, func(c net.Conn) { c.Close() })
	silent := listenAnd(t, func(c net.Conn) { t.Cleanup(func() { c.Close() }) })
	for _, tt := range []struct {
		name string
		args []string
		code int
		errs string
	}{
		{name: "no address", code: 2, errs: "needs one address"},
		{name: "a word too many", args: []string{"irc://127.0.0.1:1", "join", "now"}, code: 2, errs: "needs one address"},
		{name: "no such scenario", args: []string{"irc://127.0.0.1:1", "fanout"}, code: 2, errs: "fan-out"},
		{name: "another machine", args: []string{"irc://192.0.2.1:6667"}, code: 2, errs: "--allow-remote"},
		{name: "a bad rival", args: []string{"irc://127.0.0.1:1", "--vs", "x@irc://127.0.0.1:2"}, code: 2, errs: "PID@URL"},
		{name: "no such process", args: []string{"irc://127.0.0.1:1", "--pid", "2000000000"}, code: 2, errs: "no process 2000000000"},
		{name: "nobody there", args: []string{"irc://" + closed}, code: 5, errs: "not reachable"},
		{name: "closed at once", args: []string{"irc://" + rude}, code: 1, errs: "connecting: client b"},
		{name: "no answer", args: []string{"irc://" + silent, "--stall", "50ms"}, code: 1, errs: "nothing has happened for 50ms"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, _, errs := runBenchLine(t, append(tt.args, "--clients", "2")...)
			if code != tt.code || !strings.Contains(errs, tt.errs) {
				t.Errorf("parley bench %q: exit %d, errors %q; want %d, %q", tt.args, code, errs, tt.code, tt.errs)
			}
		})
	}
}

// listenAnd accepts connections and does something with each; with nothing to do,
// nobody listens at the address any more.
func listenAnd(t *testing.T, do func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if do == nil {
		l.Close()
		return l.Addr().String()
	}
	t.Cleanup(func() { l.Close() })
	go func() { // ends with the listener
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			do(c)
		}
	}()
	return l.Addr().String()
}

// TestBenchInterrupted ends with a code of its own, and leaves nothing behind.
func TestBenchInterrupted(t *testing.T) {
	needLinux(t)
	server := serveChild(t, t.TempDir(), "--durability", "relaxed")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childArgs+"="+strings.Join([]string{"bench", "line://" + server.line, "--clients", "5", "--for", "1h"}, "\n"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	awaitClients(t, server, 5)
	cmd.Process.Signal(os.Interrupt)
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != exitInterrupted {
		t.Errorf("exit %d, want %d", code, exitInterrupted)
	}
}

// awaitClients waits until so many users are online.
func awaitClients(t *testing.T, server *child, n int) {
	t.Helper()
	c, err := dialText(server.text)
	if err != nil {
		t.Fatal(err)
	}
	defer c.conn.Close()
	for deadline := time.Now().Add(time.Minute); len(c.must(t, "users"))-1 < n; {
		if time.Now().After(deadline) {
			t.Fatalf("there are no %d users", n)
		}
	}
}
