package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/parley-chat/parley/internal/config"
)

func load(t *testing.T, file string, environ []string, args ...string) (config.Config, error) {
	t.Helper()
	path := ""
	if file != "" {
		path = filepath.Join(t.TempDir(), "parley.toml")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	config.Flags(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return config.Load(path, environ, flags)
}

func TestFlagsOverEnvironmentOverFileOverDefaults(t *testing.T) {
	const file = "kill = 'never'\nline = '127.0.0.1:1'\ntext = '127.0.0.1:2'\nrooms = ['a', 'b']\n[timeouts]\nsession = '0s'\n"
	environ := []string{"PARLEY_LINE=127.0.0.1:3", "PARLEY_TEXT=127.0.0.1:4", "PARLEY_TIMEOUTS_REQUEST=3s", "PARLEY_PASSWORD=of a client", "HOME=/"}
	c, err := load(t, file, environ, "--text", "127.0.0.1:5")
	if err != nil {
		t.Fatal(err)
	}
	got := []string{c.Text, c.Line, c.Kill, c.Durability, strings.Join(c.Rooms, " ")}
	want := []string{"127.0.0.1:5", "127.0.0.1:3", "never", "full", "a b"}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %q, want %q", got, want)
			break
		}
	}
	limits, err := c.ParleyLimits()
	if err != nil || limits.Request != 3*time.Second || limits.Session != 0 {
		t.Errorf("timeouts %v and %v, %v; want 3s and 0", limits.Request, limits.Session, err)
	}
}

func TestRefusedSettings(t *testing.T) {
	for _, tt := range []struct {
		name, file string
		environ    []string
		args       []string
		want       string // part of the error
	}{
		{name: "unknown key", file: "kill = 'auto'\n\nkil = 'auto'\n", want: "parley.toml:3: there is no setting kil"},
		{name: "unknown key in a table", file: "[limits]\nframes = 1\n", want: "parley.toml:2: there is no setting limits.frames"},
		{name: "no TOML", file: "kill = \n", want: "parley.toml:1:"},
		{name: "wrong type", file: "rooms = 3\n", want: "parley.toml:1:"},
		{name: "unknown policy", args: []string{"--kill", "maybe"}, want: "kill is \"maybe\""},
		{name: "unknown durability", environ: []string{"PARLEY_DURABILITY=some"}, want: "durability is"},
		{name: "a door that does not exist", args: []string{"--irc", "127.0.0.1:6667"}, want: "irc is"},
		{name: "no duration", environ: []string{"PARLEY_TIMEOUTS_SESSION=soon"}, want: "timeouts.session"},
		{name: "tiny frames", file: "[limits]\nframe = 100\n", want: "limits.frame"},
		{name: "public without a word", args: []string{"--text", "0.0.0.0:7700"}, want: "--insecure"},
		{name: "every address", args: []string{"--line", ":7701"}, want: "--insecure"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := load(t, tt.file, tt.environ, tt.args...); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestAllowedSettings(t *testing.T) {
	for _, args := range [][]string{
		{"--text", "off", "--irc", "off", "--http", "off"},
		{"--text", "[::1]:7700"},
		{"--line", "unix:/tmp/socket"},
		{"--line", "0.0.0.0:7701", "--insecure"},
		{"--line", "localhost:7701"},
	} {
		if _, err := load(t, "", nil, args...); err != nil {
			t.Errorf("%q: %v", args, err)
		}
	}
}
