package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
)

// TestCommandLine starts the program with words that end it at once.
func TestCommandLine(t *testing.T) {
	taken := serveChild(t, t.TempDir())
	for _, tt := range []struct {
		name      string
		args      []string
		code      int
		out, errs string // parts of what is printed
	}{
		{name: "nothing", code: 0, out: "Available Commands"},
		{name: "help", args: []string{"serve", "--help"}, code: 0, out: "--durability"},
		{name: "an unknown command", args: []string{"serf"}, code: 2, errs: "serf"},
		{name: "an unknown flag", args: []string{"serve", "--fast"}, code: 2, errs: "--fast"},
		{name: "words too many", args: []string{"serve", "now"}, code: 2, errs: "now"},
		{name: "a setting that cannot be", args: []string{"serve", "--kill", "maybe"}, code: 2, errs: "kill is \"maybe\""},
		{name: "a door that does not exist", args: []string{"serve", "--irc", "127.0.0.1:6667"}, code: 2, errs: "irc"},
		{name: "a public address", args: []string{"serve", "--text", "0.0.0.0:0"}, code: 2, errs: "--insecure"},
		{name: "no such file", args: []string{"serve", "--config", filepath.Join(t.TempDir(), "none.toml")}, code: 2, errs: "none.toml"},
		{name: "an address in use", args: []string{"serve", "--data", t.TempDir(), "--line", "off", "--text", taken.text}, code: 1, errs: "open the text door"},
		{name: "console without an address", args: []string{"console"}, code: 2, errs: "needs one address"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out, errs bytes.Buffer
			code := run(t.Context(), tt.args, nil, strings.NewReader(""), &out, &errs)
			if code != tt.code || !strings.Contains(out.String(), tt.out) || !strings.Contains(errs.String(), tt.errs) {
				t.Errorf("parley %q: exit %d, out %q, errors %q; want %d, %q, %q", tt.args, code, &out, &errs, tt.code, tt.out, tt.errs)
			}
		})
	}
}
