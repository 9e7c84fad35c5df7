package conformance

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestMatch(t *testing.T) {
	tests := []struct {
		name, pattern, text string
		want                bool
		bound               map[string]string
	}{
		{name: "literal", pattern: "ok", text: "ok", want: true},
		{name: "literal and more", pattern: "ok", text: "ok,", want: false},
		{name: "empty", pattern: "", text: "", want: true},
		{name: "empty, and something came", pattern: "", text: "x", want: false},
		{name: "star", pattern: "error,nonfatal,syntax,*", text: "error,nonfatal,syntax,usage: a\\, b\nc", want: true},
		{name: "star for nothing", pattern: "Welcome*", text: "Welcome", want: true},
		{name: "star in the middle", pattern: "a*c*", text: "abcbd", want: true},
		{name: "stars that lead nowhere", pattern: "a*b*c", text: "abab", want: false},
		{name: "star before a literal at the end", pattern: "*b", text: "abcb", want: true},
		{name: "literal star", pattern: `\*a`, text: "*a", want: true},
		{name: "literal star for something else", pattern: `\*a`, text: "xa", want: false},
		{name: "backslashes of the protocol", pattern: `a\,b\\`, text: `a\,b\\`, want: true},
		{name: "backslash before a star", pattern: `a{\\}*`, text: `a\b`, want: true},
		{name: "fresh name", pattern: "user,$alice", text: "user,alicexyz234", want: true},
		{name: "other fresh name", pattern: "user,$alice", text: "user,alicexyz235", want: false},
		{name: "value", pattern: "ok,{id},{t}", text: "ok,17,now", want: true, bound: map[string]string{"id": "17", "t": "now"}},
		{name: "value may not be empty", pattern: "ok,{id},*", text: "ok,,now", want: false},
		{name: "value has no comma", pattern: "ok,{id}", text: "ok,a,b", want: false},
		{name: "value has no space", pattern: "{a} says", text: "al ice says", want: false},
		{name: "value twice", pattern: "{a},{a}", text: "x,x", want: true, bound: map[string]string{"a": "x"}},
		{name: "value twice, not the same", pattern: "{a},{a}", text: "x,y", want: false},
		{name: "values side by side", pattern: "{a}{b}", text: "xyz", want: true, bound: map[string]string{"a": "xy", "b": "z"}},
		{name: "known value", pattern: "{known}*", text: "seven of nine", want: true},
		{name: "known value, another came", pattern: "{known}", text: "eight", want: false},
		{name: "time", pattern: "{t:time},", text: "2026-01-02T03:04:05.678Z,", want: true, bound: map[string]string{"t": "2026-01-02T03:04:05.678Z"}},
		{name: "time without milliseconds", pattern: "{t:time}", text: "2026-01-02T03:04:05Z", want: false},
		{name: "time elsewhere", pattern: "{t:time}", text: "2026-01-02T03:04:05.678+01:00", want: false},
		{name: "text", pattern: "error,{info:text}", text: "error,a, b", want: true, bound: map[string]string{"info": "a, b"}},
		{name: "generated", pattern: "{3*ab}", text: "ababab", want: true},
		{name: "escapes", pattern: `hi{\r\n\x1b\u2028}`, text: "hi\r\n\x1b\u2028", want: true},
		{name: "generated escapes", pattern: `{2*\xff}`, text: "\xff\xff", want: true},
		{name: "dollar and brace", pattern: "$${{}", text: "${}", want: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			pattern, err := compile(tt.pattern, true)
			if err != nil {
				t.Fatalf("compile(%q): %v", tt.pattern, err)
			}
			w := world{unique: "xyz234", values: map[string]string{"known": "seven"}}
			if got := pattern.match(tt.text, w); got != tt.want {
				t.Fatalf("%q like %q = %t, want %t", tt.text, tt.pattern, got, tt.want)
			}
			delete(w.values, "known")
			if tt.bound == nil {
				tt.bound = map[string]string{}
			}
			if diff := cmp.Diff(tt.bound, w.values); diff != "" {
				t.Errorf("%q like %q bound other values (-want +got):\n%s", tt.text, tt.pattern, diff)
			}
		})
	}
}

func TestFill(t *testing.T) {
	w := world{unique: "xyz234", values: map[string]string{"id": "17"}}
	tests := []struct{ name, in, want string }{
		{"stars are data", `a*\*b`, `a*\*b`},
		{"protocol syntax is data", `send,$bob,a\,b\\`, `send,bobxyz234,a\,b\\`},
		{"value", "history,@$bob,before,{id}", "history,@bobxyz234,before,17"},
		{"another spelling of a name", "$BOB-x", "BOBxyz234-x"},
		{"name of one letter", "$a$b", "axyz234bxyz234"},
		{"nothing", "", ""},
		{"no repetition", "{0*x}", ""},
		{"quote in escapes", `{\x22"}`, `""`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			data, err := compile(tt.in, false)
			if err != nil {
				t.Fatalf("compile(%q): %v", tt.in, err)
			}
			if got, err := data.fill(w); got != tt.want || err != nil {
				t.Errorf("%q stands for %q, %v; want %q", tt.in, got, err, tt.want)
			}
		})
	}
	unbound, err := compile("{nobody}", false)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := unbound.fill(w); err == nil {
		t.Errorf("{nobody} stands for %q, want an error", got)
	}
}

func TestCompileRefuses(t *testing.T) {
	tests := []struct {
		name, in, want string
		pattern        bool
	}{
		{name: "lone dollar", in: "a$", want: "write $$"},
		{name: "dollar before a digit", in: "$1", want: "write $$"},
		{name: "open brace", in: "{id", want: "write {{"},
		{name: "empty braces", in: "{}", want: "is not {name}"},
		{name: "no name", in: "{a b}", want: "is not {name}"},
		{name: "no number", in: "{x*y}", want: "not a number of repetitions"},
		{name: "too much", in: "{99999999*ab}", want: "makes more than"},
		{name: "no escape", in: `{\q}`, want: "escapes of Go"},
		{name: "no escape in a repetition", in: `{2*\}`, want: "escapes of Go"},
		{name: "unknown class", in: "{a:number}", want: "{a:time}", pattern: true},
		{name: "class in what is sent", in: "{a:time}", want: "only the first"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := compile(tt.in, tt.pattern)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("compile(%q) = %v, want an error with %q", tt.in, err, tt.want)
			}
		})
	}
}

// What was recorded must be true the next time, whatever arrived.
func TestLiteralMatchesWhatArrived(t *testing.T) {
	piece := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
		"*", `\`, "$", "{", "}", " ", "\n", "\x1b", "\u2028", "\xff", "alicexyz234", "2026-01-02T03:04:05.678Z", "seven",
		"error,nonfatal,syntax,what, is this", "error,fatal,timeout,",
	}))
	rapid.Check(t, func(t *rapid.T) {
		got := strings.Join(rapid.SliceOf(piece).Draw(t, "got"), "")
		p := &player{world: world{unique: "xyz234", values: map[string]string{"known": "seven"}}}
		text := p.literal(got)
		pattern, err := compile(text, true)
		if err != nil {
			t.Fatalf("%q was recorded as %q: %v", got, text, err)
		}
		if !pattern.match(got, p.world) {
			t.Fatalf("%q was recorded as %q, which it is not like", got, text)
		}
		if strings.TrimRight(text, " \t\r\n") != text {
			t.Fatalf("%q was recorded as %q, which is no step", got, text)
		}
	})
}

func FuzzMatch(f *testing.F) {
	f.Add("ok,{id},{t:time}*", "ok,1,2026-01-02T03:04:05.678Z,hi")
	f.Add(`a\*{2*x}$b`, "a*xxbxyz234")
	f.Fuzz(func(t *testing.T, src, text string) {
		pattern, err := compile(src, true)
		if err != nil || len(text) > 40 || len(pattern) > 8 {
			return
		}
		w := world{unique: "xyz234", values: map[string]string{}}
		if !pattern.match(text, w) || strings.Contains(src, "*") {
			return
		}
		if again, err := pattern.fill(w); err != nil || again != text {
			t.Fatalf("%q is like %q, which then stands for %q, %v", text, src, again, err)
		}
	})
}
