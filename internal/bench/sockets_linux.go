package bench

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sockets are the connections of one engine, and what waits for them.
type sockets struct {
	epoll  int
	family int
	to     unix.Sockaddr
	spread bool // over many source addresses
	byID   []*client
	events []unix.EpollEvent
	buf    []byte
	coarse bool // the kernel waits in whole milliseconds only

	// brief is for how long Go's scheduler is not told that the thread waits: telling
	// it makes its monitor wake up every 20 µs, which costs more than most waits.
	// Not telling it keeps a core from other goroutines, of which there are none
	// but in tests.
	brief time.Duration

	timeout unix.Timespec // here, so that it does not move
}

func newSockets(to netip.AddrPort, brief time.Duration) (*sockets, error) {
	s := &sockets{brief: brief, events: make([]unix.EpollEvent, 1024), buf: make([]byte, readSize)}
	if ip := to.Addr().Unmap(); ip.Is4() {
		s.family, s.to = unix.AF_INET, &unix.SockaddrInet4{Port: int(to.Port()), Addr: ip.As4()}
		s.spread = ip.IsLoopback()
	} else {
		s.family, s.to = unix.AF_INET6, &unix.SockaddrInet6{Port: int(to.Port()), Addr: ip.As16()}
	}
	var err error
	if s.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	return s, nil
}

func (s *sockets) close() { unix.Close(s.epoll) }

// open begins to connect a client.
func (s *sockets) open(c *client) error {
	fd, err := unix.Socket(s.family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if errors.Is(err, unix.EMFILE) {
		return fmt.Errorf("no descriptor left for client %d; raise the limit (ulimit -n) or take fewer clients", c.id)
	} else if err != nil {
		return os.NewSyscallError("socket", err)
	}
	c.fd, c.pending, c.wantOut = fd, true, true
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	if s.spread {
		if err := bindSource(fd, c.id); err != nil {
			return err
		}
	}
	if err := unix.Connect(fd, s.to); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return os.NewSyscallError("connect", err)
	}
	for len(s.byID) <= c.id {
		s.byID = append(s.byID, nil)
	}
	s.byID[c.id] = c
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP, Fd: int32(c.id)}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(s.epoll, unix.EPOLL_CTL_ADD, fd, &event))
}

// bindSource gives clients on loopback 62,500 source addresses, so that neither
// ports run short nor a server takes them all for one host.
func bindSource(fd, id int) error {
	n := id % (250 * 250)
	source := &unix.SockaddrInet4{Addr: [4]byte{127, 7, byte(2 + n/250), byte(2 + n%250)}}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	return os.NewSyscallError("bind", unix.Bind(fd, source))
}

// drop ends a connection with a reset, so that neither side keeps its ports
// waiting.
func (s *sockets) drop(c *client) {
	if c.fd < 0 {
		return
	}
	// An error changes nothing: the descriptor is closed all the same.
	_ = unix.SetsockoptLinger(c.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	_ = unix.Close(c.fd)
	c.fd = -1
}

// write writes what waits for a client, and asks to be told when there is room
// for what could not leave.
func (s *sockets) write(e *engine, c *client) {
	done := 0
	for done < len(c.out) && c.fd >= 0 {
		n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(c.fd), uintptr(unsafe.Pointer(&c.out[done])), uintptr(len(c.out)-done))
		if errno == unix.EINTR {
			continue
		}
		if errno == unix.EAGAIN {
			break
		}
		if errno != 0 {
			e.down(c, os.NewSyscallError("write", errno))
			return
		}
		done += int(n)
	}
	c.out = c.out[:copy(c.out, c.out[done:])]
	if waits := len(c.out) > 0; waits != c.wantOut && c.fd >= 0 {
		c.wantOut = waits
		event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP, Fd: int32(c.id)}
		if waits {
			event.Events |= unix.EPOLLOUT
		}
		if err := unix.EpollCtl(s.epoll, unix.EPOLL_CTL_MOD, c.fd, &event); err != nil {
			e.down(c, os.NewSyscallError("epoll_ctl", err))
		}
	}
}

// poll waits at most so long and takes what has come. It returns how many
// clients had something.
func (s *sockets) poll(e *engine, wait time.Duration) int {
	n, err := s.wait(wait)
	if errors.Is(err, unix.EINTR) {
		return 0
	} else if err != nil {
		e.err = errors.Join(e.err, os.NewSyscallError("epoll_wait", err))
		return 0
	}
	for _, event := range s.events[:n] {
		c := s.byID[event.Fd]
		if c.fd < 0 {
			continue
		}
		if event.Events&unix.EPOLLOUT != 0 {
			s.writable(e, c)
		}
		if event.Events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 && c.fd >= 0 {
			s.read(e, c)
		}
	}
	return n
}

// wait is epoll_pwait2, which waits in nanoseconds: an open loop needs them.
// Kernels before 5.11 have only milliseconds, and the last of them is spun away.
func (s *sockets) wait(wait time.Duration) (int, error) {
	if s.coarse {
		return unix.EpollWait(s.epoll, s.events, int(wait/time.Millisecond))
	}
	n, errno := s.waitFor(unix.RawSyscall6, min(wait, s.brief))
	if n == 0 && errno == 0 && wait > s.brief {
		n, errno = s.waitFor(unix.Syscall6, wait-s.brief)
	}
	switch errno {
	case 0:
		return n, nil
	case unix.ENOSYS:
		s.coarse = true
		return 0, nil
	}
	return 0, errno
}

func (s *sockets) waitFor(call func(trap, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2 uintptr, err unix.Errno), wait time.Duration) (int, unix.Errno) {
	s.timeout = unix.NsecToTimespec(int64(max(wait, 0)))
	n, _, errno := call(unix.SYS_EPOLL_PWAIT2, uintptr(s.epoll), uintptr(unsafe.Pointer(&s.events[0])),
		uintptr(len(s.events)), uintptr(unsafe.Pointer(&s.timeout)), 0, 0)
	return int(n), errno
}

// writable goes on with a client that waited to connect or to write.
func (s *sockets) writable(e *engine, c *client) {
	if c.pending {
		code, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_ERROR)
		if err == nil && code != 0 {
			err = unix.Errno(code)
		}
		if err != nil {
			e.down(c, os.NewSyscallError("connect", err))
			return
		}
		c.pending = false
		e.now = e.clock()
		e.up(c)
	}
	s.write(e, c)
}

// errClosed is a connection that the server has closed.
var errClosed = errors.New("the server has closed the connection")

// read takes what one read gives, behind what the last one left.
func (s *sockets) read(e *engine, c *client) {
	kept := copy(s.buf, c.rest)
	if kept == len(s.buf) {
		e.down(c, errors.New("the server sends a frame that never ends"))
		return
	}
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(c.fd), uintptr(unsafe.Pointer(&s.buf[kept])), uintptr(len(s.buf)-kept))
	switch {
	case errno == unix.EAGAIN, errno == unix.EINTR:
		return
	case errno != 0:
		e.down(c, os.NewSyscallError("read", errno))
		return
	case n == 0:
		e.down(c, errClosed)
		return
	}
	e.reads++
	e.now = e.clock()
	got := s.buf[:kept+int(n)]
	used := e.dialect.scan(e, c, got)
	c.rest = append(c.rest[:0], got[used:]...)
}
