package console

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/parley-chat/parley/wire/textwire"
)

func TestSlashed(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{"dice 2d6", "dice,2d6"},
		{"  dice   2d6  ", "dice,2d6"},
		{`say lobby "tea, or coffee?"`, `say,lobby,tea\, or coffee?`},
		{`say lobby ""`, "say,lobby,"},
		{`say lobby "a \"b\" \\ \c"`, `say,lobby,a "b" \\ \\c`},
		{`say lobby C:\x it"s 5"`, `say,lobby,C:\\x,it"s,5"`},
		{`"dice"`, "dice"},
		{"/x", "/x"},
		{"é\tü ö", "é\tü,ö"},
	} {
		if got, err := slashed(tt.line); got != tt.want || err != nil {
			t.Errorf("slashed(%q) = %q, %v, want %q", tt.line, got, err, tt.want)
		}
	}
	for line, want := range map[string]error{
		"": errNoWord, "  ": errNoWord, `""`: errNoWord, `"" x`: errNoWord,
		`say "x`: errOpenQuote, `say "`: errOpenQuote, `say "x\"`: errOpenQuote, `say "x\`: errOpenQuote,
		`say "x"y`: errNoSpace, `say "x""y"`: errNoSpace,
	} {
		if got, err := slashed(line); !errors.Is(err, want) {
			t.Errorf("slashed(%q) = %q, %v, want %v", line, got, err, want)
		}
	}
}

// Whatever the words are, there is a way to type them.
func TestAllWordsCanBeSlashed(t *testing.T) {
	escapes := strings.NewReplacer(`"`, `\"`, `\`, `\\`)
	rapid.Check(t, func(t *rapid.T) {
		words := append([]string{"dice"}, rapid.SliceOfN(rapid.StringMatching(`[a", \\]{0,6}`), 0, 4).Draw(t, "words")...)
		line := ""
		for _, word := range words {
			line += ` "` + escapes.Replace(word) + `"`
		}
		data, err := slashed(line)
		if err != nil {
			t.Fatalf("slashed(%q): %v", line, err)
		}
		if got, err := textwire.Parse([]byte(data), len(words)); err != nil || !slices.Equal(got, words) {
			t.Fatalf("slashed(%q) = %q, which is %q, %v", line, data, got, err)
		}
	})
}

func TestSlashesInAPipe(t *testing.T) {
	for _, tt := range []struct {
		name, input string
		opts        Options
		out, notice string
		code        int
	}{
		{name: "a command", input: "/whoami\n/guest \"a, b\"\nwhoami\n", opts: Options{Name: "bob"}, out: "user,bob\nok\n" + `user,a\, b` + "\n"},
		{name: "req", input: "/req 7 whoami\n", opts: Options{Name: "bob"}, out: "req,7,user,bob\n"},
		{name: "the menu, and the end", input: "/M\n/exit\nwhoami\n", opts: Options{Name: "bob"}, out: textMenu + "\n"},
		{name: "nothing", input: "/\nnop\n", notice: "not sent: there is no command behind the /", out: "\n", code: ExitError},
		{name: "an open quote", input: "/say \"x\nnop\n", notice: "a double quote is not closed", out: "\n", code: ExitError},
		{name: "not UTF-8", input: "/say \xff\nnop\n", notice: "not UTF-8", out: "\n", code: ExitError},
		{
			name: "raw, it is data", input: "/whoami x\n", opts: Options{Raw: true},
			out: "error,nonfatal,command_not_found,no such command: /whoami x\n", code: ExitError,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.opts.URL = listen(t, textServe(nil)).url("text")
			wantPiped(t, tt.opts, tt.input, tt.out, tt.notice, tt.code)
		})
	}
}
