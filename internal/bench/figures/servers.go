package main

import (
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

//go:embed peers/inspircd.conf
var inspircdConf string

//go:embed peers/ngircd.conf
var ngircdConf string

// A kind is a server that can be measured: a column of the table.
type kind struct {
	name     string
	scheme   string
	answers  bool // its protocol answers each message
	crowds   bool // it brings thousands into rooms within seconds
	inflight int  // connects under way at once: what suits the server best
	program  string
	args     func(dir string, port int) ([]string, error)
}

// kinds are all servers, ours at the given path.
func kinds(parley string) []kind {
	return []kind{
		{"parley line", "line", true, true, 100, parley, parleyArgs("line", "full")},
		{"parley line, relaxed", "line", true, true, 100, parley, parleyArgs("line", "relaxed")},
		{"parley text", "text", true, true, 100, parley, parleyArgs("text", "full")},
		{rival, "irc", false, true, 2000, "inspircd", inspircdArgs},
		{"ngIRCd", "irc", false, false, 8, "ngircd", ngircdArgs},
	}
}

// rival is the server with which the others are compared.
const rival = "InspIRCd"

func parleyArgs(door, durability string) func(string, int) ([]string, error) {
	return func(dir string, port int) ([]string, error) {
		args := []string{"serve", "--data", filepath.Join(dir, "data"), "--durability", durability, "--text", "off", "--line", "off"}
		return append(args, "--"+door, "127.0.0.1:"+strconv.Itoa(port)), nil // the last one counts
	}
}

func inspircdArgs(dir string, port int) ([]string, error) {
	conf, err := configure(dir, inspircdConf, port)
	args := []string{"--nofork", "--nopid", "--config", conf}
	if os.Geteuid() == 0 {
		args = append(args, "--runasroot")
	}
	return args, err
}

func ngircdArgs(dir string, port int) ([]string, error) {
	conf, err := configure(dir, ngircdConf, port)
	return []string{"--nodaemon", "--config", conf}, err
}

// configure writes a configuration with its blanks filled in.
func configure(dir, text string, port int) (string, error) {
	text = strings.NewReplacer("PORT", strconv.Itoa(port), "PIDFILE", filepath.Join(dir, "pid")).Replace(text)
	path := filepath.Join(dir, "server.conf")
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// A running server is one process with a directory of its own.
type running struct {
	kind
	cmd     *exec.Cmd
	dir     string
	port    int
	log     *os.File
	started time.Duration // until it accepted
}

func (r *running) url() string { return fmt.Sprintf("%s://127.0.0.1:%d", r.scheme, r.port) }

// start runs a server in an empty directory and waits until it accepts.
func start(k kind) (r *running, err error) {
	r = &running{kind: k}
	if r.dir, err = os.MkdirTemp("", "parley-figures-"); err != nil {
		return nil, err
	}
	if err = r.run(); err != nil {
		return nil, errors.Join(err, r.stop())
	}
	return r, nil
}

func (r *running) run() (err error) {
	if r.port, err = freePort(); err != nil {
		return err
	}
	args, err := r.args(r.dir, r.port)
	if err != nil {
		return err
	}
	if r.log, err = os.Create(filepath.Join(r.dir, "log")); err != nil {
		return err
	}
	// The shell gives it all descriptors that there may be.
	line := append([]string{"-c", `ulimit -n "$(ulimit -Hn)" && exec "$@"`, "sh"}, pinned(0, append([]string{r.program}, args...))...)
	r.cmd = exec.Command("sh", line...)
	r.cmd.Stdout, r.cmd.Stderr = r.log, r.log
	begun := time.Now()
	if err := r.cmd.Start(); err != nil {
		return err
	}
	for time.Since(begun) < 10*time.Second {
		if conn, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(r.port)); err == nil {
			r.started = time.Since(begun)
			return conn.Close()
		}
		time.Sleep(time.Millisecond)
	}
	return fmt.Errorf("%s did not listen within 10 s: %s", r.name, r.lastWords())
}

// lastWords is the end of its log.
func (r *running) lastWords() string {
	text, _ := os.ReadFile(r.log.Name()) // nothing is an answer too
	return strings.TrimSpace(string(text[max(len(text)-500, 0):]))
}

// stop ends the process and removes what it kept.
func (r *running) stop() error {
	if r.cmd != nil && r.cmd.Process != nil {
		_ = r.cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
		kill := time.AfterFunc(5*time.Second, func() { _ = r.cmd.Process.Kill() })
		_ = r.cmd.Wait() // how it ends does not matter
		kill.Stop()
	}
	if r.log != nil {
		_ = r.log.Close() // nothing of ours is in it
	}
	return os.RemoveAll(r.dir)
}

// freePort finds a port that nobody listens on.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// fsyncTime is what a write of a page and an fsync take on the file system of
// temporary files, where the data of the servers is too: the median of 200.
func fsyncTime() (time.Duration, error) {
	f, err := os.CreateTemp("", "parley-figures-")
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	var took []float64
	page := make([]byte, 4096)
	for range 200 {
		begun := time.Now()
		if _, err := f.Write(page); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		took = append(took, time.Since(begun).Seconds())
	}
	return time.Duration(median(took) * 1e9), nil
}
