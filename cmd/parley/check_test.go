package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/parley-chat/parley/conformance"
)

// checkProgram runs parley check and gives its exit code and what it printed.
func checkProgram(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), append([]string{"check"}, args...), nil, strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

// TestCheckOurs checks a real server on both doors, and again with its state. The
// rules with many passwords, which are hashed with care here, are left to the
// tests of the conformance package.
func TestCheckOurs(t *testing.T) {
	settings := filepath.Join(t.TempDir(), "parley.toml")
	if err := os.WriteFile(settings, []byte("[grants.robot]\nrights = ['provide']\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PARLEY_PASSWORD", "a robot's")
	c := serveChild(t, t.TempDir(), "--durability", "relaxed", "--kill", "never", "--config", settings)
	defer c.stop(syscall.SIGTERM)
	urls := []string{"text://" + c.text, "line://" + c.line}
	code, out, errs := checkProgram(t, append(urls, "--granted", "robot", "--patience", "20s", "--run", `^(1\.1\.[1347] |1\.4\.[12] |1\.3\.(19|20) |1\.6\.(3|8|9|13) |2\.[134])`)...)
	if code != 0 || errs != "" || !strings.Contains(out, " rules kept, 0 broken, in ") {
		t.Errorf("exit %d, errors %q, out %s", code, errs, out)
	}
	code, out, errs = checkProgram(t, append(urls, "--json", "--seed-only", "--chunks", "--run", "^2")...)
	var r conformance.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if code != 0 || errs != "" || r.Broken != 0 || r.Kept != len(r.Rules) || r.Kept < 10 || r.LineMode != "chunks" || !r.SeedOnly {
		t.Errorf("exit %d, errors %q, %s", code, errs, r.Summary())
	}
}

// TestCheckBroken checks a server that only repeats what it hears.
func TestCheckBroken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				_, _ = io.Copy(c, c) // the check hangs up
			})
		}
	})
	defer serving.Wait()
	defer l.Close()
	code, out, errs := checkProgram(t, "text://"+l.Addr().String(), "--seed-only", "--patience", "1s", "--run", "1.3.19")
	for _, part := range []string{
		"  BROKEN       1.3.19 nop answers an empty message\n", `        alice> "nop"`, "        alice<\n          should be: an empty message\n",
		`          but was:   "nop"`, "0 rules kept, 1 broken",
	} {
		if !strings.Contains(out, part) {
			t.Errorf("no %q", part)
		}
	}
	if code != 1 || errs != "" || t.Failed() {
		t.Errorf("exit %d, errors %q, out %s", code, errs, out)
	}
}

func TestCheckCommandLine(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		code int
		errs string
	}{
		{"nothing", nil, 2, "arg"},
		{"no address", []string{"7700"}, 2, "is not an address"},
		{"another protocol", []string{"http://127.0.0.1:1"}, 2, "http"},
		{"two of a kind", []string{"line://127.0.0.1:1", "line://127.0.0.1:2"}, 2, "two addresses of the line protocol"},
		{"no regular expression", []string{"line://127.0.0.1:1", "--run", "("}, 2, "--run"},
		{"no patience", []string{"line://127.0.0.1:1", "--patience", "0"}, 2, "--patience"},
		{"nobody listens", []string{"line://127.0.0.1:1"}, 5, "not reachable: the line door"},
		{"no socket", []string{"text+unix:///nowhere/parley.sock"}, 5, "not reachable: the text door"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, out, errs := checkProgram(t, tt.args...)
			if code != tt.code || out != "" || !strings.Contains(errs, tt.errs) {
				t.Errorf("exit %d, errors %q, out %q; want %d, %q", code, errs, out, tt.code, tt.errs)
			}
		})
	}
}
