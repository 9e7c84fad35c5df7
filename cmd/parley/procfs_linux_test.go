package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"testing"
	"time"
)

// figures are what the system says of a server's process at one moment.
type figures struct {
	descriptors, threads int
	resident, most       int64         // bytes of memory, now and at the most so far
	cpu                  time.Duration // so far
}

func (f figures) String() string {
	return fmt.Sprintf("%d descriptors, %d threads, %.1f MiB", f.descriptors, f.threads, float64(f.resident)/(1<<20))
}

// or gives the greater one of each.
func (f figures) or(g figures) figures {
	return figures{
		max(f.descriptors, g.descriptors), max(f.threads, g.threads),
		max(f.resident, g.resident), max(f.most, g.most), max(f.cpu, g.cpu),
	}
}

// figures asks the system for them.
func (c *child) figures() figures {
	c.t.Helper()
	dir := fmt.Sprintf("/proc/%d/", c.cmd.Process.Pid)
	status, err := os.ReadFile(dir + "status")
	if err != nil {
		c.t.Fatal(err)
	}
	field := func(name string) (n int64) {
		_, rest, _ := bytes.Cut(status, []byte("\n"+name+":"))
		if _, err := fmt.Sscan(string(rest), &n); err != nil {
			c.t.Fatalf("the system tells no %s: %v", name, err)
		}
		return n
	}
	return figures{
		descriptors: openFiles(c.t, dir), threads: int(field("Threads")),
		resident: field("VmRSS") << 10, most: field("VmHWM") << 10, cpu: cpuTime(c.t, dir),
	}
}

// openFiles counts the descriptors of a process.
func openFiles(t testing.TB, dir string) int {
	t.Helper()
	open, err := os.ReadDir(dir + "fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(open)
}

// cpuTime gives the processor time of a process, in steps of 10 ms.
func cpuTime(t testing.TB, dir string) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(dir + "stat")
	if err != nil {
		t.Fatal(err)
	}
	const user, system = 11, 12 // fields behind the command's name
	var ticks int
	for _, field := range bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])[user : system+1] {
		n, err := strconv.Atoi(string(field))
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100
}

// underRace tells whether there is the race detector, under which memory says
// nothing.
func underRace() bool {
	info, _ := debug.ReadBuildInfo()
	return info != nil && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}
