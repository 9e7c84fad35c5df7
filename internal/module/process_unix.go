//go:build linux || darwin

package module

import (
	"cmp"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// socketPair gives the host's end of a socket, the program's, and another
// descriptor of the host's end, to end it with.
func socketPair() (ours, theirs, hold *os.File, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return nil, nil, nil, os.NewSyscallError("socketpair", err)
	}
	unix.CloseOnExec(fds[0])
	unix.CloseOnExec(fds[1])
	held, err := unix.FcntlInt(uintptr(fds[0]), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		unix.Close(fds[0])
		unix.Close(fds[1])
		return nil, nil, nil, os.NewSyscallError("dup", err)
	}
	file := func(fd int, name string) *os.File { return os.NewFile(uintptr(fd), name) }
	return file(fds[0], "module"), file(fds[1], "server"), file(held, "module"), nil
}

// shut ends a connection, whoever holds its other end. What was said before is
// still read.
func shut(hold *os.File) { unix.Shutdown(int(hold.Fd()), unix.SHUT_RDWR) }

// forks starts programs, all from one thread: they are killed when the thread
// ends that started them, which is when the server does.
type forks struct {
	opts  *Options
	calls chan func() // run by the thread; closed: it ends
	once  sync.Once   // of closing calls
	ended chan struct{}
	plain bool // the thread's: namespaces are not to be had
}

func newForks(opts *Options) *forks {
	f := &forks{opts: opts, calls: make(chan func()), ended: make(chan struct{}), plain: opts.plain}
	tellLacks(opts)
	go func() { // ended and waited for by close
		defer close(f.ended)
		runtime.LockOSThread() // and never unlocked, so that the thread is ours alone
		for call := range f.calls {
			call()
		}
	}()
	return f
}

func (f *forks) close() {
	f.once.Do(func() { close(f.calls) })
	<-f.ended
}

// start starts a module's program. A fault of the program itself is told by the
// launcher in the log, and by its end.
func (f *forks) start(m *module, socket *os.File) (process, error) {
	if len(f.opts.Launcher) == 0 {
		return nil, errors.New("there is no launcher")
	}
	job, err := newJob(f.opts, m)
	if err != nil {
		return nil, err
	}
	hears, says, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer says.Close()
	told, tells, err := os.Pipe()
	if err != nil {
		hears.Close()
		return nil, err
	}
	defer told.Close()
	defer tells.Close()
	p := &program{
		log: f.opts.Log.With("module", m.name.String()), limits: &f.opts.Limits,
		census: cmp.Or(f.opts.census, time.Second), dead: make(chan struct{}), ended: make(chan struct{}),
	}
	files := []*os.File{socket, socket, says, told}
	done := make(chan struct{})
	f.calls <- func() {
		defer close(done)
		p.process, p.contained, err = f.fork(&os.ProcAttr{Dir: job.Home, Env: []string{}, Files: files}, job.Network)
	}
	<-done
	if err != nil {
		hears.Close()
		return nil, err
	}
	p.log.Info("the module was started", "pid", p.process.Pid)
	p.attend(hears)
	tells.SetWriteDeadline(time.Now().Add(f.opts.Limits.Grace))
	if err := json.NewEncoder(tells).Encode(job); err != nil {
		p.log.Error("the launcher did not listen", "err", err) // it ends
	}
	return p, nil
}

// fork starts the launcher, in namespaces if there are any, and tells whether it is.
func (f *forks) fork(attr *os.ProcAttr, network bool) (*os.Process, bool, error) {
	launcher := f.opts.Launcher
	var why error
	if attr.Sys = apart(network); attr.Sys != nil && !f.plain {
		p, err := os.StartProcess(launcher[0], launcher, attr)
		if err == nil {
			return p, true, nil
		}
		if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.ENOSPC) {
			return nil, false, err // another time it may work
		}
		why = err
	}
	attr.Sys = &syscall.SysProcAttr{Setsid: true}
	p, err := os.StartProcess(launcher[0], launcher, attr)
	if err == nil && why != nil && !f.plain {
		f.plain = true
		f.opts.Log.Warn("modules run without namespaces: one can leave processes behind, and use what is not plain TCP of the network", "err", why)
	}
	return p, false, err
}

// program is a module's process, and what it started.
type program struct {
	process   *os.Process
	contained bool // in a PID namespace: all of it ends with the process
	log       *slog.Logger
	limits    *Limits
	census    time.Duration // how often its processes are counted
	dead      chan struct{} // closed when the process has ended
	ended     chan struct{} // closed when nothing is left
	state     string        // set before ended is closed

	mu     sync.Mutex // guards what follows
	reaped bool       // its number may be another's
	crowd  crowd
}

func (p *program) gone() <-chan struct{} { return p.ended }
func (p *program) how() string           { return p.state }

func (p *program) terminate() { p.signal(unix.SIGTERM) }

func (p *program) kill() {
	p.look()
	p.signal(unix.SIGKILL)
}

// signal signals the group of the process.
func (p *program) signal(sig unix.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		unix.Kill(-p.process.Pid, sig)
	}
}

// attend reads what the program says and waits for its end.
func (p *program) attend(hears *os.File) {
	var all sync.WaitGroup
	all.Go(func() { listen(p.log, hears, p.limits, p.dead) }) // ends with dead, soon
	all.Go(p.watch)                                           // ends with dead
	go func() {                                               // ends with the process, for which the keeper waits
		defer close(p.ended)
		p.bury()
		close(p.dead)
		all.Wait()
	}()
}

// bury waits for the end of the process, and kills what it leaves behind.
func (p *program) bury() {
	var state *os.ProcessState
	var err error
	if awaitEnd(p.process.Pid) {
		p.signal(unix.SIGKILL) // while the number is still its own
		p.mu.Lock()
		state, err = p.process.Wait()
	} else {
		state, err = p.process.Wait()
		p.mu.Lock()
	}
	defer p.mu.Unlock()
	p.reaped = true
	p.crowd.kill()
	if p.state = "its process is lost"; err == nil {
		p.state = "the program ended: " + state.String()
	}
}
