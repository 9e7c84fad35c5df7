package modules_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-chat/parley/wire/textwire"
)

// program is a module that runs; the test is its server.
type program struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	n   int // calls

	pushed [][]string // and not looked at yet
}

// start starts a module in its working directory, and grants what it provides.
func start(t testing.TB, dir string, args ...string) *program {
	t.Helper()
	p := &program{cmd: exec.CommandContext(t.Context(), args[0], args[1:]...)}
	p.cmd.Dir, p.cmd.Stderr = dir, t.Output()
	p.cmd.Env = append(os.Environ(), "PARLEY_MODULE=module", "DICE_SEED=7")
	out, err := p.cmd.StdoutPipe()
	if err == nil {
		p.in, err = p.cmd.StdinPipe()
	}
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewReaderSize(out, 1<<16)
	return p
}

// provides answers the module's first requests, and gives the commands.
func (p *program) provides(t testing.TB, commands ...string) {
	t.Helper()
	for _, command := range commands {
		got := p.read(t)
		if len(got) != 7 || got[0] != "req" || !slices.Equal(got[2:4], []string{"provide", command}) {
			t.Fatalf("the module begins with %q, want it to provide %s", got, command)
		}
		p.write(t, "req", got[1], "ok")
	}
}

func (p *program) write(t testing.TB, fields ...string) {
	t.Helper()
	if _, err := p.in.Write(textwire.AppendFrame(nil, fields...)); err != nil {
		t.Fatal(err)
	}
}

func (p *program) read(t testing.TB) []string {
	t.Helper()
	var header [textwire.HeaderSize]byte
	if _, err := io.ReadFull(p.out, header[:]); err != nil {
		t.Fatalf("the module ended: %v", err)
	}
	data := make([]byte, binary.BigEndian.Uint32(header[:]))
	if _, err := io.ReadFull(p.out, data); err != nil || header[4] != 0 {
		t.Fatalf("half a frame, header %x: %v", header, err)
	}
	fields, err := textwire.Parse(data, 1<<16)
	if err != nil {
		t.Fatalf("the module wrote %q: %v", data, err)
	}
	return fields
}

// call hands the module a call, and gives what it returns.
func (p *program) call(t testing.TB, caller string, call ...string) []string {
	t.Helper()
	p.n++
	n := strconv.Itoa(p.n)
	p.write(t, append([]string{"call", n, call[0], caller}, call[1:]...)...)
	got := p.read(t)
	if len(got) < 2 || got[0] != "return" || got[1] != n {
		t.Fatalf("%s calls %q: got %q, want a return of %s", caller, call, got, n)
	}
	return got[2:]
}

// end closes the module's input, and wants it to end well.
func (p *program) end(t testing.TB) {
	t.Helper()
	p.in.Close()
	rest, err := io.ReadAll(p.out)
	if err := errors.Join(err, p.cmd.Wait()); err != nil || len(rest) > 0 {
		t.Errorf("at the end of its input the module wrote %q and ended with %v", rest, err)
	}
}

// A row is a call and what must be returned; an error without its info.
type row struct {
	caller string
	call   []string
	want   []string
}

func (p *program) check(t *testing.T, rows []row) {
	t.Helper()
	for _, r := range rows {
		got := p.call(t, r.caller, r.call...)
		if len(got) == 4 && got[0] == "error" && got[3] != "" {
			got = got[:3]
		}
		if diff := cmp.Diff(r.want, got); diff != "" {
			t.Errorf("%s calls %.200q: %s", r.caller, r.call, diff)
		}
	}
}

func words(s ...string) []string { return s }

func refused(kind string) []string { return words("error", "nonfatal", kind) }

func python(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3 here")
	}
	return path
}

func file(t testing.TB, name string) string {
	t.Helper()
	path, err := filepath.Abs(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// built holds what the tests build.
var built string

func TestMain(m *testing.M) {
	var err error
	if built, err = os.MkdirTemp("", "modules"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(built)
	os.Exit(code)
}

// build gives a function that builds a program once.
func build(folder string) func(testing.TB) string {
	once := sync.OnceValues(func() (string, error) {
		path := filepath.Join(built, filepath.Base(folder)+".exe") // the ending is for Windows
		out, err := exec.Command("go", "build", "-ldflags=-s -w", "-o", path, folder).CombinedOutput()
		if err != nil {
			err = fmt.Errorf("go build: %w\n%s", err, out)
		}
		return path, err
	})
	return func(t testing.TB) string {
		t.Helper()
		path, err := once()
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
}

var reminder = build("./reminder")

func shell(t testing.TB) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("there is no sh here")
	}
	path, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestRefusedModulesEnd: who is not let provide says so, and ends.
func TestRefusedModulesEnd(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"dice":     {python(t), file(t, "dice.py")},
		"reminder": {reminder(t)},
		"poll":     {shell(t), file(t, "poll.sh")},
	} {
		p := start(t, t.TempDir(), args...)
		p.write(t, "req", p.read(t)[1], "error", "nonfatal", "name_taken", "taken")
		_, err := io.Copy(io.Discard, p.out)
		if ended := p.cmd.Wait(); err != nil || ended == nil {
			t.Errorf("%s ends well although its command is not provided", name)
		}
	}
}
