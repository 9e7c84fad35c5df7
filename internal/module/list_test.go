package module

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestSplitWords(t *testing.T) {
	for _, tt := range []struct {
		line string
		want []string
		err  error
	}{
		{line: ""},
		{line: " \t "},
		{line: "# dice is off"},
		{line: "  # so is this", want: nil},
		{line: "dice dice.py", want: []string{"dice", "dice.py"}},
		{line: "\tdice   dice.py\t6 ", want: []string{"dice", "dice.py", "6"}},
		{line: `a 'b c' d`, want: []string{"a", "b c", "d"}},
		{line: `a "b c" d`, want: []string{"a", "b c", "d"}},
		{line: `a b\ c`, want: []string{"a", "b c"}},
		{line: `a '' ""`, want: []string{"a", "", ""}},
		{line: `a x'y'"z"`, want: []string{"a", "xyz"}},
		{line: `a 'it'\''s'`, want: []string{"a", "it's"}},
		{line: `a 'b\'`, want: []string{"a", `b\`}},
		{line: `a "b\"c\\d\e"`, want: []string{"a", `b"c\d\e`}},
		{line: `a $HOME * ~ ; | & > x`, want: []string{"a", "$HOME", "*", "~", ";", "|", "&", ">", "x"}},
		{line: `a b#c #d`, want: []string{"a", "b#c"}},
		{line: `a \#d '#e'`, want: []string{"a", "#d", "#e"}},
		{line: `a \é`, want: []string{"a", "é"}},
		{line: `a 'b`, err: errQuote},
		{line: `a "b`, err: errQuote},
		{line: `a "b\"`, err: errQuote},
		{line: `a b\`, err: errBackslash},
		{line: "a b\x00c", err: errText},
		{line: "a b\xff", err: errText},
	} {
		got, err := splitWords(tt.line)
		if !slices.Equal(got, tt.want) || !errors.Is(err, tt.err) {
			t.Errorf("splitWords(%q) = %q, %v; want %q, %v", tt.line, got, err, tt.want, tt.err)
		}
	}
}

// quote writes words so that splitWords gives them back.
func quote(words []string) string {
	var line []string
	for _, word := range words {
		line = append(line, "'"+strings.ReplaceAll(word, "'", `'\''`)+"'")
	}
	return strings.Join(line, " ")
}

func FuzzSplitWords(f *testing.F) {
	for _, line := range []string{"", "dice dice.py", `a 'b c' "d\"e" f\ g # h`, `a "`, `\`, "a\x00", "'\n'"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words, err := splitWords(line)
		if err != nil {
			return
		}
		if size := len(strings.Join(words, "")); size > len(line) {
			t.Fatalf("splitWords(%q) has %d bytes in its words", line, size)
		}
		again, err := splitWords(quote(words))
		if err != nil || !slices.Equal(again, words) {
			t.Fatalf("splitWords(%q) = %q; quoted, it is %q, %v", line, words, again, err)
		}
	})
}

func TestParseList(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string // the modules, as "name: words"
		log        []string // parts of what is logged, one a line
	}{
		{name: "nothing"},
		{name: "comments", text: "# a\n\n  # b\n"},
		{name: "two", text: "dice dice.py\r\npoll node 'poll 2.js'", want: []string{"dice: dice.py", "poll: node|poll 2.js"}},
		{name: "a comment behind", text: "dice dice.py # rolls\n", want: []string{"dice: dice.py"}},
		{name: "no program", text: "dice\nx2 y\n", want: []string{"x2: y"}, log: []string{"line=1 err=\"the module dice has no program"}},
		{name: "an empty program", text: "dice ''\n", log: []string{"line=1"}},
		{name: "a quote", text: "\n\ndice 'dice.py\n", log: []string{"line=3 err=\"a quote"}},
		{name: "a reserved name", text: "server x\n", log: []string{"line=1 err=\"\\\"server\\\" cannot be"}},
		{name: "no name", text: "di,ce x\na.b x\n../x y\n", log: []string{"line=1", "line=2", "line=3"}},
		{name: "a short name", text: "d x\n", log: []string{"too short"}},
		{name: "twice", text: "dice a\nDice b\n", want: []string{"dice: a"}, log: []string{"line=2 err=\"there is a module Dice already"}},
		{name: "too many", text: "m1 x\nm2 x\nm3 x\nm4 x\n", want: []string{"m1: x", "m2: x", "m3: x"}, log: []string{"line=4"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			var got []string
			for _, m := range parseList(tt.text, 3, slog.New(slog.NewTextHandler(&out, nil))) {
				got = append(got, m.name.String()+": "+strings.Join(m.words, "|"))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
			if out.Len() == 0 {
				lines = nil
			}
			if !slices.EqualFunc(lines, tt.log, strings.Contains) {
				t.Errorf("logged %q, want %q", lines, tt.log)
			}
		})
	}
}

func TestReadList(t *testing.T) {
	limits := DefaultLimits()
	limits.List = 20
	dir := t.TempDir()
	if list, err := readList(dir, &limits, slog.New(slog.DiscardHandler)); err != nil || list != nil {
		t.Errorf("without a file: %v, %v", list, err)
	}
	for text, want := range map[string]bool{"dice 345678901234567": true, "dice 3456789012345678": false} {
		if err := os.WriteFile(filepath.Join(dir, listName), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if list, err := readList(dir, &limits, slog.New(slog.DiscardHandler)); (err == nil && len(list) == 1) != want {
			t.Errorf("%d bytes: %v, %v; want one: %v", len(text), list, err, want)
		}
	}
}
