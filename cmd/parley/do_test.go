package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// program runs the program in this process.
func program(ctx context.Context, args ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	code = run(ctx, args, nil, strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

// TestDo runs one command each: what is printed where, and the exit codes.
func TestDo(t *testing.T) {
	server := serveChild(t, filepath.Join(t.TempDir(), "data"))
	url := "text://" + server.text
	held := guest(t, server.text, "held")
	held.must(t, "register", "alice", "correct horse")
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for _, tt := range []struct {
		name string
		args []string
		env  string // PARLEY_PASSWORD
		code int
		out  string
		errs string // a part of it
	}{
		{name: "an answer", args: []string{url, "rooms"}, out: "rooms,lobby\n"},
		{name: "as JSON", args: []string{url, "rooms", "--json"}, out: "[\"rooms\",\"lobby\"]\n"},
		{name: "nothing", args: []string{url, "nop"}},
		{name: "nothing as JSON", args: []string{url, "nop", "--json"}, out: "[]\n"},
		{name: "an error", args: []string{url, "topic", "nowhere"}, code: 1, errs: "parley: not_logged_in: log in first"},
		{name: "an error as JSON", args: []string{"--json", url, "whoami"}, code: 1, out: "{\"error\":{\"type\":\"not_logged_in\",\"info\":\"log in first, or take a guest's name\"}}\n"},
		{name: "a guest", args: []string{url, "--name", "bob", "whoami"}, out: "user,bob\n"},
		{name: "an account", args: []string{url, "--name", "alice", "--password-file", password, "whoami"}, out: "user,alice\n"},
		{name: "an account by the environment", args: []string{url, "--name", "ALICE", "whoami"}, env: "correct horse", out: "user,alice\n"},
		{name: "arguments as they are", args: []string{url, "--name", "bob", "topic", "lobby", "--", "--json"}, code: 1, errs: "not_a_member"},
		{name: "a wrong password", args: []string{url, "--name", "alice", "whoami"}, env: "wrong", code: 4, errs: "wrong_user_or_password"},
		{name: "a name in use", args: []string{url, "--name", "held", "whoami"}, code: 4, errs: "name_taken"},
		{name: "no command", args: []string{url}, code: 2, errs: "parley --help"},
		{name: "no address", args: []string{"there", "nop"}, code: 2, errs: "text://host:port"},
		{name: "another protocol", args: []string{"line://" + server.line, "nop"}, code: 2, errs: "text://host:port"},
		{name: "a password for nobody", args: []string{url, "--password-file", password, "nop"}, code: 2, errs: "--name"},
		{name: "no such file", args: []string{url, "--name", "alice", "--password-file", password + "x", "nop"}, code: 2, errs: "password"},
		{name: "two passwords", args: []string{url, "--name", "alice", "--ask-password", "--password-file", password, "nop"}, code: 2, errs: "not both"},
		{name: "asked for off a terminal", args: []string{url, "--name", "alice", "--ask-password", "nop"}, code: 2, errs: "at a terminal"},
		{name: "not reachable", args: []string{"text://127.0.0.1:1", "nop"}, code: 5, errs: "refused"},
		{name: "no answer", args: []string{"text://" + silent.Addr().String(), "nop", "--timeout", "50ms"}, code: 124, errs: "within 50ms"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("PARLEY_PASSWORD", tt.env)
			code, out, errs := program(t.Context(), append([]string{"do"}, tt.args...)...)
			if code != tt.code || out != tt.out || !strings.Contains(errs, tt.errs) || tt.errs == "" && errs != "" {
				t.Errorf("exit code %d, output %q, errors %q; want %d, %q and %q", code, out, errs, tt.code, tt.out, tt.errs)
			}
		})
	}
}

// TestDoShowsNoControls prints what a room's topic holds, which anybody may set.
func TestDoShowsNoControls(t *testing.T) {
	server := serveChild(t, filepath.Join(t.TempDir(), "data"))
	bob := guest(t, server.text, "bob")
	bob.must(t, "join", "lobby")
	bob.must(t, "topic", "lobby", "a\x1b[2J\nb,c")
	_, out, _ := program(t.Context(), "do", "text://"+server.text, "--name", "carol", "topic", "lobby")
	if want := `topic,a\u001b[2J\nb\,c` + "\n"; out != want {
		t.Errorf("printed %q, want %q", out, want)
	}
}
