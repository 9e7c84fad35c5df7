package door

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// System calls that never wait. The runtime is not told of them: what it does
// around a call that may wait costs up to half as much again, and its monitor,
// seeing many of them, would look after them every 20 µs.

// maxVectors is how many pieces one system call takes.
const maxVectors = 1024

func read(fd int, into []byte) (int, error) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&into[0])), uintptr(len(into)))
	return result(n, errno)
}

// write writes one piece, which must not be empty.
func write(fd int, b []byte) (int, error) {
	n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	return result(n, errno)
}

// writev writes pieces, none of which may be empty, up to maxVectors of them.
// The vectors are room to tell the system of them.
func writev(fd int, pieces [][]byte, vectors []unix.Iovec) (int, error) {
	n := min(len(pieces), len(vectors))
	for i, b := range pieces[:n] {
		vectors[i].Base = &b[0]
		vectors[i].SetLen(len(b))
	}
	written, _, errno := unix.RawSyscall(unix.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(&vectors[0])), uintptr(n))
	clear(vectors[:n]) // or the loop would hold the bytes
	return result(written, errno)
}

// poll is EpollWait with no patience.
func poll(epoll int, events []unix.EpollEvent, _ int) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
	return result(n, errno)
}

func result(n uintptr, errno unix.Errno) (int, error) {
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
