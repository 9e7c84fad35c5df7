package main

import (
	"net"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/parley-chat/parley/internal/proof"
)

// TestServerOutOfDescriptors dials a server that has few descriptors a thousand
// times. It neither ends nor spins, whoever was there before goes on as if
// nothing had happened, and new ones come in as soon as others go (T08).
func TestServerOutOfDescriptors(t *testing.T) {
	const (
		few   = 256
		spare = 32 // of those: what connections leave to the store
	)
	data := filepath.Join(t.TempDir(), "data")
	server := serveChild(t, data)
	limit := unix.Rlimit{Cur: few, Max: few}
	if err := unix.Prlimit(server.cmd.Process.Pid, unix.RLIMIT_NOFILE, &limit, nil); err != nil {
		t.Skipf("a server cannot be limited here: %v", err)
	}
	c := establish(t, server, 100*time.Millisecond)
	readers := make([]*textClient, 12) // more than the store has connections
	for i := range readers {
		readers[i] = guest(t, server.text, "reader"+string(rune('a'+i)))
	}
	swarm := dialMany(t, 1000, server.text, server.line)
	within(t, 10*time.Second, "the server has no descriptor for another one", func() bool { return server.figures().descriptors >= few-spare })

	before, texts := server.figures(), c.texts()
	window := time.Duration(proof.Size(1, 5, 20)) * time.Second
	over := time.After(window)
	read, refused := 0, 0
	for open := true; open; {
		r, e := readAtOnce(t, readers)
		read, refused = read+r, refused+e
		select {
		case <-over:
			open = false
		case <-time.After(250 * time.Millisecond):
		}
	}
	after, texts := server.figures(), c.texts()-texts
	share := 100 * (after.cpu - before.cpu) / window
	t.Logf("in %v without descriptors: %d %% of a processor, %d texts kept, %d histories read, %d refused", window, share, texts, read, refused)
	if most := time.Duration(proof.Size(50, 20, 20)); share > most && !underRace() {
		t.Errorf("without descriptors the server used %d %% of a processor, want at most %d %%", share, most)
	}
	if texts == 0 || refused > 0 {
		t.Errorf("without descriptors %d texts were kept and %d histories refused, want some and none", texts, refused)
	}
	if after.descriptors > few-2 {
		t.Errorf("the server has %d descriptors of %d: nothing is left", after.descriptors, few)
	}

	for _, one := range swarm {
		one.Close()
	}
	took := within(t, 10*time.Second, "somebody else can come in", func() bool { return comesIn(server.text) })
	t.Logf("served again %v after descriptors were free; %v", took.Round(time.Millisecond), c.take())
	if took > time.Duration(proof.Size(10, 2, 2))*time.Second {
		t.Errorf("somebody could come in %v after descriptors were free, want 2 s", took)
	}
	c.hush()
	server.stop(syscall.SIGKILL)
	c.judge(serveChild(t, data))
}

// TestServerOutOfDescriptorsEnds terminates a server that can accept nobody and
// has no descriptor to spare: it ends all the same, in good order.
func TestServerOutOfDescriptorsEnds(t *testing.T) {
	server := serveChild(t, filepath.Join(t.TempDir(), "data"))
	last := guest(t, server.text, "last")
	last.conn.SetDeadline(time.Now().Add(time.Minute))
	none := unix.Rlimit{Cur: 3, Max: 3} // what is open stays so
	if err := unix.Prlimit(server.cmd.Process.Pid, unix.RLIMIT_NOFILE, &none, nil); err != nil {
		t.Skipf("a server cannot be limited here: %v", err)
	}
	last.must(t, "say", "lobby", "I am the last")
	late, err := dialDoor(server.text)
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	tooLong := time.AfterFunc(20*time.Second, func() { server.cmd.Process.Kill() })
	defer tooLong.Stop()
	if code := server.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
}

// dialMany opens connections to doors in turn. The caller closes them.
func dialMany(t *testing.T, n int, doors ...string) (open []net.Conn) {
	t.Helper()
	for i := range n {
		conn, err := dialDoor(doors[i%len(doors)])
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		open = append(open, conn)
	}
	return open
}

// readAtOnce lets everybody read a history at the same time. Refused are those
// who are told that it cannot be had now.
func readAtOnce(t *testing.T, readers []*textClient) (read, refused int) {
	t.Helper()
	answers := make([][]string, len(readers))
	var all sync.WaitGroup
	for i, r := range readers {
		all.Go(func() {
			got, err := r.do("history", "hall0")
			if err != nil {
				t.Errorf("a reader lost its session: %v", err)
				got = []string{"refused"}
			}
			answers[i] = got
		})
	}
	all.Wait()
	for _, got := range answers {
		switch {
		case got[0] == "history":
			read++
		case len(got) > 2 && slices.Equal(got[:3], []string{"error", "nonfatal", "unavailable"}):
			refused++
		default:
			t.Errorf("a reader was answered %.100q, want a history or unavailable", got)
		}
	}
	return read, refused
}

// comesIn tells whether a newcomer is served.
func comesIn(address string) bool {
	c, err := dialText(address)
	if err != nil {
		return false
	}
	defer c.conn.Close()
	c.conn.SetDeadline(time.Now().Add(10 * time.Second))
	got, err := c.do("guest", "newcomer")
	return err == nil && got[0] == "ok"
}
