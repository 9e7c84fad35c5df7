package bench

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// processCPU gives the CPU time of a process so far: from its clock, which counts
// in nanoseconds, or, where the kernel does not let us, from /proc, in hundredths
// of a second.
func processCPU(pid int) (time.Duration, error) {
	const ofAllThreads = 2 // CPUCLOCK_SCHED of the process
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|ofAllThreads), &ts); err == nil {
		return time.Duration(ts.Nano()), nil
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("no process %d to measure: %w", pid, err)
	}
	const user, system = 11, 12 // fields behind the command's name
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) <= system {
		return 0, fmt.Errorf("process %d: /proc tells no CPU time", pid)
	}
	ticks := 0
	for _, field := range fields[user : system+1] {
		n, err := strconv.Atoi(string(field))
		if err != nil {
			return 0, fmt.Errorf("process %d: /proc tells no CPU time: %w", pid, err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100, nil
}

// processResident gives the resident memory of a process, in bytes.
func processResident(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("no process %d to measure: %w", pid, err)
	}
	_, rest, _ := bytes.Cut(status, []byte("\nVmRSS:"))
	var kilobytes int64
	if _, err := fmt.Sscanf(string(rest), "%d kB", &kilobytes); err != nil {
		return 0, fmt.Errorf("process %d: /proc tells no resident memory", pid)
	}
	return kilobytes << 10, nil
}

// ownCPU gives the CPU time of this process so far.
func ownCPU() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}
