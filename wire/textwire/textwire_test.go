package textwire_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/parley-chat/parley/wire/textwire"
)

func TestNext(t *testing.T) {
	const limit = 65536
	tests := []struct {
		name, in string
		data     string
		size     int
		err      error
	}{
		{name: "nothing", in: ""},
		{name: "three bytes of a length", in: "\x00\x00\x00"},
		{name: "length without null byte", in: "\x00\x00\x00\x03"},
		{name: "header without data", in: "\x00\x00\x00\x03\x00"},
		{name: "one byte short", in: "\x00\x00\x00\x03\x00no"},
		{name: "whole", in: "\x00\x00\x00\x03\x00nop", data: "nop", size: 8},
		{name: "two in one packet", in: "\x00\x00\x00\x03\x00nop\x00\x00\x00\x01\x00a", data: "nop", size: 8},
		{name: "empty", in: "\x00\x00\x00\x00\x00", data: "", size: 5},
		{name: "null byte missing", in: "\x00\x00\x00\x03nop", err: textwire.ErrHeader},
		{name: "limit and one", in: "\x00\x01\x00\x01", err: textwire.ErrTooLong},
		{name: "the limit itself", in: "\x00\x01\x00\x00\x00"},
		{name: "sign bit", in: "\x80\x00\x00\x00\x00", err: textwire.ErrTooLong},
		{name: "all ones", in: "\xff\xff\xff\xff", err: textwire.ErrTooLong},
		{name: "little endian three", in: "\x03\x00\x00\x00\x00nop", err: textwire.ErrTooLong},
		{name: "another protocol", in: "NICK a\r\n", err: textwire.ErrTooLong},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			data, size, err := textwire.Next([]byte(tt.in), limit)
			if string(data) != tt.data || size != tt.size || !errors.Is(err, tt.err) {
				t.Errorf("Next(%q) = %q, %d, %v; want %q, %d, %v", tt.in, data, size, err, tt.data, tt.size, tt.err)
			}
		})
	}
}

func TestParse(t *testing.T) {
	tests := []struct {
		name, in string
		want     []string
		err      error
	}{
		{name: "a command", in: "whoami", want: []string{"whoami"}},
		{name: "spaces count", in: "whoami , a", want: []string{"whoami ", " a"}},
		{name: "empty arguments", in: "a,,", want: []string{"a", "", ""}},
		{name: "escaped comma", in: `text,a\,b`, want: []string{"text", "a,b"}},
		{name: "escaped backslash", in: `text,a\\,b`, want: []string{"text", `a\`, "b"}},
		{name: "escaped letter", in: `t\ext`, want: []string{"text"}},
		{name: "escaped character of three bytes", in: "a\\€,b", want: []string{"a€", "b"}},
		{name: "backslash at the end", in: `text\`, err: textwire.ErrLoneBackslash},
		{name: "only a backslash", in: `\`, err: textwire.ErrLoneBackslash},
		{name: "control characters are data", in: "a\x00,\r\n\x1b", want: []string{"a\x00", "\r\n\x1b"}},
		{name: "not UTF-8", in: "a\xff", err: textwire.ErrNotUTF8},
		{name: "overlong", in: "\xc0\x80", err: textwire.ErrNotUTF8},
		{name: "surrogate", in: "\xed\xa0\x80", err: textwire.ErrNotUTF8},
		{name: "as many as allowed", in: ",,,", want: []string{"", "", "", ""}},
		{name: "one more", in: ",,,,", err: textwire.ErrTooManyFields},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := textwire.Parse([]byte(tt.in), 4)
			if diff := cmp.Diff(tt.want, got); diff != "" || !errors.Is(err, tt.err) {
				t.Errorf("Parse(%q) = %q, %v; want %q, %v", tt.in, got, err, tt.want, tt.err)
			}
		})
	}
}

func TestAnyListComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{",", `\`, `\,`, "", "é", "\x00"}))
		fields := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
			return piece.Draw(t, "a") + piece.Draw(t, "b")
		}), 1, 9).Draw(t, "fields")
		frame := textwire.AppendFrame(nil, fields...)
		if got, want := len(frame)-textwire.HeaderSize, textwire.Size(fields...); got != want {
			t.Fatalf("Size(%q) = %d, the frame holds %d", fields, want, got)
		}
		data, size, err := textwire.Next(frame, len(frame))
		if err != nil || size != len(frame) {
			t.Fatalf("Next(%q) = %d, %v", frame, size, err)
		}
		got, err := textwire.Parse(data, len(fields))
		if diff := cmp.Diff(fields, got); diff != "" || err != nil {
			t.Fatalf("Parse(%q) = %q, %v; want %q", data, got, err, fields)
		}
	})
}

func FuzzNext(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x03\x00nop\x00\x00\x00\x01\x00a"))
	f.Add([]byte("\xff\xff\xff\xff\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		for {
			data, size, err := textwire.Next(in, 1024)
			if err != nil || size == 0 {
				return
			}
			if size != len(data)+textwire.HeaderSize || size > len(in) || len(data) > 1024 {
				t.Fatalf("Next(%q) = %d bytes of data, size %d", in, len(data), size)
			}
			in = in[size:]
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", "whoami", `send,bob,text,a\,b\\`, `\`, "a,,,", "\xff"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		fields, err := textwire.Parse(in, 64)
		if err != nil {
			return
		}
		again, err := textwire.Parse(textwire.Append(nil, fields...), 64)
		if diff := cmp.Diff(fields, again); diff != "" || err != nil {
			t.Fatalf("Parse(%q) = %q, and again %q, %v", in, fields, again, err)
		}
		if bytes.Count(in, []byte(",")) < len(fields)-1 {
			t.Fatalf("Parse(%q) = %d fields, more than its commas allow", in, len(fields))
		}
	})
}

func BenchmarkParse(b *testing.B) {
	data := []byte(`req,17,say,lobby,hello\, world and all who sail in her`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := textwire.Parse(data, 64); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendFrame(b *testing.B) {
	b.ReportAllocs()
	var dst []byte
	for b.Loop() {
		dst = textwire.AppendFrame(dst[:0], "room", "lobby", "alice", "1-000000000001a", "2026-01-02T03:04:05.678Z", "hello, world")
	}
}

func Example() {
	frame := textwire.AppendFrame(nil, "send", "bob", "text", "hi, bob")
	fmt.Printf("%q\n", frame)
	data, _, _ := textwire.Next(frame, 65536)
	fields, _ := textwire.Parse(data, 16)
	fmt.Println(len(fields), fields[3])
	// Output:
	// "\x00\x00\x00\x16\x00send,bob,text,hi\\, bob"
	// 4 hi, bob
}
