package console

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/parley-chat/parley/wire/linewire"
	"github.com/parley-chat/parley/wire/textwire"
)

func TestSplitter(t *testing.T) {
	long := strings.Repeat("x", 600)
	const quiet = "<quiet>" // for as long as it takes
	tests := []struct {
		name  string
		reads []string
		want  []string
	}{
		{"lines", []string{"Welcome\nRooms a\r\n"}, []string{"Welcome", "Rooms a"}},
		{"a line in pieces", []string{"Wel", "come\nRoo", "ms a\n"}, []string{"Welcome", "Rooms a"}},
		{"empty lines", []string{"\n\n"}, []string{"", ""}},
		{"bare", []string{"Welcome", quiet, "Joined a", "Verified"}, []string{"Welcome", "Joined a", "Verified"}},
		{"bare, the first two together", []string{"Wel", "come", quiet}, []string{"Welcome"}},
		{"bare, inside a character", []string{"a", quiet, "caf\xc3", "\xa9", "b"}, []string{"a", "café", "b"}},
		{"bare, a full read", []string{"a", quiet, long, "yy", quiet, "b"}, []string{"a", long + "yy", "b"}},
		{"bare, LF inside", []string{"a", quiet, "b\nc", "d"}, []string{"a", "b", "c", "d"}},
		{"lines, then one bare", []string{"a\n", "NAMEERROR", quiet}, []string{"a", "NAMEERROR"}},
		{"bare, then lines", []string{"a", quiet, "b\n", "c", "d\n"}, []string{"a", "b", "cd"}},
		{"the end without LF", []string{"a\nb"}, []string{"a", "b"}},
		{"without end", []string{strings.Repeat("x", longestRest+1), "y"}, []string{strings.Repeat("x", longestRest+1), "y"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var s splitter
			var got []string
			now := time.Unix(0, 0)
			for _, read := range tt.reads {
				if read != quiet {
					got = append(got, s.push([]byte(read), now)...)
					continue
				}
				if _, ok := s.late(now); ok {
					t.Fatal("it did not wait")
				}
				now = s.due
				if message, ok := s.late(now); ok {
					got = append(got, message)
				}
			}
			if message, ok := s.end(); ok {
				got = append(got, message)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("messages of %q (-want +got):\n%s", tt.reads, diff)
			}
		})
	}
}

func TestSplitterLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s splitter
		var sent, got strings.Builder
		now := time.Unix(0, 0)
		for _, read := range rapid.SliceOf(rapid.StringMatching(`[aé\n]{0,6}`)).Draw(t, "reads") {
			sent.WriteString(read)
			got.WriteString(strings.Join(s.push([]byte(read), now), ""))
			now = now.Add(time.Duration(rapid.IntRange(0, 600).Draw(t, "pause")) * time.Millisecond)
			message, _ := s.late(now)
			got.WriteString(message)
		}
		message, _ := s.end()
		got.WriteString(message)
		if want := strings.ReplaceAll(sent.String(), "\n", ""); got.String() != want {
			t.Fatalf("%q came out as %q", want, got.String())
		}
	})
}

func TestRooms(t *testing.T) {
	tests := []struct {
		name string
		says []string // > typed, < received
		want []string
	}{
		{"ours", []string{"> join b a", "< Joined b (ok) a (ok)"}, []string{"a", "b"}},
		{"ours, refused", []string{"> join x a", "< Joined x (no such room) a (not joined)"}, nil},
		{"ours, a room called ok", []string{"> join room ok x", "< Joined x (no such room) ok (not joined) room (not joined)"}, nil},
		{"ours, left in part", []string{"> join a b", "< Joined a (ok) b (ok)", "> leave a x", "< Left a (ok) x (no such room)"}, []string{"b"}},
		{"bare names", []string{"> join a b", "< Joined a b", "> leave a", "< Left a"}, []string{"b"}},
		{"bare names nobody asked for", []string{"< Joined lobby games"}, []string{"games", "lobby"}},
		{"with a word behind", []string{"> join a", "< Joined a successfully"}, []string{"a"}},
		{"with a colon", []string{"> join a b", "< Joined: a, b"}, []string{"a", "b"}},
		{"Python list", []string{"> join a b", "< Joined ['a', 'b']"}, []string{"a", "b"}},
		{"Python tuples", []string{"> join a b", "< Joined [('a', 'ok'), ('b', 'failed')]"}, []string{"a"}},
		{"Python dict", []string{"> join a b", "< Joined {'a': 'success', 'b': 'no such room'}"}, []string{"a"}},
		{"there already", []string{"> join a", "< Joined a (already joined)"}, []string{"a"}},
		{"twice", []string{"> join a", "< Joined a (ok)", "> join a", "< Joined a (ok)"}, []string{"a"}},
		{"nothing behind", []string{"< Joined", "< Left "}, nil},
		{"a user called Joined", []string{"> join a", "< Joined says in room a hi", "< Joined whispers to you a"}, nil},
		{"another case", []string{"> join Lobby", "< Joined lobby (ok)"}, []string{"lobby"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r rooms
			for _, say := range tt.says {
				if line, ok := strings.CutPrefix(say, "> "); ok {
					r.typed(line)
				} else {
					r.heard(say[2:])
				}
			}
			if !slices.Equal(r.in, tt.want) {
				t.Errorf("after %q in %q, want %q", tt.says, r.in, tt.want)
			}
		})
	}
}

func TestRoomsAreBounded(t *testing.T) {
	var r rooms
	rapid.Check(t, func(t *rapid.T) {
		r.heard("Joined " + strings.Join(rapid.SliceOfN(rapid.StringMatching(`[a-z]{6}`), 500, 900).Draw(t, "rooms"), " "))
		if len(r.in) > mostRooms || !slices.IsSorted(r.in) {
			t.Fatalf("%d rooms", len(r.in))
		}
	})
}

func TestIsRefused(t *testing.T) {
	tests := map[string]bool{
		"Error: nothing":                             true,
		"Error says in room a hi":                    false,
		"Created a (ok)":                             false,
		"Created a (ok) b (already exists)":          true,
		"Created b (name already in use and active)": true,
		"Joined x (no such room) a (not joined)":     true,
		"Left a (ok)":                                false,
		"Left a (not a member)":                      true,
		"Joined ['a']":                               false,
		"Joined":                                     false,
		"Left says in room a (hi)":                   false,
		"Rooms a (b)":                                false,
	}
	for message, want := range tests {
		if got := isRefused(message); got != want {
			t.Errorf("isRefused(%q) = %v, want %v", message, got, want)
		}
	}
}

func TestLinePrompt(t *testing.T) {
	long := strings.Repeat("x", 30)
	tests := []struct {
		name string
		in   []string
		want string
	}{
		{"alice", nil, "alice> "},
		{"alice", []string{"games", "lobby"}, "alice [games lobby]> "},
		{"alice", []string{"a", long, long + "y", "z"}, "alice [a " + long + " z +1]> "},
		{"alice", []string{long + long}, "alice [+1]> "},
		{"al\x1b", []string{"a\x1bb"}, "al� [a�b]> "},
	}
	for _, tt := range tests {
		if got := linePrompt(tt.name, tt.in); got != tt.want {
			t.Errorf("linePrompt(%q, %q) = %q, want %q", tt.name, tt.in, got, tt.want)
		}
	}
}

// TestFence plays a server that knows some commands and not others, and checks
// that a fence is never passed before one of its words is answered, always in
// the end, and that what is shown adds up.
func TestFence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOf(rapid.SampledFrom([]string{
			"foo", "rooms", "rooms x", "join a", "join", "JOIN a", "members a b", "send a - b", "", "exit now",
		}))
		var f fence
		byLines := 0 // "Verified" that lines caused
		show := 0
		for range rapid.IntRange(1, 4).Draw(t, "fences") {
			answers := 0
			for _, line := range lines.Draw(t, "lines") {
				f.line(line)
				u := useOf(line)
				if u == unknown || u != known && rapid.Bool().Draw(t, "verified") {
					answers++
					byLines++
				}
			}
			words := f.stand()
			for i := range answers + words {
				if f.passed() && i <= answers {
					t.Fatalf("passed after %d, before a word was answered", i)
				}
				if f.verified() {
					show++
				}
			}
			if !f.passed() {
				t.Fatalf("%d lines and %d words answered, and not passed: %+v", answers, words, f)
			}
			if f.exact() {
				if show != byLines {
					t.Fatalf("%d shown, %d were answers: %+v", show, byLines, f)
				}
				f, show, byLines = fence{}, 0, 0
			}
		}
		// What was shown too early cannot be taken back.
		if got, most := show+f.owed(), byLines+f.likely; got < byLines || got > most {
			t.Fatalf("%d shown in the end, %d were answers: %+v", got, byLines, f)
		}
	})
}

func TestUseOf(t *testing.T) {
	tests := map[string]use{
		"rooms": known, "rooms ": known, " rooms": known, "new a b": known, "send a - b": known, "tell a b": known,
		"foo": unknown, "Verified": unknown, "sync-abc": unknown, "hello join": unknown,
		"rooms x": likely, "kill now": likely, "JOIN a": likely, "joinery": likely, "join\ta": likely,
		"join": unlikely, "members a b": unlikely, "send a b": unlikely, "tell a": unlikely,
	}
	for line, want := range tests {
		if got := useOf(line); got != want {
			t.Errorf("useOf(%q) = %d, want %d", line, got, want)
		}
	}
}

// isSafe tells whether nothing in a shown text can drive a terminal or begin a
// line.
func isSafe(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '\t' && unicode.IsControl(r) || r == '\u2028' || r == '\u2029'
	})
}

func TestShownIsSafe(t *testing.T) {
	hostile := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOf(rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
			"\x1b[2J", "\n", "\r", "\u009b", "\u2028", "\xff", "\t", "\x00", "room", "history", "help", "left", "text", "call",
		}))).Draw(t, "parts"), "")
	})
	rapid.Check(t, func(t *rapid.T) {
		fields := rapid.SliceOfN(hostile, 1, 9).Draw(t, "fields")
		fields[0] = rapid.SampledFrom([]string{fields[0], "room", "send", "help", "history", "topic", "left", "told", "call"}).Draw(t, "head")
		if s := Escaped(fields); !isSafe(s) || strings.Contains(s, "\t") {
			t.Fatalf("Escaped(%q) = %q", fields, s)
		}
		if s := escapeControls(fields[0]); !isSafe(s) {
			t.Fatalf("escapeControls(%q) = %q", fields[0], s)
		}
		for _, text := range []string{answerLines(fields), pushLines(fields)} {
			for i, line := range strings.Split(text, "\n") {
				if !isSafe(line) {
					t.Fatalf("%q is shown as %q", fields, line)
				}
				if text == pushLines(fields) && !strings.HasPrefix(line, "* ") {
					t.Fatalf("line %d of the push %q has no mark: %q", i, fields, line)
				}
			}
		}
	})
}

func TestEscapedComesBack(t *testing.T) {
	unescape := strings.NewReplacer(`\,`, `\,`, `\\`, `\\`, `\n`, "\n", `\r`, "\r", `\t`, "\t", `\u001b`, "\x1b", `\u0000`, "\x00")
	rapid.Check(t, func(t *rapid.T) {
		field := rapid.StringMatching("[a,\\\\\n\r\t\x1b\x00nr]{0,8}")
		fields := rapid.SliceOfN(field, 1, 4).Draw(t, "fields")
		got, err := textwire.Parse([]byte(unescape.Replace(Escaped(fields))), 9)
		if diff := cmp.Diff(fields, got); diff != "" || err != nil {
			t.Fatalf("Escaped(%q) = %q, read back %q, %v", fields, Escaped(fields), got, err)
		}
	})
}

func TestPushLines(t *testing.T) {
	tests := []struct{ data, want string }{
		{`room,lobby,bob,1-1,2026,hi\, all`, "* room lobby <bob> hi, all"},
		{"room,lobby,bob,1-1,2026,one\r\n\ntwo\x1b", "* room lobby <bob> one\n* room lobby <bob> two�"},
		{"send,bob,text,psst", "* bob whispers: psst"},
		{"send,bob,play,b5", "* send,bob,play,b5"},
		{"told,bob,al,1-1,2026,psst", "* bob tells al: psst"},
		{"joined,lobby,bob", "* bob joined lobby"},
		{"left,lobby,bob", "* bob left lobby"},
		{"left,lobby,bob,bye%s", "* bob left lobby: bye%s"},
		{"left,lobby,bob,", "* bob left lobby:"},
		{"topic,lobby,bob,tea", "* bob set the topic of lobby: tea"},
		{"deleted,lobby,bob", "* bob deleted the room lobby"},
		{`call,7,light,bob,on,a\, b`, `* bob asks: light,on,a\, b  (answer with return,7,ANSWER)`},
		{"call,7,help,", "* somebody without a name asks: help  (answer with return,7,ANSWER)"},
		{"call,7,a\nb\x1b,c\rd,\x07", `* c�d asks: a\nb\u001b,\u0007  (answer with return,7,ANSWER)`},
		{"call,7,light", "* call,7,light"},
		{"room,too,few", "* room,too,few"},
		{"a,b", "* a,b"},
		{"", "* "},
	}
	for _, tt := range tests {
		fields, err := textwire.Parse([]byte(tt.data), 9)
		if err != nil {
			t.Fatal(err)
		}
		if got := pushLines(fields); got != tt.want {
			t.Errorf("pushLines(%q) = %q, want %q", tt.data, got, tt.want)
		}
	}
}

func TestAnswerLines(t *testing.T) {
	tests := []struct {
		fields []string
		want   string
	}{
		{nil, "(empty)"},
		{[]string{"user", "a,b"}, `user,a\,b`},
		{[]string{"help", "whoami"}, "help,whoami"},
		{[]string{"help", "nop: nothing", "whoami: who"}, "help\n  nop: nothing\n  whoami: who"},
		{[]string{"history"}, "history"},
		{[]string{"history", "1", "2026", "bob", "one\ntwo"}, "history\n  1 2026 <bob> one\n  1 2026 <bob> two"},
		{[]string{"history", "odd"}, "history,odd"},
	}
	for _, tt := range tests {
		if got := answerLines(tt.fields); got != tt.want {
			t.Errorf("answerLines(%q) = %q, want %q", tt.fields, got, tt.want)
		}
	}
}

func TestHistory(t *testing.T) {
	var h history
	for _, line := range []string{"whoami", "", "login,bob,secret", "req,1,register,bob,secret", "req,1,req,2,passwd,a,b", "nop", "nop", "/login bob secret", `/req 1 "login" bob secret`, "send,bob,login,x", "/send bob login", "/dice 2d6"} {
		h.Add(line)
	}
	h.off = true
	h.Add("Y")
	want := []string{"whoami", "nop", "send,bob,login,x", "/dice 2d6"} // nor what may hold a password behind a slash
	if !slices.Equal(h.entries, want) || h.At(0) != want[3] {
		t.Errorf("the history holds %q, want %q", h.entries, want)
	}
	h.off = false
	for i := range 2 * historyEntries {
		h.Add(strings.Repeat("a", i+1))
	}
	if h.Len() != historyEntries || len(h.At(0)) != 2*historyEntries {
		t.Errorf("the history holds %d lines", h.Len())
	}
}

func TestNameProblem(t *testing.T) {
	for _, name := range []string{"alice", "éééééééééééééééééééé", "a b"} {
		if why := nameProblem(name); why != "" {
			t.Errorf("nameProblem(%q) = %q", name, why)
		}
	}
	for _, name := range []string{"", " ", "a\tb", "a\nb", "a\xff", strings.Repeat("a", 21), linewire.NameError + "aaaaaaaaaaaa"} {
		if nameProblem(name) == "" {
			t.Errorf("nameProblem(%q) finds none", name)
		}
	}
}

func TestRequestsWithOneIDComeInOrder(t *testing.T) {
	r := requests{prefix: "c"}
	now := time.Unix(1, 0)
	r.add(hidden, now)
	r.addTyped("c1", now.Add(1))
	r.add(wrapped, now.Add(2))
	for i, want := range []purpose{hidden, asTyped} {
		if got, ok := r.answered("c1"); got != want || !ok {
			t.Errorf("answer %d of c1 is for %d, %v; want %d", i, got, ok, want)
		}
	}
	if _, ok := r.answered("c1"); ok || r.open() != 1 || !r.oldest().Equal(now.Add(2)) {
		t.Errorf("left: %+v", r)
	}
	r.fatal()
	if r.open() != 0 || !r.oldest().IsZero() || len(r.byID) != 0 {
		t.Errorf("left: %+v", r)
	}
	r.fatal()
}
