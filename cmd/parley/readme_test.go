package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestReadmeProgram runs the Python program of the README, as it stands there,
// against a server: it says hello, and shows what others do.
func TestReadmeProgram(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3 here")
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, program, _ := strings.Cut(string(readme), "```python\n")
	program, _, ok := strings.Cut(program, "```")
	if !ok {
		t.Fatal("the README holds no program in Python")
	}
	server := serveChild(t, t.TempDir())
	script := filepath.Join(t.TempDir(), "robot.py")
	program = strings.ReplaceAll(program, `("127.0.0.1", 7700)`, `("127.0.0.1", `+server.text[strings.LastIndex(server.text, ":")+1:]+`)`)
	if err := os.WriteFile(script, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	robot := exec.CommandContext(ctx, python, "-u", script)
	robot.Stderr = t.Output()
	out, err := robot.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := robot.Start(); err != nil {
		t.Fatal(err)
	}
	seen := make([]byte, 0, 4096)
	read := func(until string) {
		for !strings.Contains(string(seen), until) {
			chunk := make([]byte, 512)
			n, err := out.Read(chunk)
			if seen = append(seen, chunk[:n]...); err != nil {
				t.Fatalf("the program printed %q, then %v; want %s", seen, err, until)
			}
		}
	}
	read("['ok', '1-")
	alice, err := dialText(server.text)
	if err != nil {
		t.Fatal(err)
	}
	defer alice.conn.Close()
	alice.must(t, "guest", "alice")
	alice.must(t, "send", "robot", "text", `are you there, \ robot?`)
	read(`['send', 'alice', 'text', 'are you there, \\ robot?']`)
	server.stop(syscall.SIGTERM)
	if err := robot.Wait(); err != nil {
		t.Errorf("the program ended with %v", err)
	}
}
