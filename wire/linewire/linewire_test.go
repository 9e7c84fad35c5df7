package linewire_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/parley-chat/parley/wire/linewire"
)

const tooLong = "<too long>"

// lines feeds reads to a Lines as a door does, keeping the rest of each.
func lines(reads []string) []string {
	l := linewire.Lines{Max: 4096}
	var got []string
	var kept []byte
	for _, read := range reads {
		kept = append(kept, read...)
		for {
			msg, used, ok, err := l.Next(kept)
			if errors.Is(err, linewire.ErrTooLong) {
				got = append(got, tooLong)
			} else if ok {
				got = append(got, string(msg))
			}
			if used == 0 {
				break
			}
			kept = kept[used:]
			if len(kept) == 0 {
				break
			}
		}
	}
	if msg, ok, err := l.Rest(kept); err != nil {
		got = append(got, tooLong)
	} else if ok {
		got = append(got, string(msg))
	}
	return got
}

// chunks feeds reads to a Chunks; an empty read stands for 50 ms of silence.
func chunks(reads []string) []string {
	c := linewire.Chunks{Max: 4096}
	var got []string
	emit := func(msg []byte, err error) {
		if err != nil {
			got = append(got, tooLong)
			return
		}
		got = append(got, string(msg))
	}
	for _, read := range reads {
		if read == "" {
			c.Flush(emit)
			continue
		}
		c.Push([]byte(read), emit)
	}
	c.Flush(emit)
	return got
}

func TestMessages(t *testing.T) {
	long := strings.Repeat("x", 4096)
	tests := []struct {
		name  string
		split func([]string) []string
		reads []string
		want  []string
	}{
		{"lines: one", lines, []string{"alice\n"}, []string{"alice"}},
		{"lines: CR dropped", lines, []string{"alice\r\nrooms\r\n"}, []string{"alice", "rooms"}},
		{"lines: only one CR dropped", lines, []string{"a\r\r\n"}, []string{"a\r"}},
		{"lines: in pieces", lines, []string{"al", "ice", "\nroo", "ms\n"}, []string{"alice", "rooms"}},
		{"lines: empty", lines, []string{"\n\n"}, []string{"", ""}},
		{"lines: the end without LF", lines, []string{"a\nb"}, []string{"a", "b"}},
		{"lines: as long as allowed", lines, []string{long + "\r\na\n"}, []string{long, "a"}},
		{"lines: one byte more", lines, []string{long + "y\na\n"}, []string{tooLong, "a"}},
		{"lines: one byte more in pieces", lines, []string{long, "yy", "kill", "\na\n"}, []string{tooLong, "a"}},
		{"lines: too long at the end", lines, []string{long, "y"}, []string{tooLong}},
		{"chunks: one read, one message", chunks, []string{"alice", "rooms"}, []string{"alice", "rooms"}},
		{"chunks: LF inside splits", chunks, []string{"a\nb"}, []string{"a", "b"}},
		{"chunks: trailing LF", chunks, []string{"a\n", "b\r\n"}, []string{"a", "b"}},
		{"chunks: an LF alone", chunks, []string{"\n"}, []string{""}},
		{"chunks: inside a character", chunks, []string{"caf\xc3", "\xa9"}, []string{"café"}},
		{"chunks: inside a character, then silence", chunks, []string{"caf\xc3", "", "a"}, []string{"caf\xc3", "a"}},
		{"chunks: 511 bytes are whole", chunks, []string{long[:511], "a"}, []string{long[:511], "a"}},
		{"chunks: 512 bytes may go on", chunks, []string{long[:512], "a"}, []string{long[:512] + "a"}},
		{"chunks: 512 bytes, then silence", chunks, []string{long[:512], "", "a"}, []string{long[:512], "a"}},
		{"chunks: as long as allowed", chunks, []string{long, "", "a"}, []string{long, "a"}},
		{"chunks: too long, the tail dropped", chunks, []string{long, "kill", "", "a"}, []string{tooLong, "a"}},
		{"chunks: much too long", chunks, []string{long + long, long, long, "", "a"}, []string{tooLong, "a"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, tt.split(tt.reads)); diff != "" {
				t.Errorf("messages differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCutMarker(t *testing.T) {
	tests := []struct {
		rest  string
		names []string
		text  string
		ok    bool
	}{
		{"a - hi", []string{"a"}, "hi", true},
		{" a  b -  two  spaces ", []string{"a", "b"}, " two  spaces ", true},
		{"a - b - c", []string{"a"}, "b - c", true},
		{"a -", []string{"a"}, "", false},
		{"a - ", []string{"a"}, "", true},
		{"- hi", nil, "hi", true},
		{"a b", []string{"a"}, "", false},
		{"a -- hi", []string{"a", "--"}, "", false},
		{"", nil, "", false},
	}
	for _, tt := range tests {
		names, text, ok := linewire.CutMarker(tt.rest)
		if !slices.Equal(names, tt.names) || text != tt.text || ok != tt.ok {
			t.Errorf("CutMarker(%q) = %q, %q, %v; want %q, %q, %v", tt.rest, names, text, ok, tt.names, tt.text, tt.ok)
		}
	}
}

func TestCut(t *testing.T) {
	for _, tt := range []struct{ msg, part, rest string }{
		{"tell bob  hi ", "tell", "bob  hi "},
		{"  bob  hi", "bob", " hi"},
		{"rooms", "rooms", ""},
		{"", "", ""},
	} {
		if part, rest := linewire.Cut(tt.msg); part != tt.part || rest != tt.rest {
			t.Errorf("Cut(%q) = %q, %q; want %q, %q", tt.msg, part, rest, tt.part, tt.rest)
		}
	}
}

func TestPieces(t *testing.T) {
	for _, tt := range []struct {
		text string
		want []string
	}{
		{"plain", []string{"plain"}},
		{"a\tb é €", []string{"a\tb é €"}},
		{"a\r\nb\nc\rd\ve\ff\u0085g\u2028h\u2029i", []string{"a", "b", "c", "d", "e", "f", "g", "h", "i"}},
		{"\n\n a \n", []string{" a "}},
		{"\r\n\v", nil},
		{"\x1b[31mred\x00\x7f\u0090", []string{"\ufffd[31mred\ufffd\ufffd\ufffd"}},
		{"bad\xff", []string{"bad\ufffd"}},
	} {
		if diff := cmp.Diff(tt.want, slices.Collect(linewire.Pieces(tt.text))); diff != "" {
			t.Errorf("Pieces(%q) differ (-want +got):\n%s", tt.text, diff)
		}
	}
}

func TestAppendList(t *testing.T) {
	got := string(linewire.AppendList(nil, "Rooms", []string{"aaa", "bbb", "ccc"}, 13))
	if want := "Rooms aaa bbb\nRooms ccc\n"; got != want {
		t.Errorf("AppendList = %q, want %q", got, want)
	}
}

// TestShownSafely holds the two invariants of the package against any text.
func TestShownSafely(t *testing.T) {
	const limit = 64
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.SampledFrom([]rune("a€\r\n\x1b\x00\u0085\u2028\t ")))).Draw(t, "text")
		checkShown(t, string(linewire.AppendSays(nil, "alice", "lobby", text, limit)), "alice says in room lobby ", text, limit)
		checkShown(t, string(linewire.AppendWhisper(nil, "alice", text, limit)), "alice whispers to you ", text, limit)
		checkShown(t, string(linewire.AppendTold(nil, "bob", text, limit)), "You tell bob ", text, limit)
		if e := string(linewire.AppendError(nil, text, limit)); !strings.HasPrefix(e, "Error: ") || strings.Count(e, "\n") != 1 || len(e) > limit+1 {
			t.Fatalf("AppendError(%q) = %q", text, e)
		}
	})
}

type failer interface{ Fatalf(string, ...any) }

func checkShown(t failer, shown, prefix, text string, limit int) {
	if shown == "" {
		if linewire.HasText(text) {
			t.Fatalf("nothing is shown of %q", text)
		}
		return
	}
	if !strings.HasSuffix(shown, "\n") || !utf8.ValidString(shown) {
		t.Fatalf("%q is shown as %q", text, shown)
	}
	for line := range strings.Lines(shown) {
		line = strings.TrimSuffix(line, "\n")
		if !strings.HasPrefix(line, prefix) || len(line) > limit || len(line) == len(prefix) {
			t.Fatalf("%q has the line %q", text, line)
		}
		if strings.ContainsFunc(line, func(r rune) bool { return r != '\t' && unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }) {
			t.Fatalf("%q is shown raw: %q", text, line)
		}
	}
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("alice\r\nrooms\nx"), uint8(3))
	f.Fuzz(func(t *testing.T, in []byte, step uint8) {
		// However the input is cut into reads, the messages are the same.
		whole := lines([]string{string(in)})
		var reads []string
		for n := int(step) + 1; len(in) > n; in = in[n:] {
			reads = append(reads, string(in[:n]))
		}
		if diff := cmp.Diff(whole, lines(append(reads, string(in)))); diff != "" {
			t.Fatalf("cut into pieces of %d the messages differ:\n%s", int(step)+1, diff)
		}
	})
}

func FuzzChunks(f *testing.F) {
	f.Add([]byte("alice"), []byte("send a - \xc3"))
	f.Fuzz(func(t *testing.T, one, two []byte) {
		c := linewire.Chunks{Max: 600}
		emit := func(msg []byte, err error) {
			if len(msg) > 600 || strings.Contains(string(msg), "\n") {
				t.Fatalf("message %q", msg)
			}
		}
		c.Push(one, emit)
		c.Push(two, emit)
		c.Flush(emit)
		if c.Holding() {
			t.Fatal("something is held after Flush")
		}
	})
}

func FuzzSays(f *testing.F) {
	f.Add("hi\r\nbob whispers to you : x")
	f.Add("\x1b]52;c;aGk=\a\u2028\u0085")
	f.Fuzz(func(t *testing.T, text string) {
		checkShown(t, string(linewire.AppendSays(nil, "alice", "lobby", text, 100)), "alice says in room lobby ", text, 100)
	})
}

func BenchmarkAppendSays(b *testing.B) {
	b.ReportAllocs()
	var dst []byte
	for b.Loop() {
		dst = linewire.AppendSays(dst[:0], "alice", "lobby", "hello, world and all who sail in her", 4096)
	}
}

func Example() {
	word, rest := linewire.Cut("send lobby - hi\x07 there")
	rooms, text, _ := linewire.CutMarker(rest)
	fmt.Printf("%s %q %q\n", word, rooms, text)
	fmt.Printf("%s", linewire.AppendSays(nil, "alice", rooms[0], text, 4096))
	// Output:
	// send ["lobby"] "hi\a there"
	// alice says in room lobby hi� there
}
