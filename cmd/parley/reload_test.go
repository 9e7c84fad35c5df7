package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestHangupReadsTheConfigurationAgain lets kill, which was refused, end the
// server after SIGHUP.
func TestHangupReadsTheConfigurationAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "parley.toml")
	write := func(settings string) {
		if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("kill = 'never'\n")
	server := serveChild(t, t.TempDir(), "--config", file)
	conn, err := net.Dial("tcp", server.line)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	lines := bufio.NewScanner(conn)
	ask := func(message string) string {
		if _, err := fmt.Fprintln(conn, message); err != nil || !lines.Scan() {
			return ""
		}
		return lines.Text()
	}
	ask("bob")
	const refused = "Error: kill is not permitted"
	if got := ask("kill"); got != refused {
		t.Fatalf("kill was answered %q, want %q", got, refused)
	}
	write("kill = 'sometimes'\n") // a mistake costs nothing
	server.cmd.Process.Signal(syscall.SIGHUP)
	if got := ask("kill"); got != refused {
		t.Fatalf("after a mistake in the file kill was answered %q, want %q", got, refused)
	}
	write("kill = 'anyone'\n")
	server.cmd.Process.Signal(syscall.SIGHUP)
	for ask("kill") == refused { // until the signal has arrived
	}
	if code := server.wait(); code != 0 {
		t.Errorf("exit code %d after kill, want 0", code)
	}
}
