package module

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Landlock takes rights away from this thread, and from what it becomes and
// starts. It knows rules of what is allowed only: so everything beside the data
// directory is, entry by entry. What is made there later, beside an entry on the
// way to the data directory, is out of a module's reach until it is started again.

// Versions of Landlock, by what came with them.
const (
	abiRefer   = 2
	abiTrunc   = 3
	abiNetwork = 4
	abiIoctl   = 5
	abiScope   = 6
)

// mostEntries bounds the entries of a directory that get a rule.
const mostEntries = 10_000

const (
	ofFiles = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_READ_FILE |
		unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	toRun = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE
	// devices could be the disk that the database lies on.
	devices = unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK
)

// handled are all rights to files that a version knows.
func handled(abi int) uint64 {
	rights := uint64(unix.LANDLOCK_ACCESS_FS_MAKE_SYM)<<1 - 1
	if abi >= abiRefer {
		rights |= unix.LANDLOCK_ACCESS_FS_REFER
	}
	if abi >= abiTrunc {
		rights |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	if abi >= abiIoctl {
		rights |= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	return rights
}

// landlockABI gives the version of Landlock that the system has; 0: none.
func landlockABI() int {
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return int(version)
}

// landlock leaves a module of the data directory its own directory and its
// program; no TCP unless it may use the network; and no signals to, nor abstract
// sockets of, others.
func (j *job) landlock() error {
	abi := landlockABI()
	if abi == 0 {
		return nil // tellLacks has said so
	}
	attr := unix.LandlockRulesetAttr{Handled_access_fs: handled(abi)}
	if abi >= abiNetwork && !j.Network {
		attr.Handled_access_net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	}
	if abi >= abiScope {
		attr.Scoped = unix.LANDLOCK_SCOPE_SIGNAL | unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET
	}
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if errno != 0 {
		return os.NewSyscallError("landlock_create_ruleset", errno)
	}
	defer unix.Close(int(fd))
	r := &ruleset{fd: int(fd), handled: attr.Handled_access_fs}
	if err := j.allow(r); err != nil {
		return err
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0, 0); errno != 0 {
		return os.NewSyscallError("landlock_restrict_self", errno)
	}
	return nil
}

// allow adds all rules.
func (j *job) allow(r *ruleset) error {
	for dir := j.Dir; dir != "/"; {
		parent := filepath.Dir(dir)
		if err := r.allowBeside(parent, dir); err != nil {
			return err
		}
		dir = parent
	}
	if !strings.HasPrefix(j.Dir+"/", "/dev/") { // else it was on the way
		if err := r.allowBeside("/dev", ""); err != nil {
			return err
		}
	}
	program, err := filepath.EvalSymlinks(j.Program)
	if err != nil {
		return err
	}
	if err := r.allow(program, toRun); err != nil {
		return err
	}
	return r.allow(j.Home, r.handled&^devices)
}

// ruleset is a set of rules that is being made.
type ruleset struct {
	fd      int
	handled uint64
}

// allowBeside allows all entries of a directory but one.
func (r *ruleset) allowBeside(dir, but string) error {
	f, err := os.Open(dir)
	if errors.Is(err, os.ErrPermission) {
		return nil // what we may not list stays out of reach
	} else if err != nil {
		return err
	}
	defer f.Close()
	entries, err := f.ReadDir(mostEntries)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if len(entries) == mostEntries {
		fmt.Fprintf(os.Stderr, "%s has too many entries; only %d of them can be used here\n", dir, mostEntries)
	}
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		rights := uint64(ofFiles)
		switch mode := entry.Type(); {
		case path == but, path == "/dev":
			continue
		case mode.IsDir():
			rights = r.handled &^ devices
		case mode&os.ModeSymlink != 0: // it may lead anywhere; what it leads to has its own rule
			continue
		case mode&os.ModeDevice != 0 && mode&os.ModeCharDevice == 0: // a disk
			continue
		case dir == "/dev" && isMemory(entry.Name()):
			continue
		}
		if err := r.allow(path, rights); err != nil {
			return err
		}
	}
	return nil
}

// isMemory tells the devices that show all memory, and what the disk holds with it.
func isMemory(name string) bool { return name == "mem" || name == "kmem" || name == "port" }

// allow allows something to a file, or beneath a directory. What is gone by now,
// or out of our own reach, needs no rule.
func (r *ruleset) allow(path string, rights uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EACCES) {
		return nil
	} else if err != nil {
		return fmt.Errorf("allow %s: %w", path, err)
	}
	defer unix.Close(fd)
	attr := unix.LandlockPathBeneathAttr{Allowed_access: rights & r.handled, Parent_fd: int32(fd)}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(r.fd), unix.LANDLOCK_RULE_PATH_BENEATH,
		uintptr(unsafe.Pointer(&attr)), 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("allow %s: %w", path, os.NewSyscallError("landlock_add_rule", errno))
	}
	return nil
}
