package bench

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/parley-chat/parley/wire/textwire"
)

const testSize = 32

// scanEngine is an engine without sockets: two clients in a room, each of which
// has said two messages, and a third in another room.
func scanEngine(d dialect, private bool) *engine {
	e := &engine{
		dialect: d, size: testSize, pad: filler(testSize), payload: make([]byte, testSize),
		hist: hdrhistogram.New(1, longest, 2), rooms: []string{"den", "tea"},
	}
	copy(e.payload[stampSize:], e.pad)
	for i, name := range []string{"ann", "bob", "cat", "dan"} {
		e.clients = append(e.clients, &client{id: i, name: name, fd: -1, state: inside})
	}
	e.speak(2, 2, private)
	for i := range e.streams {
		e.post(i, 1)
		e.post(i, 2)
	}
	return e
}

// said is the payload with which somebody said the nth message.
func said(e *engine, by string, n uint32) string {
	payload := append([]byte(nil), e.payload...)
	stamp{uint32(streamOf(e, by)), n, int64(n)}.put(payload)
	return string(payload)
}

// streamOf is the number of somebody's stream.
func streamOf(e *engine, by string) int {
	return slices.IndexFunc(e.streams, func(s stream) bool { return s.from.name == by })
}

func frameOf(fields ...string) string { return string(textwire.AppendFrame(nil, fields...)) }

// outcome is what a client's bytes come to.
type outcome struct {
	delivered, acked int64
	tally            Tally
	err              string // part of it
	out              string
}

var scanTests = []struct {
	name    string
	dialect dialect
	private bool
	in      func(e *engine) string // what bob is sent
	want    outcome
}{
	{
		name: "line: two messages", dialect: line{},
		in: func(e *engine) string {
			return "ann says in room den " + said(e, "ann", 1) + "\r\nann says in room den " + said(e, "ann", 2) + "\n"
		},
		want: outcome{delivered: 2},
	},
	{
		name: "line: one's own copy", dialect: line{},
		in:   func(e *engine) string { return "bob says in room den " + said(e, "bob", 1) + "\n" },
		want: outcome{acked: 1},
	},
	{
		name: "line: another sender than said it", dialect: line{},
		in:   func(e *engine) string { return "cat says in room den " + said(e, "ann", 1) + "\n" },
		want: outcome{tally: Tally{Stray: 1}, err: "not for it"},
	},
	{
		name: "line: another room's", dialect: line{},
		in:   func(e *engine) string { return "cat says in room tea " + said(e, "cat", 1) + "\n" },
		want: outcome{tally: Tally{Stray: 1}, err: "not for it"},
	},
	{
		name: "line: never said", dialect: line{},
		in:   func(e *engine) string { return "ann says in room den " + said(e, "ann", 3) + "\n" },
		want: outcome{tally: Tally{Stray: 1}, err: "nobody said"},
	},
	{
		name: "line: damaged", dialect: line{},
		in: func(e *engine) string {
			return "ann says in room den " + strings.TrimSuffix(said(e, "ann", 1), string(e.pad[len(e.pad)-1])) + "#\n"
		},
		want: outcome{tally: Tally{Damaged: 1}, err: "said otherwise"},
	},
	{
		name: "line: a gap", dialect: line{},
		in:   func(e *engine) string { return "ann says in room den " + said(e, "ann", 2) + "\n" },
		want: outcome{delivered: 1, tally: Tally{Lost: 1}, err: "message 2 of ann came when 1 was due"},
	},
	{
		name: "line: an error", dialect: line{},
		in:   func(*engine) string { return "Error: no\n" },
		want: outcome{err: "Error: no"},
	},
	{
		name: "line: not understood", dialect: line{},
		in:   func(*engine) string { return "Verified\n" },
		want: outcome{err: "Verified"},
	},
	{
		name: "line: private, and one's own copy", dialect: line{}, private: true,
		in: func(e *engine) string {
			return "ann whispers to you " + said(e, "ann", 1) + "\nYou tell ann " + said(e, "bob", 1) + "\n"
		},
		want: outcome{delivered: 1, acked: 1},
	},
	{
		name: "text: a message and an answer", dialect: text{},
		in: func(e *engine) string {
			return frameOf("room", "den", "ann", "id", "time", said(e, "ann", 1)) + frameOf("ok", "id", "time")
		},
		want: outcome{delivered: 1, acked: 1},
	},
	{
		name: "text: one's own message comes back", dialect: text{},
		in:   func(e *engine) string { return frameOf("room", "den", "bob", "id", "time", said(e, "bob", 1)) },
		want: outcome{tally: Tally{Stray: 1}, err: "its own message back"},
	},
	{
		name: "text: private", dialect: text{}, private: true,
		in:   func(e *engine) string { return frameOf("send", "ann", "text", said(e, "ann", 1)) + frameOf("ok") },
		want: outcome{delivered: 1, acked: 1},
	},
	{
		name: "text: an answer too many", dialect: text{},
		in:   func(*engine) string { return frameOf("ok") + frameOf("ok") + frameOf("ok") },
		want: outcome{acked: 2, err: "an answer to nothing"},
	},
	{
		name: "text: an error", dialect: text{},
		in:   func(*engine) string { return frameOf("error", "nonfatal", "unavailable", "try again") },
		want: outcome{err: "unavailable"},
	},
	{
		name: "text: not a frame", dialect: text{},
		in:   func(*engine) string { return "HTTP/1.1 400\r\n" },
		want: outcome{err: "not a frame"},
	},
	{
		name: "irc: messages with and without tags", dialect: irc{},
		in: func(e *engine) string {
			return ":ann!u@h PRIVMSG #den :" + said(e, "ann", 1) + "\r\n:ann!u@h PRIVMSG #den :" + said(e, "ann", 2) + "\r\n"
		},
		want: outcome{delivered: 2},
	},
	{
		name: "irc: private", dialect: irc{}, private: true,
		in:   func(e *engine) string { return ":ann!u@h PRIVMSG bob :" + said(e, "ann", 1) + "\r\n" },
		want: outcome{delivered: 1},
	},
	{
		name: "irc: a ping", dialect: irc{},
		in:   func(*engine) string { return "PING :x y\r\n" },
		want: outcome{out: "PONG :x y\r\n"},
	},
	{
		name: "irc: a farewell of the server", dialect: irc{},
		in:   func(*engine) string { return "ERROR :Closing link\r\n" },
		want: outcome{err: "Closing link"},
	},
	{
		name: "irc: an error", dialect: irc{},
		in:   func(*engine) string { return ":srv 404 bob #den :no\r\n" },
		want: outcome{err: "404"},
	},
}

func TestScan(t *testing.T) {
	for _, tt := range scanTests {
		t.Run(tt.name, func(t *testing.T) {
			e := scanEngine(tt.dialect, tt.private)
			bob := e.clients[1]
			bob.out = nil
			in := tt.in(e)
			used := e.dialect.scan(e, bob, []byte(in))
			got := outcome{delivered: e.delivered, acked: e.acked, tally: e.tally, out: string(bob.out)}
			if e.err != nil {
				got.err = e.err.Error()
			}
			if used != len(in) || (tt.want.err == "") != (got.err == "") || !strings.Contains(got.err, tt.want.err) {
				t.Fatalf("scan(%q) used %d of %d, %+v; want %+v", in, used, len(in), got, tt.want)
			}
			got.err = tt.want.err
			if got != tt.want {
				t.Errorf("scan(%q): %+v, want %+v", in, got, tt.want)
			}
		})
	}
}

// TestOpenLoopStampsWhatWasDue is late by ten milliseconds: the messages that were
// due meanwhile leave now, each with the time at which it was due.
func TestOpenLoopStampsWhatWasDue(t *testing.T) {
	e := scanEngine(line{}, false)
	for _, c := range e.clients {
		c.out = nil
	}
	const ms = int64(time.Millisecond)
	p := &sending{load: load{rate: 1000}, count: 100, begun: 5 * ms}
	wait := p.step(e, 15*ms)
	if p.sent != 11 || wait != time.Millisecond {
		t.Errorf("sent %d, and waits %v; want 11 and 1ms", p.sent, wait)
	}
	got := map[int64]bool{}
	for _, c := range e.clients {
		for line := range strings.Lines(string(c.out)) {
			s, ok := readStamp([]byte(strings.TrimSuffix(line, "\n"))[len(line)-1-testSize:])
			if !ok {
				t.Fatalf("no stamp in %q", line)
			}
			got[s.at] = true
		}
	}
	for at := 5 * ms; at <= 15*ms; at += ms {
		if !got[at] {
			t.Errorf("no message is stamped %d ms: %v", at/ms, got)
		}
	}
}

// TestAnswersOfPosts sees ids that do not grow.
func TestAnswersOfPosts(t *testing.T) {
	for _, tt := range []struct {
		name string
		ids  []string
		want Tally
	}{
		{name: "growing", ids: []string{"a1", "a2"}},
		{name: "the same", ids: []string{"a1", "a1"}, want: Tally{Repeated: 1}},
		{name: "falling", ids: []string{"a2", "a1"}, want: Tally{Reordered: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := scanEngine(text{}, false)
			e.acksRun = true
			e.remember(2)
			e.post(streamOf(e, "bob"), 1)
			e.post(streamOf(e, "bob"), 2)
			for _, id := range tt.ids {
				e.dialect.scan(e, e.clients[1], []byte(frameOf("ok", id, "time")))
			}
			if e.tally != tt.want || e.delivered != 2 {
				t.Errorf("ids %q: %v, %d delivered; want %v, 2", tt.ids, e.tally, e.delivered, tt.want)
			}
		})
	}
}

// FuzzScan feeds what a server may send, whole and in two parts. Both must come
// to the same.
func FuzzScan(f *testing.F) {
	for _, private := range []bool{false, true} {
		e := scanEngine(line{}, private)
		f.Add(uint8(0), private, 20, []byte("ann says in room den "+said(e, "ann", 1)+"\nWelcome\nJoined den (ok)\n"))
		f.Add(uint8(0), private, 20, []byte("ann whispers to you "+said(e, "ann", 1)+"\r\nYou tell ann "+said(e, "bob", 1)+"\n"))
		f.Add(uint8(1), private, 7, []byte(frameOf("room", "den", "ann", "id", "time", said(e, "ann", 1))+frameOf("ok", "x", "y")))
		f.Add(uint8(1), private, 9, []byte(frameOf("send", "ann", "text", said(e, "ann", 1))+frameOf("joined", "den", "cat")))
		f.Add(uint8(2), private, 50, []byte(":ann!u@h PRIVMSG #den :"+said(e, "ann", 1)+"\r\nPING\r\n@a=b :x 376 bob\r\n"))
		f.Add(uint8(2), private, 3, []byte(":\r\n@\r\n \r\n\r\n:a 433 b\r\n"))
	}
	f.Fuzz(func(t *testing.T, kind uint8, private bool, cut int, in []byte) {
		d := []dialect{line{}, text{}, irc{}}[kind%3]
		feed := func(parts ...[]byte) (string, bool) {
			e := scanEngine(d, private)
			c := e.clients[1]
			c.state = hello
			for _, part := range parts {
				got := append(append([]byte(nil), c.rest...), part...)
				used := d.scan(e, c, got)
				if used < 0 || used > len(got) {
					t.Fatalf("%T scanned %d bytes of %d", d, used, len(got))
				}
				c.rest = append(c.rest[:0], got[used:]...)
			}
			return fmt.Sprint(e.delivered, e.acked, e.notices, e.nAccepted, e.tally, string(c.out), string(c.rest)), e.err != nil
		}
		cut = min(max(cut, 0), len(in))
		whole, badWhole := feed(in)
		parts, badParts := feed(in[:cut], in[cut:])
		if badWhole != badParts || !badWhole && whole != parts {
			t.Errorf("%T: %q whole: %s, fault %v; cut at %d: %s, fault %v", d, in, whole, badWhole, cut, parts, badParts)
		}
	})
}
