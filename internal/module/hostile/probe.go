//go:build linux || darwin

package hostile

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// probe does what it is asked to, and tells how that went.
func probe(c *call) {
	if len(c.args) == 0 {
		c.give("nothing")
		return
	}
	do, args := probes[c.args[0]], c.args[1:]
	if do == nil {
		c.give("unknown", c.args[0])
		return
	}
	values, err := do(args)
	if err != nil {
		c.give("refused", err.Error())
		return
	}
	c.give(append([]string{"did"}, values...)...)
}

var probes = map[string]func(args []string) ([]string, error){
	"environment": func([]string) ([]string, error) { return os.Environ(), nil },
	"directory":   func([]string) ([]string, error) { dir, err := os.Getwd(); return []string{dir}, err },
	"arguments":   func([]string) ([]string, error) { return os.Args, nil },
	"descriptors": func([]string) ([]string, error) { return descriptors(), nil },
	"limit":       limit,
	"status": func([]string) ([]string, error) { // of the system's
		text, err := os.ReadFile("/proc/self/status")
		return strings.Split(string(text), "\n"), err
	},
	"nice": func([]string) ([]string, error) {
		n, err := syscall.Getpriority(0, 0)
		return []string{strconv.Itoa(n)}, err
	},
	"read": func(args []string) ([]string, error) { _, err := os.ReadFile(args[0]); return nil, err },
	"list": func(args []string) ([]string, error) { _, err := os.ReadDir(args[0]); return nil, err },
	"write": func(args []string) ([]string, error) {
		return nil, os.WriteFile(args[0], []byte("written by a module\n"), 0o600)
	},
	"signal": signalTo,
	"dial":   dial,
	"listen": listen,
	"files":  func([]string) ([]string, error) { return []string{strconv.Itoa(openAll())}, nil },
	"memory": memory,
	"size":   func(args []string) ([]string, error) { return nil, extend(args[0], 2<<30) },
	"raise": func([]string) ([]string, error) {
		return nil, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 4096, Max: 4096})
	},
	"log": func(args []string) ([]string, error) { // a Go string in quotes
		text, err := strconv.Unquote(args[0])
		os.Stderr.WriteString(text)
		return nil, err
	},
}

// descriptors lists those that are open, as far as a module could have them.
func descriptors() (open []string) {
	for fd := range 1024 {
		var stat syscall.Stat_t
		if syscall.Fstat(fd, &stat) != nil {
			continue
		}
		link, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		kind, _, _ := strings.Cut(link, ":")
		if kind == "anon_inode" || strings.HasPrefix(link, "/sys/fs/cgroup/") { // of Go's own
			continue
		}
		open = append(open, strconv.Itoa(fd)+" "+kind)
	}
	return open
}

// limit tells a limit of the system's by its number.
func limit(args []string) ([]string, error) {
	which, err := strconv.Atoi(args[0])
	if err != nil {
		return nil, err
	}
	var l syscall.Rlimit
	if err := syscall.Getrlimit(which, &l); err != nil {
		return nil, err
	}
	return []string{fmt.Sprint(l.Max)}, nil
}

// signalTo sends a signal to a process.
func signalTo(args []string) ([]string, error) {
	pid, err := strconv.Atoi(args[0])
	if err != nil {
		return nil, err
	}
	number, err := strconv.Atoi(args[1])
	if err != nil {
		return nil, err
	}
	return nil, syscall.Kill(pid, syscall.Signal(number))
}

// listen listens by plain TCP: Landlock knows no other.
func listen([]string) ([]string, error) {
	var cfg net.ListenConfig
	cfg.SetMultipathTCP(false)
	l, err := cfg.Listen(context.Background(), "tcp4", "127.0.0.1:0")
	return closed(l, err)
}

func dial(args []string) ([]string, error) {
	c, err := net.DialTimeout(args[0], args[1], 5*time.Second)
	return closed(c, err)
}

func closed(c interface{ Close() error }, err error) ([]string, error) {
	if err == nil {
		c.Close()
	}
	return nil, err
}

// openAll opens files until it may not.
func openAll() int {
	for n := range 10_000 {
		f, err := os.Open("/dev/null")
		if err != nil {
			return n
		}
		kept = append(kept, f)
	}
	return 10_000
}

var (
	kept  []*os.File
	eaten [][]byte
)

// memory takes what it can, or as many bytes as it is told.
func memory([]string) ([]string, error) {
	const piece = 32 << 20
	for taken := 0; taken < mostMemory; taken += piece {
		b, err := syscall.Mmap(-1, 0, piece, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
		if err != nil {
			for _, b := range eaten {
				syscall.Munmap(b)
			}
			return nil, fmt.Errorf("after %d bytes: %w", taken, err)
		}
		eaten = append(eaten, b)
	}
	return []string{strconv.Itoa(mostMemory)}, nil
}

// extend makes a file that is as long as that, with nothing in it.
func extend(name string, size int64) error {
	f, err := os.Create(filepath.Clean(name))
	if err != nil {
		return err
	}
	defer os.Remove(name)
	defer f.Close()
	_, err = f.WriteAt([]byte{1}, size-1)
	return err
}
