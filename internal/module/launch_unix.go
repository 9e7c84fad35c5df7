//go:build linux || darwin

package module

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// jobFile is the descriptor at which a launcher finds its job.
const jobFile = 3

// Launch turns this process into a module's program, with no more than that may
// have. It returns only when it cannot: the error is for the module's log. The
// process must have been started by a Supervisor.
func Launch() error {
	runtime.LockOSThread() // what a thread gives up, the program it becomes does not have
	var j job
	file := os.NewFile(jobFile, "job")
	if err := json.NewDecoder(file).Decode(&j); err != nil {
		return errors.New("only a server that runs modules may use this")
	}
	file.Close()
	if err := j.contain(); err != nil {
		return fmt.Errorf("the module cannot be contained: %w", err)
	}
	if err := j.limit(); err != nil {
		return fmt.Errorf("the module cannot be limited: %w", err)
	}
	return fmt.Errorf("%s cannot be run: %w", j.Program, syscall.Exec(j.Program, j.Words, j.Env))
}

// niceness is by how much a module stands back behind the server.
const niceness = 5

// limit gives up what is over the limits.
func (j *job) limit() error {
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, niceness); err != nil && !errors.Is(err, unix.EACCES) {
		return os.NewSyscallError("setpriority", err) // EACCES: the server stands back further
	}
	limits := append(j.systemLimits(), []limit{
		{unix.RLIMIT_CORE, 0},
		{unix.RLIMIT_NOFILE, uint64(j.Limits.Files)},
		{unix.RLIMIT_FSIZE, uint64(j.Limits.FileSize)},
		{unix.RLIMIT_DATA, uint64(j.Limits.Memory)},
	}...)
	for _, l := range limits {
		var now unix.Rlimit
		if err := unix.Getrlimit(l.resource, &now); err != nil {
			return os.NewSyscallError("getrlimit", err)
		}
		most := min(l.most, now.Max)
		if err := unix.Setrlimit(l.resource, &unix.Rlimit{Cur: most, Max: most}); err != nil {
			return os.NewSyscallError("setrlimit", err)
		}
	}
	return nil
}

// limit is a limit of the system's.
type limit struct {
	resource int
	most     uint64
}
