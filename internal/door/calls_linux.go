package door

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// System calls that never wait. The runtime is not told of them: what it does
// around a call that may wait adds to its cost, and its monitor, seeing many of
// them, would look after them every 20 µs. For a socket, send and recv cost a
// tenth less than write and read.

// maxVectors is how many pieces one system call takes.
const maxVectors = 1024

// quietly: an error in place of a signal when the peer is gone.
const quietly = unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL

func recv(fd int, into []byte) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&into[0])), uintptr(len(into)), unix.MSG_DONTWAIT, 0, 0)
	return result(n, errno)
}

// send sends one piece, which must not be empty.
func send(fd int, b []byte) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), quietly, 0, 0)
	return result(n, errno)
}

// sendAll sends pieces, none of which may be empty, up to maxVectors of them.
// The vectors are room to tell the system of them.
func sendAll(fd int, pieces [][]byte, vectors []unix.Iovec) (int, error) {
	n := min(len(pieces), len(vectors))
	for i, b := range pieces[:n] {
		vectors[i].Base = &b[0]
		vectors[i].SetLen(len(b))
	}
	message := unix.Msghdr{Iov: &vectors[0]}
	message.SetIovlen(n)
	sent, _, errno := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&message)), quietly)
	clear(vectors[:n]) // or the loop would hold the bytes
	return result(sent, errno)
}

// poll is EpollWait without patience.
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
