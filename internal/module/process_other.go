//go:build !linux && !darwin

package module

import (
	"errors"
	"os"
)

var errSystem = errors.New("modules that the server starts need Linux or macOS; start them beside it, over a socket")

func socketPair() (ours, theirs, hold *os.File, err error) { return nil, nil, nil, errSystem }

func shut(*os.File) {}

// forks starts nothing.
type forks struct{}

func newForks(opts *Options) *forks {
	opts.Log.Warn(errSystem.Error())
	return &forks{}
}

func (f *forks) close()                                   {}
func (f *forks) start(*module, *os.File) (process, error) { return nil, errSystem }

// Launch turns this process into a module's program, where there are modules.
func Launch() error { return errSystem }
