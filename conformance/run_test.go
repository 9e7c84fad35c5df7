package conformance

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/parley-chat/parley/wire/textwire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A fake is a server of one connection: it is what a story meets in these tests.
type fake func(c net.Conn)

// parrot is a small server of both protocols, as far as the tests need it. What
// it answers to a message stands in answers; any other gets unknown.
func parrot(unknown string, answers map[string][]string) fake {
	return func(c net.Conn) {
		in := bufio.NewReader(c)
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			said, ok := answers[strings.TrimSuffix(line, "\n")]
			if !ok {
				said = []string{unknown + "\n"}
			}
			for _, s := range said {
				if _, err := io.WriteString(c, s); err != nil {
					return
				}
			}
		}
	}
}

// framed answers the frames of the text protocol, one frame each.
func framed(answer func(data string) string) fake {
	return func(c net.Conn) {
		in := bufio.NewReader(c)
		for {
			header := make([]byte, textwire.HeaderSize)
			if _, err := io.ReadFull(in, header); err != nil {
				return
			}
			data := make([]byte, int(header[2])<<8|int(header[3]))
			if _, err := io.ReadFull(in, data); err != nil {
				return
			}
			said := (&conn{door: DoorText}).encode(answer(string(data)))
			if _, err := c.Write(said); err != nil {
				return
			}
		}
	}
}

// nops answers a nop under req, and anything else by itself.
func nops(data string) string {
	if id, ok := strings.CutSuffix(data, ",nop"); ok {
		return id
	}
	return data
}

// pipes makes a target whose every connection is a pipe to a new fake. The test
// waits for all of them at its end.
func pipes(t *testing.T, serve fake) Target {
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	return Target{
		Patience: 50 * time.Millisecond,
		Dial: func(context.Context, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			wg.Go(func() {
				defer theirs.Close()
				serve(theirs)
			})
			return ours, nil
		},
	}
}

// listen is the same on a TCP port, for what a pipe cannot do.
func listen(t *testing.T, serve fake) Target {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				serve(c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	return Target{Text: l.Addr().String(), Line: l.Addr().String(), Patience: 5 * time.Second}
}

// one parses a file with one story.
func one(t *testing.T, steps string) Story {
	t.Helper()
	all, err := Parse("stories/test.txtar", []byte("A test.\n-- it happens --\n# clause: 1.3\n"+steps))
	if err != nil {
		t.Fatal(err)
	}
	return all[0]
}

// firstStep is the line of a story's first step in the file that one makes.
const firstStep = 4

var polite = map[string][]string{
	"two":   {"1\n", "2\n"},
	"split": {"Ver", "ified\n"},
	"end":   {"bye"},
	"long":  {strings.Repeat("x", 4097) + "\n"},
	"id":    {"id 42\n"},
	"42":    {"found\n"},
}

func TestStoriesThatComeTrue(t *testing.T) {
	tests := []struct {
		name, steps string
		serve       fake
	}{
		{"a word", "open a line\na> hello\na< Verified\nquiet a", parrot("Verified", nil)},
		{"pieces", "open a line\na> split\na< Verified", parrot("?", polite)},
		{"raw", "open a line\na>> \"hel\"\na>> \"lo\\n\"\na<< \"Verif\"\na<< \"ied\\n\"\nquiet a", parrot("Verified", nil)},
		{"any order", "open a line\na> two\na<+ 2\na<+ 1", parrot("?", polite)},
		{"skip", "open a line\na> two\na> x\na<~ Verified\nquiet a", parrot("Verified", polite)},
		{"value", "open a line\na> id\na< id {id}\na> {id}\na< found\ncheck {id} = 42\ncheck {id} < 5", parrot("?", polite)},
		{"held back", "open a line\na>+ x\na>+ two\na> x\na< Verified\na< 1\na< 2\na< Verified", parrot("Verified", polite)},
		{"repeat", "open a text\nrepeat 3\na> say,{i}\na< say,{i}\nend\nquiet a", framed(nops)},
		{"frames", "open a text\na> \na<\na> a\\,b,$c\na< *,$c\nquiet a", framed(nops)},
		{"chunk", "open a line chunk\na>> \"x\\n\"\na< Verified", parrot("Verified", nil)},
		{"bare last words", "open a line chunk\na<< \"NAMEERROR\"\nclosed a", func(c net.Conn) { io.WriteString(c, "NAMEERROR") }},
		{"last words of a chunk connection", "open a line chunk\na< NAME*\nclosed a", func(c net.Conn) { io.WriteString(c, "NAMEERROR") }},
		{"closed at once", "open a line\nclosed a", func(net.Conn) {}},
		{"sent to one who has gone", "open a line\na> x\na> y\nclosed a", func(net.Conn) {}},
		{"enters", "open a line\nenter a $a\nquiet a", lined("Hello\nyou\n", "Verified\n")},
		{"enters without a greeting", "open a line\nenter a $a\nquiet a", lined("", "Verified\n")},
		{"may be refused", "open a line\ntry a $a\nopen b line\ntry b $a", lined("NAMEERROR\n", "")},
		{"settles", "open a line\na> two\na> id\nsettle a\nquiet a", parrot("Verified", polite)},
		{"unlike", "open a line\na> x\na<! Verifi\na>? x\na<! y", parrot("Verified", nil)},
		{"says something before it closes", "open a line\nended a", func(c net.Conn) { io.WriteString(c, "bye\n") }},
		{"words that may be missing", "open a text\na> error,x\na< error,x{,*}\na> error,x,why\na< error,x{,*}", framed(nops)},
		{"comes back", "open a line\nleave a\nopen a line\na> x\na< Verified", parrot("Verified", nil)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			steps := strings.ReplaceAll(tt.steps, "a> \n", "a>\n")
			target := pipes(t, tt.serve)
			target.Patience = 5 * time.Second
			if err := Run(t.Context(), one(t, steps), target, ""); err != nil {
				t.Error(err)
			}
		})
	}
}

// unkept are the ways in which a server can fail a story.
var unkept = []struct {
	name, steps string
	serve       fake
	step        int // the one that fails, from 0
	want, got   string
}{
	{
		name: "another word", steps: "open a line\na> x\na< Verified", serve: parrot("What?", nil),
		step: 2, want: "Verified", got: `"What?"`,
	},
	{
		name: "fresh names are shown as they were", steps: "open a line\na> x\na< $alice*", serve: parrot("What?", nil),
		step: 2, want: "alicexyz234*", got: `"What?"`,
	},
	{
		name: "hangs", steps: "open a line\na> x\na< Verified", serve: func(c net.Conn) { io.Copy(io.Discard, c) },
		step: 2, want: "Verified", got: "nothing in time",
	},
	{
		name: "hangs in the middle", steps: "open a line\na> end\na< bye", serve: parrot("?", polite),
		step: 2, want: "bye", got: `nothing complete in time, only "bye"`,
	},
	{
		name: "does not read", steps: "open a line\na> x\na< y", serve: func(c net.Conn) { c.Read(nil) },
		step: 2, want: "y", got: "the server closed the connection",
	},
	{
		name: "closes", steps: "open a line\na< Welcome*", serve: func(c net.Conn) { io.WriteString(c, "Wel") },
		step: 1, want: "Welcome*", got: `the server closed the connection, having sent "Wel"`,
	},
	{
		name: "says too much", steps: "open a line\na> two\na< 1\nquiet a", serve: parrot("Verified", polite),
		step: 3, want: "Verified, for nothing else has arrived", got: `"2"`,
	},
	{
		name: "says too much in frames", steps: "open a text\nquiet a", serve: framed(func(string) string { return "push" }),
		step: 1, want: "req,quiet1, for nothing else has arrived", got: `"push"`,
	},
	{
		name: "babbles", steps: "open a line\na<~ end", serve: babble,
		step: 1, want: "end", got: "only other messages",
	},
	{
		name: "message over the limit", steps: "open a line\na> long\na< *", serve: parrot("?", polite),
		step: 2, want: "*", got: "a message of more than 4096 bytes",
	},
	{
		name: "drives the terminal", steps: "open a line\na< *", serve: func(c net.Conn) { io.WriteString(c, "\x1b[2J\n") },
		step: 1, want: "*", got: `a message with control characters or not in UTF-8: "\x1b[2J"`,
	},
	{
		name: "line ends with CR LF", steps: "open a line\na< *", serve: func(c net.Conn) { io.WriteString(c, "hi\r\n") },
		step: 1, want: "*", got: "a message with control characters",
	},
	{
		name: "no frame", steps: "open a text\na< *", serve: func(c net.Conn) { io.WriteString(c, "Welcome to line\n") },
		step: 1, want: "*", got: "the frame is longer than the limit",
	},
	{
		name: "stays open", steps: "open a line\nclosed a", serve: func(c net.Conn) { io.Copy(io.Discard, c) },
		step: 1, want: "the end of the connection", got: "the connection is open",
	},
	{
		name: "says something before it closes", steps: "open a line\nclosed a", serve: func(c net.Conn) { io.WriteString(c, "bye") },
		step: 1, want: "the end of the connection", got: `"bye"`,
	},
	{
		name: "other bytes", steps: "open a line\na<< \"NAMEERROR\\n\"", serve: func(c net.Conn) { io.WriteString(c, "NAMEERROR\r\n") },
		step: 1, want: `exactly "NAMEERROR\n"`, got: `"NAMEERROR\r\n"`,
	},
	{
		name: "one of them does not come", steps: "open a line\na> two\na<+ 2\na<+ 2", serve: parrot("?", polite),
		step: 2, want: "2", got: `"1"`,
	},
	{
		name: "never right", steps: "open a line\na>? x\na< y", serve: parrot("no", nil),
		step: 1, want: "y", got: `"no", again and again`,
	},
	{
		name: "nobody wins", steps: "open a line\nopen b line\na> x\nb> x\nrace a b: one | no", serve: parrot("no", nil),
		step: 4, want: "one of them gets one", got: "none did",
	},
	{
		name: "both win", steps: "open a line\nopen b line\na> x\nb> x\nrace a b: one | no", serve: parrot("one", nil),
		step: 4, want: "one of them gets one", got: "a and b did",
	},
	{
		name: "not in order", steps: "open a line\na> id\na< id {id}\ncheck {id} < 17", serve: parrot("?", polite),
		step: 3, want: "check {id} < 17", got: `"42" and "17"`,
	},
	{
		name: "is refused", steps: "open a line\nenter a $a", serve: lined("NAMEERROR\n", ""),
		step: 1, want: "the name is accepted", got: `"NAMEERROR"`,
	},
	{
		name: "is never accepted", steps: "open a line\nregain a $a", serve: lined("NAMEERROR\n", ""),
		step: 1, want: "the name is accepted", got: `"NAMEERROR"`,
	},
	{
		name: "never settles", steps: "open a line\nsettle a", serve: parrot("What?", nil),
		step: 1, want: "an answer of any kind", got: "nothing in time",
	},
	{
		name: "is like it", steps: "open a line\na> x\na<! What*", serve: parrot("What?", nil),
		step: 2, want: "something unlike What*", got: `"What?"`,
	},
	{
		name: "more than words behind the type", steps: "open a text\na> error,xy\na< error,x{,*}", serve: framed(nops),
		step: 2, want: "error,x[,*]", got: `"error,xy"`,
	},
	{
		name: "in a repetition", steps: "open a text\nrepeat 2\na> {i}\na< bbb\nend", serve: framed(nops),
		step: 3, want: "bbb", got: `"bbc"`,
	},
}

func TestStoriesThatDoNot(t *testing.T) {
	for _, tt := range unkept {
		t.Run(tt.name, func(t *testing.T) {
			err := Run(t.Context(), one(t, tt.steps), pipes(t, tt.serve), "xyz234")
			var f *Failure
			if !errors.As(err, &f) {
				t.Fatalf("Run = %v, want a *Failure", err)
			}
			if f.Line != firstStep+tt.step || f.File != "stories/test.txtar" {
				t.Errorf("failed at %s:%d, want line %d\n%v", f.File, f.Line, firstStep+tt.step, f)
			}
			if !strings.Contains(f.Want, tt.want) || !strings.Contains(f.Got, tt.got) {
				t.Errorf("want %s, got %s\n%v", tt.want, tt.got, f)
			}
		})
	}
}

// babble says the same until nobody listens.
func babble(c net.Conn) {
	for {
		if _, err := io.WriteString(c, "blah\n"); err != nil {
			return
		}
	}
}

func TestFailureShowsTheExchange(t *testing.T) {
	story := one(t, "open a line\na> hi $bob\na< Verified\na>> \"\\x00\\n\"\na< ok")
	err := Run(t.Context(), story, pipes(t, parrot("Verified", nil)), "xyz234")
	want := `stories/test.txtar:8: test/it happens (clause 1.3): a< ok
    want ok
    got  "Verified"
    | open a line
    | a> "hi bobxyz234"
    | a< "Verified"
    | a>> "\x00\n"
    | a< "Verified"`
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("other report (-want +got):\n%s", diff)
	}
}

func TestLongExchangesAreShortened(t *testing.T) {
	story := one(t, "open a text\nrepeat 100\na> {5000*x}\na< {5000*x}\nend\na< y")
	target := pipes(t, framed(nops))
	target.Patience = time.Second
	err := Run(t.Context(), story, target, "")
	if err == nil || len(err.Error()) > 20_000 || !strings.Contains(err.Error(), "(5000 bytes)") || !strings.Contains(err.Error(), "(141 more)") {
		t.Errorf("Run = %v, want a short report", err)
	}
}

func TestOverTCP(t *testing.T) {
	echo := listen(t, func(c net.Conn) { io.Copy(c, c) })
	steps := "open a line\na> x\na< x\nshut a\nclosed a\nopen a line\ndrop a\nopen a line\na> y\na< y\nleave a"
	if err := Run(t.Context(), one(t, steps), echo, ""); err != nil {
		t.Error(err)
	}
	echo.Text = ""
	if err := Run(t.Context(), one(t, "open a text"), echo, ""); !errors.Is(err, ErrNoDoor) {
		t.Errorf("without a text door: Run = %v, want ErrNoDoor", err)
	}
	echo.Line = "127.0.0.1:1"
	var f *Failure
	if err := Run(t.Context(), one(t, "open a line"), echo, ""); !errors.As(err, &f) {
		t.Errorf("nobody listens: Run = %v, want a *Failure", err)
	}
}

// A server that resets the connection has closed it too.
func TestReset(t *testing.T) {
	reset := listen(t, func(c net.Conn) {
		c.Read(make([]byte, 1))
		c.(*net.TCPConn).SetLinger(0)
	})
	if err := Run(t.Context(), one(t, "open a line\na> x\nclosed a"), reset, ""); err != nil {
		t.Error(err)
	}
	err := Run(t.Context(), one(t, "open a line\na> x\na< y"), reset, "")
	var f *Failure
	if !errors.As(err, &f) || f.Got != "the server reset the connection" {
		t.Errorf("Run = %v, want a *Failure that says reset", err)
	}
}

func TestDropIsAReset(t *testing.T) {
	ends := make(chan error, 1)
	target := listen(t, func(c net.Conn) {
		_, err := io.Copy(io.Discard, c)
		ends <- err
	})
	for _, tt := range []struct {
		verb  string
		reset bool
	}{{"drop", true}, {"leave", false}} {
		if err := Run(t.Context(), one(t, "open a line\n"+tt.verb+" a"), target, ""); err != nil {
			t.Fatal(err)
		}
		if err := <-ends; (err != nil) != tt.reset {
			t.Errorf("%s: the server read %v", tt.verb, err)
		}
	}
}

func TestRunsThatCannotBe(t *testing.T) {
	silent := func(c net.Conn) { io.Copy(io.Discard, c) }
	tests := []struct{ name, steps, want string }{
		{"unbound value", "open a line\na> {id}", "stories/test.txtar:5: nothing has bound {id}"},
		{"pipe half closed", "open a line\nshut a", "stories/test.txtar:5: this kind of connection cannot be closed in one direction"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := Run(t.Context(), one(t, tt.steps), pipes(t, silent), "")
			var f *Failure
			if err == nil || errors.As(err, &f) || err.Error() != tt.want {
				t.Errorf("Run = %v, want %s", err, tt.want)
			}
		})
	}
	if err := Run(t.Context(), one(t, "open a line"), pipes(t, silent), "short"); err == nil {
		t.Error("a unique of five characters was accepted")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Run(ctx, one(t, "open a line\na< x"), pipes(t, silent), ""); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: Run = %v", err)
	}
}

func TestRecord(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "stories", "test.txtar")
	if err := os.Mkdir(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	const before = "A test.\n-- it happens --\n# clause: 1.3\nopen a text\na> b,$c,\\*\na<\na> kept\na< k*\na> x,$$,{{\na< y\n"
	const after = "A test.\n-- it happens --\n# clause: 1.3\nopen a text\na> b,$c,\\*\na< b,$c,\\\\*\na> kept\na< k*\na> x,$$,{{\na< x,$$,{{\n"
	if err := os.WriteFile(file, []byte(before), 0o644); err != nil {
		t.Fatal(err)
	}
	target := pipes(t, framed(nops))
	all, err := Parse("stories/test.txtar", []byte(before))
	if err != nil {
		t.Fatal(err)
	}
	edits, err := Record(t.Context(), all[0], target, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := Apply(dir, edits); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(after, string(got)); diff != "" {
		t.Errorf("recorded something else (-want +got):\n%s", diff)
	}
	again, err := Parse("stories/test.txtar", got)
	if err != nil {
		t.Fatal(err)
	}
	if err := Run(t.Context(), again[0], target, ""); err != nil {
		t.Errorf("what was recorded is not true: %v", err)
	}
}

func TestUnique(t *testing.T) {
	a, b := Unique(), Unique()
	if a == b || len(a) != UniqueSize || strings.Trim(a, uniqueLetters) != "" {
		t.Errorf("Unique gave %q and %q", a, b)
	}
}
