package module

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// Here a module is bounded by limits and its process group; it can read what the
// server can.

func tellLacks(opts *Options) {
	opts.Log.Debug("modules can read what the server can: this system has no Landlock")
}

func apart(bool) *syscall.SysProcAttr { return nil }

func (j *job) contain() error        { return nil }
func (j *job) systemLimits() []limit { return nil }

// awaitEnd waits for the end of a process; false: it cannot be known before its
// number is free.
func awaitEnd(pid int) bool {
	queue, err := unix.Kqueue()
	if err != nil {
		return false
	}
	defer unix.Close(queue)
	unix.CloseOnExec(queue)
	end := []unix.Kevent_t{{Ident: uint64(pid), Filter: unix.EVFILT_PROC, Flags: unix.EV_ADD | unix.EV_ONESHOT, Fflags: unix.NOTE_EXIT}}
	events := make([]unix.Kevent_t, 1)
	for {
		_, err := unix.Kevent(queue, end, events, nil)
		switch {
		case err == nil, errors.Is(err, unix.ESRCH): // it has ended already
			return true
		case !errors.Is(err, unix.EINTR):
			return false
		}
		end = nil // it is watched already
	}
}

// crowd is what is known of the processes of a module.
type crowd struct{}

func (*crowd) kill() {}

func (p *program) look() int { return 0 }
func (p *program) watch()    {}
