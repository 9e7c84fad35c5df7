package conformance

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// chunked is a line server that takes a read for a message. It greets, unless
// greeting is empty, and answers whatever else it hears.
func chunked(greeting, answer string) fake {
	return func(c net.Conn) {
		buf := make([]byte, 4096)
		for first := true; ; first = false {
			if _, err := c.Read(buf); err != nil {
				return
			}
			say := answer
			if first {
				say = greeting
			}
			if _, err := io.WriteString(c, say); err != nil {
				return
			}
		}
	}
}

// lined is the same for lines.
func lined(greeting, answer string) fake {
	return func(c net.Conn) {
		in := bufio.NewReader(c)
		for first := true; ; first = false {
			if _, err := in.ReadString('\n'); err != nil {
				return
			}
			say := answer
			if first {
				say = greeting
			}
			if _, err := io.WriteString(c, say); err != nil {
				return
			}
		}
	}
}

func TestProbeLine(t *testing.T) {
	for _, tt := range []struct {
		name  string
		serve fake
		force bool
		want  Manners
		lines bool
	}{
		{"lines", lined("Hello\n", "Verified\n"), false, Manners{Unknown: "Verified"}, true},
		{"lines, of several", lined("Hello\nand welcome\n", "Verified\n"), false, Manners{Unknown: "Verified"}, true},
		{"lines without a greeting", lined("", "Verified\n"), false, Manners{Unknown: "Verified", Silent: true}, true},
		{"another word", lined("Hello\n", "What?\n"), false, Manners{Unknown: "What?"}, true},
		{"chunks", chunked("Hello", "Verified"), false, Manners{Chunks: true, Unknown: "Verified"}, false},
		{"chunks without a greeting", chunked("", "Verified"), false, Manners{Chunks: true, Unknown: "Verified", Silent: true}, false},
		{"chunks with LF", chunked("Hello\n", "Verified\n"), false, Manners{Chunks: true, Unknown: "Verified"}, false},
		{"says nothing", func(c net.Conn) { io.Copy(io.Discard, c) }, false, Manners{Chunks: true, Silent: true}, false},
		{"hangs up", func(net.Conn) {}, false, Manners{Chunks: true}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			target := listen(t, tt.serve)
			target.Text, target.Patience = "", time.Second
			p := &prober{target: target, unique: Unique()}
			if err := p.probe(t.Context(), tt.force); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, p.target.Manners); diff != "" || p.offered[needLines] != tt.lines {
				t.Errorf("lines %t, manners (-want +got):\n%s", p.offered[needLines], diff)
			}
		})
	}
}

func TestProbeText(t *testing.T) {
	known := map[string]string{
		"nop": "", "req,p1,nop": "req,p1", "help": "help,a line", "guest": "error,nonfatal,syntax,usage: guest\\,user",
		"join": "error,nonfatal,syntax", "say": "error,nonfatal,command_not_found,other words for say",
	}
	target := pipes(t, framed(func(data string) string {
		if answer, ok := known[data]; ok {
			return answer
		}
		return "error,nonfatal,command_not_found," + data
	}))
	target.Patience = 5 * time.Second
	p := &prober{target: target, unique: Unique(), offered: map[string]bool{}}
	if err := p.text(t.Context()); err != nil {
		t.Fatal(err)
	}
	var offered []string
	for _, name := range extensionCommands {
		if p.offered[name] {
			offered = append(offered, name)
		}
	}
	if diff := cmp.Diff([]string{"guest", "help", "join"}, offered); diff != "" || p.target.Manners != (Manners{}) {
		t.Errorf("manners %+v, offered (-want +got):\n%s", p.target.Manners, diff)
	}
}

// What a server of bare chunks says may come together, and in pieces.
func TestBareMessages(t *testing.T) {
	answers := map[string][]string{
		"both":   {"alice says in room den hialice says in room cave hi"},
		"pieces": {"You tell", " bob hi"},
		"more":   {"hi there"},
	}
	serve := func(c net.Conn) {
		buf := make([]byte, 4096)
		for {
			n, err := c.Read(buf)
			if err != nil {
				return
			}
			said, ok := answers[string(buf[:n])]
			if !ok {
				said = []string{"Verified"}
			}
			for _, s := range said {
				if _, err := io.WriteString(c, s); err != nil {
					return
				}
			}
		}
	}
	for _, tt := range []struct{ name, steps, got string }{
		{"any order", "a> both\na<+ alice says in room cave hi\na<+ alice says in room den hi\nquiet a", ""},
		{"one after the other", "a> both\na< alice says in room den *\nquiet a", `"quiet1"`},
		{"in pieces", "a> pieces\na< You tell bob hi\nquiet a", ""},
		{"skipped", "a> both\na<~ alice says in room cave hi\nquiet a", ""},
		{"settled", "a> both\nsettle a\nquiet a", ""},
		{"unlike", "a> pieces\na<! You tell nobody*\nquiet a", ""},
		{"like", "a> pieces\na<! You tell bob*", `"You tell bob hi"`},
		{"more than wanted", "a> more\na< hi\nquiet a", `" there"`},
		{"something else", "a> more\na< hello", `"hi there"`},
		{"nothing", "a< hello", "nothing in time"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			target := pipes(t, serve)
			target.Patience, target.Manners.Chunks = time.Second, true
			err := Run(t.Context(), one(t, "open a line\n"+tt.steps), target, "xyz234")
			var f *Failure
			switch {
			case tt.name == "one after the other": // a star takes all: see the package's page
				if err != nil {
					t.Error(err)
				}
			case tt.got == "" && err != nil, tt.got != "" && (!errors.As(err, &f) || f.Got != tt.got):
				t.Errorf("Run = %v, want %q", err, tt.got)
			}
		})
	}
}

func TestCheckUnreachable(t *testing.T) {
	for _, target := range []Target{{Text: "127.0.0.1:1"}, {Line: "127.0.0.1:1"}, {Text: "unix:" + t.TempDir() + "/none"}} {
		if _, err := Check(t.Context(), target, Options{}); !errors.Is(err, ErrUnreachable) {
			t.Errorf("Check(%+v) = %v, want ErrUnreachable", target, err)
		}
	}
}

// However a server misbehaves, the check ends soon and every rule has a result.
func TestCheckBadServers(t *testing.T) {
	var spoken atomic.Int32
	for _, tt := range []struct {
		name  string
		serve fake
	}{
		{"hangs", func(c net.Conn) { io.Copy(io.Discard, c) }},
		{"hangs up", func(net.Conn) {}},
		{"babbles", babble},
		{"repeats", func(c net.Conn) { io.Copy(c, c) }},
		{"hangs after a while", func(c net.Conn) {
			if spoken.Add(1) < 20 {
				lined("Hello\n", "Verified\n")(c)
			}
			io.Copy(io.Discard, c)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			target := listen(t, tt.serve)
			target.Patience = 100 * time.Millisecond
			r, err := Check(t.Context(), target, Options{SeedOnly: true, Parallel: 8, Limit: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			if r.Broken < 30 || r.Broken+r.Kept != len(r.Rules) || r.Stopped != "" || r.Seconds > 30 {
				t.Errorf("%d rules: %s", len(r.Rules), r.Summary())
			}
		})
	}
}

// A server that goes while it is checked breaks what is left, at once.
func TestCheckServerGone(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for range 6 {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				lined("Hello\n", "Verified\n")(c)
			})
		}
		l.Close()
	})
	defer serving.Wait()
	defer l.Close()
	r, err := Check(t.Context(), Target{Line: l.Addr().String(), Patience: 2 * time.Second}, Options{SeedOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if r.Stopped != errGone.Error() || r.Broken < 10 || r.Seconds > 20 {
		t.Errorf("stopped %q, %s", r.Stopped, r.Summary())
	}
	if last := r.Rules[len(r.Rules)-1]; last.Result != Broken || last.Note != errGone.Error() {
		t.Errorf("the last rule: %+v", last)
	}
}

func TestCheckLimit(t *testing.T) {
	target := listen(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	target.Text, target.Patience = "", 200*time.Millisecond
	r, err := Check(t.Context(), target, Options{SeedOnly: true, Limit: 100 * time.Millisecond, Parallel: 1})
	if err != nil || r.Stopped != errLate.Error() || r.Broken != len(r.Rules) {
		t.Errorf("Check = %v, %s", err, r.Summary())
	}
}

func TestStoryTime(t *testing.T) {
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errStoryTime)
	defer cancel()
	target := pipes(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	target.Patience = time.Minute
	err := Run(ctx, one(t, "open a line\na< x"), target, "")
	var f *Failure
	if !errors.As(err, &f) || f.Got != errStoryTime.Error() {
		t.Errorf("Run = %v, want a *Failure that says the story took too long", err)
	}
}

// The rules come in the order of the pages, as soon as they are known, and a
// report has the shape that docs/conformance.md promises.
func TestCheckReport(t *testing.T) {
	target := listen(t, chunked("Hello", "Verified"))
	target.Text, target.Patience = "", time.Second
	var finished []string
	var started Report
	last := 0
	r, err := Check(t.Context(), target, Options{
		Match:    regexp.MustCompile(`^2\.(1\.9|2\.1|3\.1) `),
		Started:  func(r Report) { started = r },
		Finished: func(r Rule) { finished = append(finished, r.Clause+" "+string(r.Result)+" "+r.Note) },
		Progress: func(done, total int) { last = total - done },
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"2.1.9 not offered the server does not know answers worded as parley's",
		"2.2.1 broken ", // it tells nobody anything
		"2.2.1 not offered the server does not know answers worded as parley's",
		"2.3.1 kept ",
		"2.3.1 not offered the server does not know answers worded as parley's",
	}
	if diff := cmp.Diff(want, finished); diff != "" || last != 0 || started.LineMode != "chunks" {
		t.Errorf("started %+v, %d stories left, finished (-want +got):\n%s", started, last, diff)
	}
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		`{"line":"127.0.0.1:`, `"line_mode":"chunks","seed_only":false,"offered":["chunks"],"rules":[{"clause":"2.1.9",`,
		`"section":"2.3 Commands","title":"an unknown word is answered Verified","extension":false,"result":"kept","stories":1}`,
		`"failures":[{"story":"line_seed_names/a name of twenty characters","file":"stories/line_seed_names.txtar","line":`,
		`"exchange":["open alice line",`, `"kept":1,"broken":1,"not_offered":3,"not_checked":0,"seconds":`, `"waited":0}`,
	} {
		if !strings.Contains(string(data), part) {
			t.Errorf("no %s in %s", part, data)
		}
	}
}

func TestCheckIsCancelled(t *testing.T) {
	target := listen(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	target.Patience = 100 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Check(ctx, target, Options{Started: func(Report) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Check = %v, want that it was cancelled", err)
	}
}
