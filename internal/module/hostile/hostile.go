//go:build linux || darwin

package hostile

import (
	"bufio"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/parley-chat/parley/wire/textwire"
)

// word as the first argument makes a test binary a module.
const word = "play-hostile-module"

// Command is what nearly all of them provide.
const Command = "evil"

// Words are the words behind a module's name in modules.txt.
func Words(program, kind string) string { return program + " " + word + " " + kind }

// Main plays a module and ends the process, if its arguments say so.
func Main() {
	if len(os.Args) < 3 || os.Args[1] != word {
		return
	}
	act := acts[os.Args[2]]
	if act == nil {
		fmt.Fprintln(os.Stderr, "there is no such module")
		os.Exit(2)
	}
	time.AfterFunc(patience, func() { os.Exit(99) }) // if all else fails
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM) // which the first process of a namespace would not feel otherwise
	go func() {                                // ends with the process
		<-terminated
		os.Exit(15)
	}()
	act()
	os.Exit(0)
}

// How far a module goes where nothing stops it.
const (
	patience      = time.Minute
	mostProcesses = 300
	mostMemory    = 1 << 30
	mostSaid      = 1 << 30
)

// acts are the modules by their kinds.
var acts = map[string]func(){
	"probe":       func() { provide(Command); serve(probe) },
	"fork-bomb":   func() { provide(Command); serve(forkBomb) },
	"fork-tree":   func() { provide(Command); serve(forkTree) },
	"flood":       func() { provide(Command); serve(func(*call) { flood("nop") }) },
	"returns":     func() { provide(Command); serve(func(*call) { go flood("return", "0", "nothing") }) },
	"stubborn":    stubborn,
	"daemon":      func() { provide(Command); serve(daemon) },
	"hider":       func() { provide(Command); serve(hider) },
	"stderr":      func() { provide(Command); chatter(); serve(echo) },
	"echo":        func() { provide(Command); serve(echo) },
	"farewell":    func() { provide(Command); serve(func(c *call) { echo(c); os.Exit(0) }) },
	"exit":        func() { os.Exit(0) },
	"exit-later":  func() { provide(Command); os.Exit(3) },
	"exit-called": func() { provide(Command); serve(func(*call) { os.Exit(3) }) },
	"hang":        func() { provide(Command); serve(func(*call) { select {} }) },
	"garbage":     func() { provide(Command); serve(func(*call) { io.CopyN(os.Stdout, rand.Reader, 4<<10) }) },
	"half":        func() { provide(Command); serve(half) },
	"long-return": func() { provide(Command); serve(longReturn) },
	"deaf":        func() { provide(Command); select {} },
	"closes":      func() { provide(Command); serve(closes) },
	"stops":       func() { provide(Command); serve(stops) },
	"impostor":    func() { provide(Command); say("login", "alice", "secret"); say("guest", "alice"); serve(echo) },
	"greedy":      func() { go greedy(); serve(echo) },
	"forger":      forger,
	"spoofer":     func() { provide(Command); serve(spoof) },
}

// call is a call that was handed to the module.
type call struct {
	number string
	args   []string
}

func (c *call) give(values ...string) {
	say(append([]string{"return", c.number}, values...)...)
}

func say(fields ...string) { os.Stdout.Write(textwire.AppendFrame(nil, fields...)) }

func provide(command string) { say("provide", command, "0", "-1", "does no good") }

// serve answers calls until there is no more input.
func serve(answer func(*call)) {
	in := bufio.NewReader(os.Stdin)
	for {
		var header [textwire.HeaderSize]byte
		if _, err := io.ReadFull(in, header[:]); err != nil {
			return
		}
		data := make([]byte, binary.BigEndian.Uint32(header[:]))
		if _, err := io.ReadFull(in, data); err != nil {
			return
		}
		fields, err := textwire.Parse(data, 4096)
		switch {
		case err == nil && len(fields) >= 4 && fields[0] == "call":
			answer(&call{fields[1], fields[4:]})
		case err == nil && fields[0] != "ok":
			fmt.Fprintln(os.Stderr, "was told", strings.Join(fields, ","))
		}
	}
}

func echo(c *call) { c.give(append([]string{"echo"}, c.args...)...) }

// forkBomb starts as many processes as it can.
func forkBomb(c *call) {
	c.give("started")
	started := 0
	for started < mostProcesses && start(false) != 0 {
		started++
	}
	fmt.Fprintln(os.Stderr, "started", started, "processes")
}

// forkTree does so through processes that end at once, so that nobody knows whose
// they are.
func forkTree(c *call) {
	c.give("started")
	const loop = `n=0; while [ $n -lt %d ]; do (sleep 60 &); n=$((n+1)); done`
	attr := &os.ProcAttr{Env: os.Environ()}
	p, err := os.StartProcess("/bin/sh", []string{"sh", "-c", fmt.Sprintf(loop, mostProcesses)}, attr)
	if err == nil {
		p.Wait()
	}
}

// start starts a process that sleeps, and gives its number.
func start(session bool) int {
	attr := &syscall.ProcAttr{Env: os.Environ(), Sys: &syscall.SysProcAttr{Setsid: session}}
	if session { // with all that could keep the server waiting
		attr.Files = []uintptr{0, 1, 2}
	}
	pid, err := syscall.ForkExec("/bin/sleep", []string{"sleep", "60"}, attr) // os.StartProcess takes a descriptor for each
	if err != nil {
		return 0
	}
	return pid
}

// daemon leaves a process behind that is in a session of its own.
func daemon(c *call) {
	c.give("daemon", strconv.Itoa(start(true)))
	if len(c.args) > 0 {
		time.Sleep(700 * time.Millisecond) // it is counted meanwhile
		os.Exit(3)
	}
}

// hider ends at once and leaves a process behind that holds on to all that the
// module had. Nobody has counted it.
func hider(*call) {
	start(true)
	os.Exit(3)
}

// flood says more than anybody wants to read. It ends with the process.
func flood(fields ...string) {
	frames := make([]byte, 0, 64<<10)
	for len(frames) < cap(frames)-100 {
		frames = textwire.AppendFrame(frames, fields...)
	}
	for said := 0; said < 10*mostSaid; {
		n, err := os.Stdout.Write(frames)
		if err != nil {
			os.Exit(3)
		}
		said += n
	}
}

// stubborn ignores the end of its input, and SIGTERM.
func stubborn() {
	signal.Ignore(syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT)
	provide(Command)
	serve(echo)
	select {}
}

// chatter says as much to the log.
func chatter() {
	line := []byte(strings.Repeat("chatter \x1b[31m", 20) + "\n")
	lines := []byte(strings.Repeat(string(line), 200))
	go func() { // ends with the process
		for said := 0; said < mostSaid/4; said += len(lines) {
			os.Stderr.Write(lines)
		}
	}()
}

// half begins an answer and says no more.
func half(c *call) {
	frame := textwire.AppendFrame(nil, "return", c.number, "half")
	os.Stdout.Write(frame[:len(frame)-2])
}

func longReturn(c *call) { c.give("long", strings.Repeat("x", 1<<20)) }

// closes lets go of its socket and lives on.
func closes(*call) {
	syscall.Close(0)
	syscall.Close(1)
	select {}
}

func stops(*call) {
	syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	select {} // the first process of a namespace cannot be stopped from within
}

// greedy wants all names there are. It ends with the process.
func greedy() {
	for n := range 10_000 {
		provide(fmt.Sprintf("%s%d", Command, n))
	}
	provide(Command)
}

// forger returns from calls that were never handed to it.
func forger() {
	provide(Command)
	for n := range 100_000 {
		say("return", strconv.Itoa(n), "forged")
	}
	serve(echo)
}

// spoof gives what a client could take for something else.
func spoof(c *call) {
	what := []string{"room", "lobby", "alice", "1:1", "0", "this was never said"}
	if len(c.args) > 0 {
		what = c.args
	}
	c.give(what...)
}
