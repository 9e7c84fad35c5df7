package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/powerloss"
	"github.com/parley-chat/parley/internal/proof"
)

// smallDisk in the environment is where a test process of its own, in a name
// space of its own, may mount a small disk.
const smallDisk = "PARLEY_TEST_SMALL_DISK"

// TestFullDisk fills the disk of a server: writes are refused on both doors,
// reads go on, and it recovers when there is space again. Nothing acknowledged
// is lost, and nothing refused is kept (K5).
func TestFullDisk(t *testing.T) {
	if dir := os.Getenv(smallDisk); dir != "" {
		if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs", dir).CombinedOutput(); err != nil {
			t.Fatalf("mount: %v: %s", err, out)
		}
		fillDisk(t, dir)
		return
	}
	dir := t.TempDir()
	unshare, why := "", ""
	for _, flags := range []string{"-m", "-rm"} { // with our own rights, or as root of a name space
		out, err := exec.Command("unshare", flags, "mount", "-t", "tmpfs", "tmpfs", dir).CombinedOutput()
		if err == nil {
			unshare = flags
			break
		}
		why += fmt.Sprintf("; unshare %s: %v: %s", flags, err, bytes.TrimSpace(out))
	}
	if unshare == "" {
		t.Skip("no small disk can be mounted here" + why)
	}
	cmd := exec.Command("unshare", unshare, os.Args[0], "-test.run", "^TestFullDisk$", "-test.v")
	cmd.Env = append(os.Environ(), smallDisk+"="+dir)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}

// ballast is a file that takes all the space of a disk.
func ballast(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size >= 512; size /= 2 {
		for err == nil {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
		err = nil
	}
}

// lineClient speaks the line protocol, one message after the other.
type lineClient struct {
	conn  net.Conn
	lines *bufio.Scanner
}

func dialLine(t *testing.T, address, name string) *lineClient {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(time.Minute))
	c := &lineClient{conn, bufio.NewScanner(conn)}
	if got := c.do(name); !strings.HasPrefix(got, "Welcome") {
		t.Fatalf("%s was answered %q", name, got)
	}
	return c
}

// do sends a message and gives the next line; nothing when there is none.
func (c *lineClient) do(message string) string {
	if _, err := io.WriteString(c.conn, message+"\n"); err != nil || !c.lines.Scan() {
		return ""
	}
	return c.lines.Text()
}

// diskWorld is a server on a small disk, with clients.
type diskWorld struct {
	*testing.T
	server *child
	alice  *textClient // says things in the lobby
	line   *lineClient // likewise
	acked  []string    // what was, in order
	said   int
}

// say says something long on one of the doors, and tells whether it is kept.
func (w *diskWorld) say() bool {
	w.Helper()
	w.said++
	text := fmt.Sprintf("%d %s", w.said, strings.Repeat("x", 3000))
	if w.said%2 == 0 {
		switch got := w.line.do("send lobby - " + text); {
		case got == "shouter says in room lobby "+text:
			w.acked = append(w.acked, text)
			return true
		case !strings.HasPrefix(got, "Error: "):
			w.Fatalf("the line door answered %.80q", got)
		}
		return false
	}
	got, err := w.alice.do("say", "lobby", text)
	switch {
	case err != nil:
		w.Fatal(err)
	case got[0] == "ok":
		w.acked = append(w.acked, text)
		return true
	}
	w.refused(got)
	return false
}

func (w *diskWorld) refused(got []string) {
	w.Helper()
	if len(got) < 3 || got[0] != "error" || got[1] != "nonfatal" || got[2] != "unavailable" {
		w.Errorf("with a full disk the answer is %q, want unavailable", got)
	}
}

func (w *diskWorld) guest(name string) *textClient {
	w.Helper()
	c, err := dialText(w.server.text)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { c.conn.Close() })
	c.must(w.T, "guest", name)
	return c
}

// history wants exactly what was acknowledged.
func (w *diskWorld) history() {
	w.Helper()
	after, seen := "", 0
	for {
		page := w.alice.must(w.T, "history", "lobby", "after", after, "15")[1:]
		if len(page) == 0 {
			break
		}
		for ; len(page) >= 4; page = page[4:] {
			if seen >= len(w.acked) || page[3] != w.acked[seen] {
				w.Fatalf("message %d of the history is %.20q, which was not acknowledged as that", seen+1, page[3])
			}
			after, seen = page[0], seen+1
		}
	}
	if seen != len(w.acked) {
		w.Errorf("the history has %d messages, want the %d that were acknowledged", seen, len(w.acked))
	}
}

func fillDisk(t *testing.T, dir string) {
	data, full := filepath.Join(dir, "data"), filepath.Join(dir, "ballast")
	w := &diskWorld{T: t}
	start := func() {
		w.server = serveChild(t, data)
		w.alice, w.line = w.guest("alice"), dialLine(t, w.server.line, "shouter")
	}
	start()
	bob := w.guest("bob")
	for range 30 {
		w.say()
	}
	// The first time for so long that the log cannot be copied either; usually
	// that is left out.
	patience := time.Duration(proof.Size(0, 7, 7)) * time.Second
	for range 3 {
		ballast(t, full)
		until := time.Now().Add(patience)
		patience = 0
		for refused := 0; refused < 6 || time.Now().Before(until); { // in a row
			if refused++; w.say() {
				refused = 0
			}
		}
		w.whileFull(bob)
		if err := os.Remove(full); err != nil {
			t.Fatal(err)
		}
		freed := time.Now()
		for kept := 0; kept < 2; { // one on each door
			if kept++; !w.say() {
				kept = 0
			}
		}
		// Generously: the promise is seconds.
		if took := time.Since(freed); took > 10*time.Second {
			t.Errorf("it recovered only after %v", took)
		}
		w.history()
	}
	bob.conn.Close()
	if code := w.server.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	start()
	w.history()
	w.server.stop(syscall.SIGKILL)
}

// whileFull does what needs no disk, and what does.
func (w *diskWorld) whileFull(bob *textClient) {
	w.Helper()
	w.history()
	got, err := bob.do("new", fmt.Sprintf("den%d", w.said))
	if err != nil {
		w.Fatal(err)
	}
	w.refused(got)
	// Several times, since the first may find a little space.
	for i := range 3 {
		if got, err = bob.do("register", fmt.Sprintf("carol%d%c", w.said, 'a'+i), "secret"); err != nil {
			w.Fatal(err)
		} else if got[0] != "ok" {
			break
		}
	}
	w.refused(got)
	bob.must(w.T, "rooms")
	bob.must(w.T, "users")
	bob.must(w.T, "members", "lobby")
	bob.must(w.T, "join", "lobby")
	bob.must(w.T, "leave", "lobby")
	dora := w.guest(fmt.Sprintf("dora%d", w.said))
	dora.must(w.T, "send", "bob", "text", "psst")
	if got, err := bob.read(); err != nil || got[0] != "send" || got[len(got)-1] != "psst" {
		w.Errorf("bob was told %q, %v; want what dora sent", got, err)
	}
	if got := w.line.do("rooms"); strings.HasPrefix(got, "Error") {
		w.Errorf("rooms on the line door: %q", got)
	}
}

// A diskFault is a system call that fails once. Strace counts for each thread
// which time it is.
type diskFault struct {
	call, fault string
	first, most int // which time in the first run, and in others at most
}

// TestFailingSync lets an fsync fail, early and late: nothing that needed it is
// acknowledged, the server ends with its own exit code, and a new one has
// everything (K4, T16).
func TestFailingSync(t *testing.T) {
	testDiskFaults(t, proof.Size(3, 20, 50), diskFault{"fsync,fdatasync", "EIO", 16, 60})
}

// TestFailingCalls lets other calls fail: the server ends likewise, or goes on
// when there is a way (K4).
func TestFailingCalls(t *testing.T) {
	testDiskFaults(t, proof.Size(6, 60, 400), diskFault{"pwrite64", "EIO", 60, 200}, diskFault{"pwrite64", "ENOSPC", 70, 200},
		diskFault{"ftruncate", "EIO", 1, 3}, diskFault{"open", "EMFILE", 8, 30})
}

func testDiskFaults(t *testing.T, runs int, faults ...diskFault) {
	if err := powerloss.Usable(); err != nil {
		t.Skip(err)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	ended := 0 // on their own
	for run := range runs {
		fault := faults[run%len(faults)]
		when := fault.first
		if run >= len(faults) {
			when = 1 + random.IntN(fault.most)
		}
		t.Run(fmt.Sprintf("%s %s %d", fault.call, fault.fault, when), func(t *testing.T) {
			if testDiskFault(t, fault, when, random) == exitBroken {
				ended++
			}
		})
	}
	if ended == 0 && !t.Failed() {
		t.Error("no fault broke the store")
	}
}

// testDiskFault runs a server under load until a call has failed and what comes
// of it is seen; it gives the exit code.
func testDiskFault(t *testing.T, fault diskFault, when int, random *rand.Rand) (code int) {
	root, err := os.MkdirTemp(memoryDir(), "fault-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(root)
	trace := filepath.Join(t.TempDir(), "strace")
	inject := fmt.Sprintf("--inject=%s:error=%s:when=%d", fault.call, fault.fault, when)
	server := traceChild(t, trace, []string{inject}, dataOf(root))
	p := &promises{}
	if server.text == "" {
		code = server.wait()
		if code != 1 && code != exitBroken {
			t.Errorf("the server did not start: exit code %d, want 1 or %d", code, exitBroken)
		}
	} else {
		code = faultLoad(t, server, p)
	}
	if code != 0 && !strings.Contains(server.errs.String(), "parley: ") {
		t.Errorf("it says %q, want a message why it ended", server.errs.String())
	}
	failed := injected(t, trace)
	if len(failed) == 0 {
		t.Log("no call has failed")
	}
	for _, call := range failed { // SQLite syncs the directory too, and need not
		if strings.HasPrefix(fault.call, "fsync") && strings.Contains(call, fmt.Sprintf(`\x%x\x%x\x%x`, '.', 'd', 'b')) && code == 0 {
			t.Error("a sync failed, and the server went on")
		}
	}
	checkFault(t, root, trace, p, random)
	return code
}

// injected are the lines of a recording that tell of a call that was made to fail.
func injected(t *testing.T, trace string) (lines []string) {
	t.Helper()
	content, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(content)) {
		if strings.HasSuffix(line, "(INJECTED)\n") {
			lines = append(lines, line)
		}
	}
	return lines
}

// faultLoad has clients speak until the server ends, or for a while. Then it is
// stopped.
func faultLoad(t *testing.T, server *tracedChild, p *promises) (code int) {
	const posts = 150
	var all sync.WaitGroup
	for i := range 2 {
		all.Go(func() { faultWriter(t, server.text, fmt.Sprintf("guest%d", i), posts, p) })
	}
	all.Wait()
	ended := make(chan int, 1)
	go func() { ended <- server.wait() }() // ends with the server, which is stopped below
	c, err := dialText(server.text)
	if err == nil {
		defer c.conn.Close()
		_, err = c.do("guest", "probe")
	}
	for range posts { // it has recovered when one is acknowledged again
		if err != nil {
			break
		}
		var got []string
		if got, err = c.do("say", "lobby", "does it go on?"); err == nil && got[0] == "ok" {
			server.server.Signal(syscall.SIGTERM)
			return <-ended
		}
	}
	if err == nil {
		t.Error("the server neither ends nor recovers")
		server.server.Signal(syscall.SIGTERM)
	}
	if code = <-ended; code != exitBroken {
		t.Errorf("the server ended with code %d, want %d", code, exitBroken)
	}
	return code
}

// faultWriter posts until the server ends, or so often.
func faultWriter(t *testing.T, address, name string, posts int, p *promises) {
	c, err := dialText(address)
	if err != nil {
		return
	}
	defer c.conn.Close()
	if got, err := c.do("guest", name); err != nil || got[0] != "ok" {
		return
	}
	for n := range posts {
		text := fmt.Sprintf("%s-%d", name, n)
		got, err := c.do("say", "lobby", text)
		switch {
		case err != nil || got[0] == "error" && got[1] == "fatal":
			return
		case got[0] == "ok":
			p.add(promise{Peer: c.conn.LocalAddr().String(), Answer: n + 1, Words: append([]string{"say", "lobby", text}, got[1:]...)})
		case got[2] != "unavailable":
			t.Errorf("%s was answered %q, want unavailable", text, got)
		}
	}
}

// checkFault wants everything that was acknowledged in what the server left,
// and on the disks that a power loss would leave behind it.
func checkFault(t *testing.T, root, trace string, p *promises, random *rand.Rand) {
	t.Helper()
	disks, err := powerloss.New(root, "-shm", ".suspect")
	if err != nil {
		t.Fatal(err)
	}
	found, err := disks.ReadDisk()
	if err != nil {
		t.Fatal(err)
	}
	recorded, err := os.Open(trace)
	if err != nil {
		t.Fatal(err)
	}
	defer recorded.Close()
	if err := disks.Read(recorded, found); err != nil {
		t.Fatal(err)
	}
	if err := lookFor(t, dataOf(root), p.all); err != nil {
		t.Errorf("after the fault: %v", err)
	}
	r := &powerRecording{disks: disks, promises: p.all}
	r.findMoments(t)
	walk := disks.Walk()
	for range 5 {
		last := image{moment: disks.Moments() - 1, random: random}
		if err := r.try(t, walk, last); err != nil {
			t.Errorf("after the fault and a power loss: %v", err)
		}
	}
}
