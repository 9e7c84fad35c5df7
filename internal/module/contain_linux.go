package module

import (
	"errors"
	"math"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// tellLacks says once what this system cannot keep a module from.
func tellLacks(opts *Options) {
	abi := landlockABI()
	switch {
	case abi == 0:
		opts.Log.Warn("modules can read what the server can, its database too: this system has no Landlock")
	case abi < abiNetwork:
		opts.Log.Info("modules without the right network may be able to use TCP: this system's Landlock is old", "abi", abi)
	case abi < abiScope:
		opts.Log.Info("modules may be able to signal the server: this system's Landlock is old", "abi", abi)
	}
}

// apart puts a process into namespaces of its own: what it starts ends with it,
// and it has no network unless it may. Who is not root needs a namespace of users
// for that.
func apart(network bool) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setsid: true, Cloneflags: unix.CLONE_NEWPID}
	if !network {
		attr.Cloneflags |= unix.CLONE_NEWNET
	}
	if uid, gid := os.Geteuid(), os.Getegid(); uid != 0 {
		attr.Cloneflags |= unix.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}}
	}
	return attr
}

// contain gives up what a module may not have, for good.
func (j *job) contain() error {
	// In place of SysProcAttr.Pdeathsig, which does not go with a PID namespace.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl", err)
	}
	if orphaned() {
		return errors.New("the server is gone")
	}
	if err := dropCapabilities(); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl", err)
	}
	if err := j.landlock(); err != nil {
		return err
	}
	// All is marked to be closed already; this is for what is not ours. Kernels
	// before 5.11 lack it.
	unix.CloseRange(jobFile, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	return nil
}

// orphaned tells whether the server ended before we could ask to be told.
func orphaned() bool {
	fds := []unix.PollFd{{Fd: 0, Events: unix.POLLRDHUP}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n > 0 && fds[0].Revents&unix.POLLHUP != 0
}

// kept are the capabilities of root that a module may keep: what concerns files
// and users. Without the others it cannot raise its limits, load code into the
// system, or reach its disks.
var kept = [...]uintptr{
	unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER, unix.CAP_FSETID, unix.CAP_KILL, unix.CAP_SETGID, unix.CAP_SETUID,
}

// dropCapabilities sees to it that a program of root gets only those. Who is not
// root has none to give up.
func dropCapabilities() error {
	for c := uintptr(0); ; c++ {
		has, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, c, 0, 0, 0)
		if err != nil {
			return nil // there are no more
		}
		if has == 0 || isKept(c) {
			continue
		}
		switch err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); {
		case errors.Is(err, unix.EPERM):
			return nil
		case err != nil:
			return os.NewSyscallError("prctl", err)
		}
	}
}

func isKept(c uintptr) bool {
	for _, k := range kept {
		if c == k {
			return true
		}
	}
	return false
}

// systemLimits bounds the threads of the user, of which a module may add some. It
// does not hold for root. In a namespace of its own only the module's count;
// elsewhere those of all modules do, and of the server.
func (j *job) systemLimits() []limit {
	count, more := threadsOf(os.Getuid()), j.Limits.Processes
	if count == 0 { // there is no /proc
		return nil
	}
	if os.Getpid() != 1 {
		more *= j.Limits.Modules
	}
	return []limit{{unix.RLIMIT_NPROC, uint64(count + more)}}
}

// awaitEnd waits for the end of a process and lets it keep its number.
func awaitEnd(pid int) bool {
	for {
		if err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil); !errors.Is(err, unix.EINTR) {
			return err == nil
		}
	}
}
