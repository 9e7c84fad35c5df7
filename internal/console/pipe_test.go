package console

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLinePipe(t *testing.T) {
	tests := []struct {
		name, input string
		opts        Options
		out, notice string
		code        int
	}{
		{
			name: "first line is the name", input: "alice\njoin lobby\nsend lobby - a - b\n",
			out: "Welcome alice\nJoined lobby (ok)\nalice says in room lobby a - b\n",
		},
		{name: "name preset", input: "rooms\n", opts: Options{Name: "bob"}, out: "Welcome bob\nRooms games lobby\n"},
		{name: "no command", input: "alice\n", out: "Welcome alice\n"},
		{name: "blank lines and CRLF", input: "alice\r\n\r\n\nrooms\r\n", out: "Welcome alice\nRooms games lobby\n"},
		{name: "last line without LF", input: "alice\nrooms", out: "Welcome alice\nRooms games lobby\n"},
		{name: "unknown words", input: "alice\nfoo\nbar\n", out: "Welcome alice\nVerified\nVerified\n"},
		{
			name: "what may be a command", input: "alice\nrooms x\nROOMS\nrooms\nfoo\njoin\n",
			out: "Welcome alice\nVerified\nVerified\nRooms games lobby\nVerified\nJoined \n",
		},
		{name: "exit ends", input: "alice\nexit\nrooms\n", out: "Welcome alice\n"},
		{name: "menu", input: "alice\nM\n", out: "Welcome alice\n" + lineMenu + "\n"},
		{name: "kill", input: "admin\nrooms\nkill\n", out: "Welcome admin\nRooms games lobby\n"},
		{
			name: "kill refused", input: "alice\nkill\nrooms\n",
			out: "Welcome alice\nError: kill is not permitted\nRooms games lobby\n", code: ExitError,
		},
		{name: "join refused", input: "alice\njoin nowhere\n", out: "Welcome alice\nJoined nowhere (no such room)\n", code: ExitError},
		{
			name: "hostile server", input: "alice\ntell bob hi\n",
			out: "Welcome alice\n�]0;title��[2J�31m evil\tend\n",
		},
		{name: "name in use", input: "proven\nrooms\n", notice: `did not accept the screen name "proven"`, code: ExitError},
		{
			name: "wrong password", input: "rooms\n", opts: Options{Name: "proven", Password: "x"},
			out: "Welcome proven x\nRooms games lobby\n",
		},
		{name: "name too long", input: "aaaaaaaaaaaaaaaaaaaaa\nbob\n", notice: "at most 20 characters, this one has 21", code: ExitError},
		{name: "twenty characters", input: "éééééééééééééééééééé\n", out: "Welcome éééééééééééééééééééé\n"},
		{name: "no name", notice: "no screen name", code: ExitUsage},
		{
			name: "server goes", input: "alice\ndie\nrooms\n", out: "Welcome alice\n",
			notice: "before everything was answered", code: ExitUnreachable,
		},
		{name: "not UTF-8", input: "alice\na\xff\nrooms\n", out: "Welcome alice\nRooms games lobby\n", notice: "not UTF-8", code: ExitError},
		{
			name: "4097 bytes", input: "alice\n" + strings.Repeat("x", 4097) + "\nrooms\n",
			out: "Welcome alice\nRooms games lobby\n", notice: "4097 bytes, and the protocol allows 4096", code: ExitError,
		},
		{name: "4096 bytes", input: "alice\n" + strings.Repeat("x", 4096) + "\n", out: "Welcome alice\nVerified\n"},
		{
			name: "input line too long", input: "alice\n" + strings.Repeat("x", longestInput+1), out: "Welcome alice\n",
			notice: "longer than 1 MiB", code: ExitError,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.opts.URL = listen(t, newLineFake().serve).url("line")
			wantPiped(t, tt.opts, tt.input, tt.out, tt.notice, tt.code)
		})
	}
}

func TestLinePipeManyLines(t *testing.T) {
	t.Parallel()
	var input, want strings.Builder
	input.WriteString("alice\n")
	want.WriteString("Welcome alice\n")
	for i := range 1000 {
		if i%3 == 0 {
			input.WriteString("foo\n")
			want.WriteString("Verified\n")
		} else {
			text := "send lobby - " + strconv.Itoa(i) + "\n"
			input.WriteString(text)
			want.WriteString("alice says in room lobby " + strconv.Itoa(i) + "\n")
		}
	}
	wantPiped(t, Options{URL: listen(t, newLineFake().serve).url("line")}, input.String(), want.String(), "", ExitOK)
}

func TestLinePipeSendsPasswordBehindName(t *testing.T) {
	f := newLineFake()
	wantPiped(t, Options{URL: listen(t, f.serve).url("line"), Name: "bob", Password: "correct horse"}, "rooms\n",
		"Welcome bob correct horse\nRooms games lobby\n", "", ExitOK)
}

func TestChunksToTheServerOfTheSeed(t *testing.T) {
	t.Parallel()
	f := newLineFake()
	wantPiped(t, Options{URL: listen(t, pyServe(f)).url("line"), Chunks: true}, "alice\njoin a b\nleave a\nrooms\nfoo\n",
		"Welcome, alice!\nJoined ['a', 'b']\nLeft ['a']\n['lobby', 'games']\nVerified\n", "", ExitOK)
	got := f.lines()
	if len(got) != 7 || !strings.HasPrefix(got[5], "sync-") {
		t.Fatalf("the server received %q", got)
	}
	got[5] = "sync"
	want := []string{"alice", "join a b", "leave a", "rooms", "foo", "sync", "exit"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}

func TestBareNameError(t *testing.T) {
	t.Parallel()
	wantPiped(t, Options{URL: listen(t, pyServe(newLineFake())).url("line"), Chunks: true}, "taken\nrooms\n", "",
		"did not accept", ExitError)
}

func TestTextPipe(t *testing.T) {
	const notLoggedIn = `error,nonfatal,not_logged_in,log in\, or be a guest` + "\n"
	pushes := `room,lobby,bob,1-1,2026-01-02T03:04:05.678Z,hi\, there\n\u001b[2Jall` + "\n"
	tests := []struct {
		name, input string
		opts        Options
		out, notice string
		code        int
	}{
		{name: "nothing"},
		{name: "one command", input: "whoami\n", out: notLoggedIn, code: ExitError},
		{name: "guest", input: "whoami\n", opts: Options{Name: "bob"}, out: "user,bob\n"},
		{name: "login", input: "whoami\n", opts: Options{Name: "bob", Password: "hunter2"}, out: "user,bob\n"},
		{
			name: "wrong password", input: "whoami\n", opts: Options{Name: "bob", Password: "x"},
			notice: "did not let bob in: error,nonfatal,wrong_user_or_password", code: ExitError,
		},
		{
			name: "own req", input: "req,1,whoami\nreq,c1,nop\nwhoami\n", opts: Options{Name: "bob"},
			out: "req,1,user,bob\nreq,c1\nuser,bob\n",
		},
		{
			name: "req without command", input: "req,7\nreq\n",
			out: "req,7,error,nonfatal,syntax\nerror,nonfatal,syntax,req wants an ID\n", code: ExitError,
		},
		{name: "empty answer, blank line", input: "nop\n\nnop\n", out: "\n\n"},
		{name: "pushes around the answer", input: "poke\nnop\n", out: pushes + "ok\njoined,lobby,carol\n\n"},
		{
			name: "spaces and escapes are sent as typed", input: `who\ami ,a\,b\\` + "\n",
			out: "error,nonfatal,command_not_found,no such command: whoami \n", code: ExitError,
		},
		{name: "lone backslash", input: "whoami\\\nnop\n", out: "\n", notice: "a backslash that escapes nothing", code: ExitError},
		{name: "not UTF-8", input: "\xff\nnop\n", out: "\n", notice: "not UTF-8", code: ExitError},
		{
			name: "frame too long for the server", input: strings.Repeat("x", 2000) + "\n",
			out: "error,fatal,request_too_long,a request has at most 1000 bytes\n", code: ExitError,
			notice: "",
		},
		{name: "server goes", input: "nop\ndie\nnop\n", out: "\n", notice: "before everything was answered", code: ExitUnreachable},
		{
			name: "not answered", input: "nop\nhang\nnop\n", opts: Options{Timeout: 500 * time.Millisecond},
			out: "\n\n", notice: "not everything was answered within 500ms", code: ExitTimeout,
		},
		{name: "exit ends", input: "nop\nexit\nwhoami\n", out: "\n"},
		{name: "menu", input: "M\n", out: textMenu + "\n"},
		{
			name: "raw", input: "whoami\nnop\nreq,c1,nop\nM\\\nexit\n", opts: Options{Raw: true, Name: "bob"}, code: ExitError,
			out: "user,bob\n\nreq,c1\n" + `error,nonfatal,syntax,the message ends with a backslash that escapes nothing; write \\\\ for a backslash` +
				"\nerror,nonfatal,command_not_found,no such command: exit\n",
		},
		{name: "raw, an error under req", input: "req,5\n", opts: Options{Raw: true}, out: "req,5,error,nonfatal,syntax\n", code: ExitError},
		{
			name: "raw, empty frame", input: "\n", opts: Options{Raw: true}, code: ExitError,
			out: "error,nonfatal,command_not_found,no such command: \n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.opts.URL = listen(t, textServe(nil)).url("text")
			wantPiped(t, tt.opts, tt.input, tt.out, tt.notice, tt.code)
		})
	}
}

func TestTextPipeManyLines(t *testing.T) {
	t.Parallel()
	for _, raw := range []bool{false, true} {
		const n = 1000
		wantPiped(t, Options{URL: listen(t, textServe(nil)).url("text"), Name: "bob", Raw: raw},
			strings.Repeat("whoami\n", n), strings.Repeat("user,bob\n", n), "", ExitOK)
	}
}

func TestTextSendsWhatWasTyped(t *testing.T) {
	var got []string
	done := make(chan struct{})
	f := listen(t, func(c net.Conn) {
		defer close(done)
		textServe(func(data string) { got = append(got, data) })(c)
	})
	piped(t, Options{URL: f.url("text")}, `send,bob,te\xt,a\,b `+"\nreq,é,nop\n")
	<-done
	want := []string{`req,c1,send,bob,te\xt,a\,b `, "req,é,nop"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("frames (-want +got):\n%s", diff)
	}
}

func TestWrongProtocol(t *testing.T) {
	t.Parallel()
	f := listen(t, func(c net.Conn) {
		io.WriteString(c, "Welcome to another protocol\n")
		io.Copy(io.Discard, c)
	})
	wantPiped(t, Options{URL: f.url("text")}, "nop\n", "", "not the text protocol", ExitUnreachable)
}

func TestUnreachable(t *testing.T) {
	for _, protocol := range []string{"text", "line"} {
		wantPiped(t, Options{URL: protocol + "://" + closedPort(t)}, "alice\n", "", "nobody listens there", ExitUnreachable)
	}
	refuse := func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("odd\x1b reason") }
	wantPiped(t, Options{URL: "text://x", Dial: refuse}, "", "", "odd� reason", ExitUnreachable)
}

func TestUsage(t *testing.T) {
	tests := []struct {
		name   string
		opts   Options
		notice string
	}{
		{"no address", Options{}, "is not an address"},
		{"no scheme", Options{URL: "localhost:7700"}, "is not an address"},
		{"another scheme", Options{URL: "irc://localhost"}, `does not speak "irc"`},
		{"name in the address", Options{URL: "text://bob:secret@localhost"}, "does not belong in the address"},
		{"negative timeout", Options{URL: "text://localhost", Timeout: -1}, "negative"},
		{"chunks of text", Options{URL: "text://localhost", Chunks: true}, "--chunks is for the line protocol"},
		{"raw lines", Options{URL: "line://localhost", Raw: true}, "--raw is for the text protocol"},
		{"name too long", Options{URL: "line://localhost", Name: strings.Repeat("a", 21)}, "at most 20 characters"},
		{"password of two lines", Options{URL: "line://localhost", Password: "a\nb"}, "not one line"},
		{"password without name", Options{URL: "text://localhost", AskPassword: true}, "needs a name"},
		{"nobody to ask", Options{URL: "line://localhost", AskPassword: true}, "at a terminal"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { wantPiped(t, tt.opts, "", "", tt.notice, ExitUsage) })
	}
}

func TestParseTarget(t *testing.T) {
	tests := []struct {
		in   string
		want target // zero: an error
	}{
		{"text://host:1", target{"text", "tcp", "host:1", "text://host:1"}},
		{"line://host", target{"line", "tcp", "host:7701", "line://host:7701"}},
		{"text://[::1]/", target{"text", "tcp", "[::1]:7700", "text://[::1]:7700"}},
		{"text+unix:///run/a.sock", target{"text", "unix", "/run/a.sock", "text+unix:///run/a.sock"}},
		{"line+unix:///a", target{"line", "unix", "/a", "line+unix:///a"}},
		{in: "text://"},
		{in: "text:host:1"},
		{in: "text+unix://host/a"},
		{in: "line://host/path"},
		{in: "line://host?x"},
		{in: "://"},
	}
	for _, tt := range tests {
		got, err := parseTarget(tt.in)
		if got != tt.want || (err == nil) != (tt.want != target{}) {
			t.Errorf("parseTarget(%q) = %+v, %v; want %+v", tt.in, got, err, tt.want)
		}
	}
}

func TestInterruptedPipe(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := listen(t, textServe(func(string) { cancel() }))
	var out, notices bytes.Buffer
	code := Run(ctx, Options{URL: f.url("text"), In: endless(t, "hang\n"), Out: &out, Err: &notices})
	if code != ExitInterrupted {
		t.Errorf("exit code %d, want %d; notices %q", code, ExitInterrupted, &notices)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("the disk is full") }

func TestAnswersThatCannotBeWritten(t *testing.T) {
	f := listen(t, textServe(nil))
	var notices bytes.Buffer
	code := Run(t.Context(), Options{URL: f.url("text"), In: strings.NewReader("nop\n"), Out: brokenWriter{}, Err: &notices})
	if code != ExitError || !strings.Contains(notices.String(), "the disk is full") {
		t.Errorf("exit code %d, notices %q", code, &notices)
	}
}

// The times below pass in a bubble, where they cost nothing.

func TestSilentLineServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// It says no word of welcome, and never answers.
		var got []string
		dial, all := inMemory(func(c net.Conn) {
			buf := make([]byte, 4096)
			for {
				n, err := c.Read(buf)
				if err != nil {
					return
				}
				got = append(got, string(buf[:n]))
			}
		})
		begin := time.Now()
		wantPiped(t, Options{URL: "line://x", Dial: dial}, "alice\nrooms\n", "", "not everything was answered within 10s", ExitTimeout)
		if took := time.Since(begin); took != greeting+10*time.Second {
			t.Errorf("it took %v", took)
		}
		all.Wait()
		if len(got) != 5 || got[0] != "alice\n" || got[1] != "rooms\n" || got[2] != got[3] || got[3] != got[4] {
			t.Errorf("the server received %q", got)
		}
	})
}

func TestFenceSurvivesAMergedAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial, all := inMemory(func(c net.Conn) {
			buf := make([]byte, 4096)
			for i := 0; ; i++ {
				n, err := c.Read(buf)
				switch {
				case err != nil || string(buf[:n]) == "exit":
					return
				case i == 1: // the first word of the fence
					io.WriteString(c, "bob says in room a hiVerified")
				default:
					io.WriteString(c, "Verified")
				}
			}
		})
		wantPiped(t, Options{URL: "line://x", Dial: dial, Chunks: true}, "alice\n",
			"Verified\nbob says in room a hiVerified\n", "", ExitOK)
		all.Wait()
	})
}

func TestChunksKeepApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		begin := time.Now()
		dial, all := inMemory(func(c net.Conn) {
			buf := make([]byte, 4096)
			for {
				n, err := c.Read(buf)
				if err != nil {
					return
				}
				at = append(at, time.Since(begin))
				switch string(buf[:n]) {
				case "silent":
				case "exit":
					return
				default:
					io.WriteString(c, "Verified")
				}
			}
		})
		wantPiped(t, Options{URL: "line://x", Dial: dial, Chunks: true, Timeout: time.Minute}, "alice\nrooms\nnew silent\n",
			"Verified\n", "", ExitOK)
		all.Wait()
		for i, d := range at[1:] {
			if gap := d - at[i]; gap < shortGap || gap > longGap {
				t.Errorf("message %d came %v after the one before", i+1, gap)
			}
		}
	})
}

func TestKeepalive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		dial, all := inMemory(textServe(func(data string) { got = append(got, data) }))
		in, typist := io.Pipe()
		all.Go(func() {
			<-time.After(7 * time.Minute)
			typist.Close()
		})
		var out, notices bytes.Buffer
		code := Run(t.Context(), Options{URL: "text://x", Dial: dial, In: in, Out: &out, Err: &notices, Timeout: patience})
		all.Wait()
		if want := []string{"req,c1,nop", "req,c2,nop"}; code != ExitOK || !slices.Equal(got, want) || out.Len() > 0 {
			t.Errorf("the server received %q, want %q; printed %q, exit code %d", got, want, &out, code)
		}
	})
}

func TestHalfALineIsShownPromptly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial, all := inMemory(func(c net.Conn) {
			io.Copy(io.Discard, io.LimitReader(c, 6))
			io.WriteString(c, "Welcome\nand no LF")
			io.Copy(io.Discard, c)
		})
		in, typist := io.Pipe()
		defer typist.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var out, notices bytes.Buffer
		Run(ctx, Options{URL: "line://x", Name: "alice", Dial: dial, In: in, Out: &out, Err: &notices})
		if got, want := out.String(), "Welcome\nand no LF\n"; got != want {
			t.Errorf("printed %q, want %q", got, want)
		}
		typist.Close()
		all.Wait()
	})
}

// A server may go on to answer for a while after kill, and say farewell: both
// is orderly, and a line behind kill is not sent. One that does not go is served
// on.
func TestKillTakesAWhile(t *testing.T) {
	tests := []struct {
		name string
		dies bool
		out  string
	}{
		{"it goes", true, "Welcome\nRooms\nError: shutting down\n"},
		{"it stays", false, "Welcome\nRooms\nRooms\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dial, all := inMemory(func(c net.Conn) {
					lines := bufio.NewScanner(c)
					for killed := false; lines.Scan(); {
						switch lines.Text() {
						case "alice":
							io.WriteString(c, "Welcome\n")
						case "rooms":
							io.WriteString(c, "Rooms\n")
						case "kill":
							killed = true
						case "exit":
							return
						default:
							io.WriteString(c, "Verified\n")
							if killed && tt.dies {
								<-time.After(3 * time.Second)
								io.WriteString(c, "Error: shutting down\n")
								return
							}
						}
					}
				})
				wantPiped(t, Options{URL: "line://x", Name: "alice", Dial: dial}, "rooms\nkill\nrooms\n", tt.out, "", ExitOK)
				all.Wait()
			})
		})
	}
}

// A script with a line of which nobody knows the answer may have many lines
// before its fence: it is not late as long as something comes.
func TestSlowServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial, all := inMemory(func(c net.Conn) {
			lines := bufio.NewScanner(c)
			for lines.Scan() && lines.Text() != "exit" {
				if !strings.HasPrefix(lines.Text(), "sync-") {
					<-time.After(8 * time.Second)
				}
				if _, err := io.WriteString(c, map[bool]string{true: "Rooms\n", false: "Verified\n"}[lines.Text() == "rooms"]); err != nil {
					return
				}
			}
		})
		wantPiped(t, Options{URL: "line://x", Name: "alice", Dial: dial}, "ROOMS\nrooms\nrooms\n",
			"Verified\nRooms\nRooms\nVerified\n", "", ExitOK)
		all.Wait()
	})
}

// A server that reads nothing while it has answers to write must not stop us
// from reading them.
func TestPeerThatWritesBeforeItReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial, all := inMemory(func(c net.Conn) {
			for range 1000 {
				if _, err := c.Write([]byte("\x00\x00\x00\x02\x00hi")); err != nil {
					return
				}
			}
			textServe(nil)(c)
		})
		wantPiped(t, Options{URL: "text://x", Dial: dial}, strings.Repeat("nop\n", 200),
			strings.Repeat("hi\n", 1000)+strings.Repeat("\n", 200), "", ExitOK)
		all.Wait()
	})
}
