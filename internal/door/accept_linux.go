package door

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// acceptor gives what accepts one connection of a listening socket for the
// loops, and what must be closed with the listener; nil if it is no socket. The
// runtime waits for the listening socket, and does not come to know the accepted
// ones. Those take over its options.
func (ls *Loops) acceptor(l *Listener, from net.Listener) (accept func() error, also io.Closer) {
	listening, ok := from.(interface{ File() (*os.File, error) })
	if !ok {
		return nil, nil
	}
	file, err := listening.File()
	if err != nil {
		return nil, nil
	}
	raw, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil, nil
	}
	// Of the last connection.
	var fd int
	return func() error {
		if isSpare(fd) {
			switch next, closed := nextDescriptor(raw); {
			case closed != nil:
				return net.ErrClosed
			case isSpare(next):
				return errScarce
			}
		}
		var err error
		closed := raw.Read(func(listener uintptr) bool {
			fd, _, err = unix.Accept4(int(listener), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
			return !errors.Is(err, unix.EAGAIN)
		})
		switch {
		case closed != nil:
			return net.ErrClosed
		case errors.Is(err, unix.ECONNABORTED), errors.Is(err, unix.EINTR):
			return nil
		case err != nil:
			return os.NewSyscallError("accept4", err)
		}
		ls.drive(l, fd)
		return nil
	}, file
}

// spare is how many descriptors no connection takes: the store opens files when
// it needs them, not only at the start.
const spare = 32

// errScarce leaves a connection where it waits to be accepted.
var errScarce = errors.New("the last descriptors are not for connections; raise the limit of open files")

// isSpare tells whether a descriptor is one of the last that the process may
// have; the system always gives the lowest.
func isSpare(fd int) bool {
	var limit unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	return err == nil && uint64(max(fd, 0)) >= limit.Cur-min(spare, limit.Cur/8)
}

// nextDescriptor tells which descriptor a connection would get now: at worst,
// one that there is not.
func nextDescriptor(listener syscall.RawConn) (next int, closed error) {
	next = math.MaxInt
	closed = listener.Control(func(listener uintptr) {
		if fd, err := unix.FcntlInt(listener, unix.F_DUPFD_CLOEXEC, 0); err == nil {
			next = fd
			unix.Close(fd)
		}
	})
	return next, closed
}

// unsent is how many bytes the system takes for a peer that does not read. By
// itself it would take megabytes for each, out of what all connections share.
const unsent = 64 << 10

// Inherit sets what the connections of a socket take over. It must be called
// before that listens (see net.ListenConfig.Control): those that come earlier go
// without.
func Inherit(_, _ string, listener syscall.RawConn) error {
	return listener.Control(func(fd uintptr) { inherit(int(fd)) })
}

// inherit sets it. What a Unix socket lacks, it does not need.
func inherit(fd int) {
	for _, option := range [][3]int{
		{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		{unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsent},
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 30},
		{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 10},
		{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 3},
	} {
		_ = unix.SetsockoptInt(fd, option[0], option[1], option[2])
	}
}

// drive takes a descriptor and serves it on a loop.
func (ls *Loops) drive(l *Listener, fd int) {
	s := &socket{fd: fd, place: -1}
	s.conn.driver = s
	if !l.admit(&s.conn) {
		unix.Close(fd)
		return
	}
	ls.take(s)
}

// driveFile drives a socket that somebody else opened.
func (ls *Loops) driveFile(l *Listener, socket *os.File) error {
	fd, err := unix.FcntlInt(socket.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return os.NewSyscallError("fcntl", err)
	}
	ls.drive(l, fd)
	return nil
}

// remote asks the system: most connections are never asked for it.
func (s *socket) remote() string {
	peer, err := unix.Getpeername(s.fd)
	if err != nil {
		return "local"
	}
	switch peer := peer.(type) {
	case *unix.SockaddrInet4:
		return (&net.TCPAddr{IP: peer.Addr[:], Port: peer.Port}).String()
	case *unix.SockaddrInet6:
		return (&net.TCPAddr{IP: peer.Addr[:], Port: peer.Port, Zone: zone(peer.ZoneId)}).String()
	}
	return "local"
}

func zone(id uint32) string {
	if id == 0 {
		return ""
	}
	return fmt.Sprint(id)
}
