package module

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// crowd is what was seen of the processes that a module started, where they do not
// end with it: when each began, by its number.
type crowd map[int]string

// watch counts a module's processes until it is dead, and kills it if they are
// too many. Limits of the system would do, but they do not hold for root.
func (p *program) watch() {
	tick := time.NewTicker(p.census)
	defer tick.Stop()
	for {
		select {
		case <-p.dead:
			return
		case <-tick.C:
		}
		if n := p.look(); n > p.limits.Processes {
			p.log.Error("the module has too many processes and is killed", "processes", n, "most", p.limits.Processes)
			p.kill()
		}
	}
}

// look counts the processes of a module, and notes them if they may outlive it.
func (p *program) look() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return 0
	}
	// Some more than allowed: a module that makes them faster than we count is none we have to know.
	seen := descendants(p.process.Pid, 2*p.limits.Processes)
	if p.contained {
		return len(seen)
	}
	if p.crowd == nil {
		p.crowd = crowd{}
	}
	maps.DeleteFunc(p.crowd, func(pid int, began string) bool { return began != beginning(pid) })
	for _, pid := range seen[1:] {
		if began := beginning(pid); began != "" {
			p.crowd[pid] = began
		}
	}
	return max(len(seen), 1+len(p.crowd))
}

// kill kills those that are still there.
func (c crowd) kill() {
	for pid, began := range c {
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			continue
		}
		if beginning(pid) == began { // then fd is that process, and no later one of its number
			unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
		}
		unix.Close(fd)
	}
}

// descendants lists a process and what it started, and they, up to some number.
func descendants(pid, most int) []int {
	all := []int{pid}
	for i := 0; i < len(all) && len(all) < most; i++ {
		dir := fmt.Sprintf("/proc/%d/task/", all[i])
		threads, err := os.ReadDir(dir)
		if err != nil {
			continue // it has ended
		}
		for _, thread := range threads {
			children, _ := os.ReadFile(dir + thread.Name() + "/children")
			for field := range strings.FieldsSeq(string(children)) {
				if child, err := strconv.Atoi(field); err == nil {
					all = append(all, child)
				}
			}
		}
	}
	return all
}

// Fields of /proc/PID/stat, counted behind the name.
const (
	statThreads = 17
	statBegan   = 19
)

// stat gives a field of what the system says of a process; empty: there is no such process.
func stat(pid, field int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) <= field {
		return ""
	}
	return string(fields[field])
}

func beginning(pid int) string { return stat(pid, statBegan) }

// threadsOf counts the threads of a user; 0: that cannot be known.
func threadsOf(uid int) int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	count := 0
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		var info unix.Stat_t
		if err != nil || unix.Stat("/proc/"+entry.Name(), &info) != nil || int(info.Uid) != uid {
			continue
		}
		threads, _ := strconv.Atoi(stat(pid, statThreads))
		count += threads
	}
	return count
}
