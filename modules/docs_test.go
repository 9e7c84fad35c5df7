package modules_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/module"
	"github.com/parley-chat/parley/internal/proof"
)

// blocks gives the code blocks of a page that are of a language.
func blocks(t *testing.T, page, language string) []string {
	t.Helper()
	text, err := os.ReadFile("../docs/" + page)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, part := range strings.Split("\n"+string(text), "\n```"+language+"\n")[1:] {
		block, _, ok := strings.Cut(part, "\n```")
		if !ok {
			t.Fatalf("a block of %s does not end", page)
		}
		found = append(found, block+"\n")
	}
	return found
}

// TestRobot runs the program of docs/programs.md by itself and as a module.
func TestRobot(t *testing.T) {
	t.Parallel()
	program := blocks(t, "programs.md", "python")[0]
	s := serve(t, map[string]string{"parley.toml": ""})
	_, port, err := net.SplitHostPort(s.text)
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(t.TempDir(), "robot.py")
	write(t, script, strings.ReplaceAll(program, "port=7700", "port="+port))
	alone := exec.CommandContext(t.Context(), python(t), script)
	errs, err := alone.StderrPipe()
	if err == nil {
		err = alone.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	words := func(line string) []string { return strings.Split(line, ",") }
	alice := s.guest(t, "alice")
	alice.until(t, words("shout,HELLO YOU"), words("ask,robot,shout,hello,you")...)
	for call, want := range map[string]string{
		"ask,robot,clock,CET":   "error,nonfatal,syntax",
		"ask,robot,clock,CET,x": "error,nonfatal,syntax",
		"ask,robot,dance":       "error,nonfatal,command_not_found",
		"ask,robot,clock":       "clock",
		"send,robot,light,on":   "ok",
	} {
		if got := alice.do(t, words(call)...); !strings.HasPrefix(strings.Join(got, ","), want) {
			t.Errorf("%s answers %q, want %s", call, got, want)
		}
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	said, err := io.ReadAll(errs)
	if ended := alone.Wait(); err != nil || ended != nil {
		t.Errorf("the program ended with %v, %v", ended, err)
	}
	if !strings.HasPrefix(string(said), "here as robot\nsend alice light on\nerror fatal unavailable ") {
		t.Errorf("the program printed %q", said)
	}
}

func TestRobotAsModule(t *testing.T) {
	t.Parallel()
	script := filepath.Join(t.TempDir(), "robot.py")
	write(t, script, blocks(t, "programs.md", "python")[0])
	p := start(t, t.TempDir(), python(t), script)
	for range 2 { // it waits for each answer
		p.write(t, "req", p.read(t)[1], "ok")
	}
	got := p.read(t)
	if diff := cmp.Diff(words("whoami"), got[2:]); diff != "" {
		t.Error(diff)
	}
	p.write(t, "req", got[1], "user", "robot")
	p.check(t, []row{
		{"", words("shout", `a, \ é`, "b\nc"), words("shout", "A, \\ É B\nC")},
		{"alice", words("clock", "CET"), refused("syntax")},
		{"alice", words("dance"), refused("command_not_found")},
	})
	p.end(t)
}

// TestModulesPage does what docs/modules.md tells a new user to do, with a server
// that runs all the while.
func TestModulesPage(t *testing.T) {
	t.Parallel()
	s := serve(t, map[string]string{"parley.toml": ""})
	guest := s.guest(t, "newcomer")
	var list strings.Builder
	for _, tt := range []struct {
		language, needs, file string
		call, want            []string
	}{
		{"python", "python3", "dice.py", words("dice", "1d1"), words("dice", "1", "1")},
		{"javascript", "node", "backwards.js", words("backwards", `\é,t`), words("backwards", `t,é\`)},
		{"sh", "dd", "up.sh", words("up"), words("up")},
	} {
		if _, err := exec.LookPath(tt.needs); err != nil {
			t.Logf("there is no %s here", tt.needs)
			continue
		}
		path := filepath.Join(s.data, tt.file)
		write(t, path, blocks(t, "modules.md", tt.language)[0])
		if err := os.Chmod(path, 0o700); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&list, "%s-module %s\n", tt.language, tt.file)
		s.reload(t, list.String())
		guest.until(t, tt.want, tt.call...)
	}
	for call, want := range map[string]string{"dice,hello": "error,nonfatal,syntax", "up,now": "error,nonfatal,syntax"} {
		if got := guest.do(t, strings.Split(call, ",")...); !strings.HasPrefix(strings.Join(got, ","), want) {
			t.Errorf("%s answers %q, want %s", call, got, want)
		}
	}
}

// TestLibraryPrograms runs the programs of docs/programs.md that use our libraries.
func TestLibraryPrograms(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := serve(t, map[string]string{"parley.toml": ""})
	// One that talks, and one that is a module, in each language. Linking those in Go
	// takes seconds, so usually they are only compiled.
	run := proof.Size(0, 1, 1) > 0
	for n, code := range blocks(t, "programs.md", "go") {
		source := filepath.Join(dir, fmt.Sprintf("go%d.go", n))
		write(t, source, strings.ReplaceAll(code, "127.0.0.1:7700", s.text))
		do := exec.CommandContext(t.Context(), "go", "vet", source)
		if run {
			do = exec.CommandContext(t.Context(), "go", "build", "-o", strings.TrimSuffix(source, ".go"), source)
		}
		if out, err := do.CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", do.Args, err, out)
		}
	}
	library, err := os.ReadFile("../sdk/python/parley.py")
	if err != nil {
		t.Fatal(err)
	}
	for n, code := range blocks(t, "programs.md", "python")[1:] {
		name := filepath.Join(s.data, "modules", "py", fmt.Sprintf("py%d.py", n))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, name, strings.ReplaceAll(code, "127.0.0.1:7700", s.text))
		write(t, filepath.Join(filepath.Dir(name), "parley.py"), string(library))
	}
	alice := s.guest(t, "alice")
	talkers := [][]string{{python(t), filepath.Join(s.data, "modules", "py", "py0.py")}}
	modules := words("py python3 py1.py")
	if run {
		talkers = append(talkers, words(filepath.Join(dir, "go0")))
		modules = append(modules, "go "+filepath.Join(dir, "go1"))
	}
	for _, args := range talkers {
		talker := exec.CommandContext(t.Context(), args[0], args[1:]...)
		talker.Stderr = t.Output()
		out, err := talker.StdoutPipe()
		if err == nil {
			err = talker.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		alice.until(t, words("members", "echo"), "members", "lobby")
		alice.do(t, "say", "lobby", "hello, world")
		alice.push(t, "send", "echo", "text", "you said hello, world")
		if line, err := bufio.NewReader(out).ReadString('\n'); line != "alice says hello, world\n" {
			t.Errorf("%q prints %q, %v", args, line, err)
		}
		if err := talker.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = talker.Wait() // it was killed
		alice.until(t, words("user", "alice"), "whoami")
	}
	for _, line := range modules {
		s.reload(t, line)
		alice.until(t, words("shout", `A, \ B C`), "shout", `a, \ b`, "c")
		s.reload(t, "")
		alice.until(t, words("error", "nonfatal", "command_not_found"), "shout", "a")
	}
}

// TestModulesPageLimits holds the table of limits against the code.
func TestModulesPageLimits(t *testing.T) {
	page, err := os.ReadFile("../docs/modules.md")
	if err != nil {
		t.Fatal(err)
	}
	l, m := parley.DefaultLimits(), module.DefaultLimits()
	for _, row := range []struct {
		what  string
		limit any
	}{
		{"a call", l.Call},
		{"what a call returns", fmt.Sprint(l.Return, " bytes")},
		{"calls that one program has in hand", l.Calls},
		{"bytes of them", l.CallBytes},
		{"calls of one caller that are under way", l.CallsInFlight},
		{"commands of all programs", l.Offers},
		{"the help of a command", fmt.Sprint(l.OfferHelp, " bytes")},
		{"`modules.txt`", fmt.Sprint(m.List, " bytes")},
		{"lines of it that are run", m.Modules},
		{"time to end after the end of its input, and after SIGTERM", m.Grace},
		{"time for a new program to provide what the old one did", m.Handover},
		{fmt.Sprint("ends within ", m.Steady), m.Crashes},
		{"a line of its log", fmt.Sprint(m.LogLine, " bytes")},
		{"lines of its log in a second", m.LogLines},
		{"open files of a process", m.Files},
		{"memory of a process", fmt.Sprint(m.Memory>>20, " MiB")},
		{"a file that it writes", fmt.Sprint(m.FileSize>>20, " MiB")},
		{"processes of a module", m.Processes},
	} {
		if want := fmt.Sprintf("\n| %s | %v |", row.what, row.limit); !strings.Contains(string(page), want) {
			t.Errorf("docs/modules.md lacks %q", want[1:])
		}
	}
}
