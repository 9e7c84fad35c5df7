package module

import (
	"syscall"
)

// Here a module is bounded by limits and its process group; it can read what the
// server can.

func tellLacks(opts *Options) {
	opts.Log.Debug("modules can read what the server can: this system has no Landlock")
}

func apart(bool) *syscall.SysProcAttr { return nil }

func (j *job) contain() error        { return nil }
func (j *job) systemLimits() []limit { return nil }

// awaitEnd waits for the end of a process, if that can be known before its number
// is free.
func awaitEnd(int) {}

// crowd is what is known of the processes of a module.
type crowd struct{}

func (*crowd) kill() {}

func (p *program) look() int { return 0 }
func (p *program) watch()    {}
