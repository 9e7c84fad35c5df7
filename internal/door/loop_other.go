//go:build !linux

package door

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// Loops is not there on this system: every connection has a goroutine.
type Loops struct{}

// NewLoops gives none.
func NewLoops() (*Loops, error) { return nil, nil }

// Close does nothing.
func (*Loops) Close() {}

func (*Loops) acceptor(*Listener, net.Listener) (func() error, io.Closer) { return nil, nil }

func (*Loops) driveFile(*Listener, *os.File) error { return errors.ErrUnsupported }

// Inherit sets nothing here: see the one of Linux.
func Inherit(string, string, syscall.RawConn) error { return nil }
