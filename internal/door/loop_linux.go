package door

import (
	"container/heap"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/parley-chat/parley/internal/hub"
)

// Loops drives plain sockets without a goroutine for each: one loop for each
// core waits for all of its sockets together. It is made by NewLoops.
type Loops struct {
	all  []*loop
	next atomic.Uint32 // the loop that takes the next connection
	done sync.WaitGroup
}

// NewLoops starts the loops. Close ends them, when their connections have ended.
func NewLoops() (*Loops, error) {
	ls := &Loops{}
	for range runtime.GOMAXPROCS(0) {
		l, err := newLoop()
		if err != nil {
			ls.Close()
			return nil, fmt.Errorf("make an event loop: %w", err)
		}
		ls.all = append(ls.all, l)
		ls.done.Go(l.run) // ended and waited for by Close
	}
	return ls, nil
}

// Close ends the loops and waits for them.
func (ls *Loops) Close() {
	for _, l := range ls.all {
		l.mu.Lock()
		l.closing = true
		l.mu.Unlock()
		l.rouse()
	}
	ls.done.Wait()
	for _, l := range ls.all {
		l.close()
	}
}

// take gives a connection to one of the loops.
func (ls *Loops) take(s *socket) {
	s.home.Store(ls.all[int(ls.next.Add(1))%len(ls.all)])
	s.mark()
}

// Sizes of what a loop holds, however many connections it has.
const (
	loopRead   = 64 << 10
	loopEvents = 256
)

// loop drives its sockets in rounds: it reads what has come to each and feeds
// it, and then writes once to each that has something waiting. So what is
// written together grows with the load, and nothing waits when there is none.
type loop struct {
	// Fixed.
	epoll, bell int // descriptors; the bell wakes the loop

	// The loop's.
	sockets []*socket // by descriptor
	buf     []byte
	events  []unix.EpollEvent
	bytes   [][]byte // of the socket that is written to
	vectors []unix.Iovec
	results []func()  // of the socket that is visited
	again   []*socket // are visited in this round or the next
	visited []*socket // for its memory
	alarms  alarms
	now     time.Time    // of this round
	posted  *hub.Session // one that has posted since the last flush

	// Shared.
	mu       sync.Mutex
	marked   []*socket // somebody wants something of them
	sleeping bool      // the loop waits, and has to be woken
	closing  bool
}

func newLoop() (*loop, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	bell, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(epoll)
		return nil, os.NewSyscallError("eventfd", err)
	}
	l := &loop{epoll: epoll, bell: bell, buf: make([]byte, loopRead), vectors: make([]unix.Iovec, maxVectors), events: make([]unix.EpollEvent, loopEvents), now: time.Now()}
	// By its edge, so that the bell need not be read.
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: int32(bell)}
	if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, bell, &event); err != nil {
		l.close()
		return nil, os.NewSyscallError("epoll_ctl", err)
	}
	return l, nil
}

func (l *loop) close() {
	unix.Close(l.epoll)
	unix.Close(l.bell)
}

// mark asks for a visit of a socket, soon. Anybody may call it, also under
// locks; it does not wait. It is false when the socket is another loop's.
func (l *loop) mark(s *socket) bool {
	l.mu.Lock()
	if s.home.Load() != l {
		l.mu.Unlock()
		return false
	}
	if s.marked {
		l.mu.Unlock()
		return true
	}
	s.marked = true
	l.marked = append(l.marked, s)
	wake := l.sleeping
	l.sleeping = false
	l.mu.Unlock()
	if wake {
		l.rouse()
	}
	return true
}

// one is what is written to a bell.
var one = []byte{1, 0, 0, 0, 0, 0, 0, 0}

// rouse ends the loop's waiting.
func (l *loop) rouse() {
	// The bell's counter takes 2^64 rings; there is no other error.
	_, _ = unix.Write(l.bell, one)
}

// run makes rounds until the loop is closed.
func (l *loop) run() {
	for {
		n := l.wait()
		l.now = time.Now()
		for i := range l.events[:n] {
			e := &l.events[i]
			if s := l.at(int(e.Fd)); s != nil {
				s.ready(e.Events)
			}
		}
		l.flush()
		if l.visit() && n == 0 {
			return
		}
		l.ring()
		l.flush()
	}
}

// flush lets the journal begin with what was posted.
func (l *loop) flush() {
	if l.posted != nil {
		l.posted.Flush()
		l.posted = nil
	}
}

// wait waits until there is something to do, and tells how many events there are.
func (l *loop) wait() int {
	if len(l.again) > 0 {
		return l.poll(0)
	}
	if n := l.poll(0); n > 0 {
		return n
	}
	// What this round gave to the journal or the pool may be done in a moment,
	// if they get this processor: it is theirs only once we leave it.
	runtime.Gosched()
	l.mu.Lock()
	idle := len(l.marked) == 0 && !l.closing
	l.sleeping = idle
	l.mu.Unlock()
	if !idle {
		return l.poll(0)
	}
	n := l.poll(l.patience())
	l.mu.Lock()
	l.sleeping = false
	l.mu.Unlock()
	return n
}

func (l *loop) poll(patience int) int {
	wait := unix.EpollWait
	if patience == 0 {
		wait = poll
	}
	n, err := wait(l.epoll, l.events, patience)
	if err != nil && !errors.Is(err, unix.EINTR) {
		panic(os.NewSyscallError("epoll_wait", err)) // only a bug of ours can cause it
	}
	return max(n, 0)
}

// patience gives the milliseconds until the next alarm; -1: there is none.
func (l *loop) patience() int {
	if len(l.alarms) == 0 {
		return -1
	}
	wait := time.Until(l.alarms[0].due)
	return max(int((wait+time.Millisecond-1)/time.Millisecond), 0)
}

func (l *loop) at(fd int) *socket {
	if fd < len(l.sockets) {
		return l.sockets[fd]
	}
	return nil
}

func (l *loop) put(fd int, s *socket) {
	for fd >= len(l.sockets) {
		l.sockets = append(l.sockets, nil)
	}
	l.sockets[fd] = s
}

// visit goes to every socket that has something waiting: first to those for
// which others have something, for an answer can wait until what was asked is
// done. Over means that the loop is to end.
func (l *loop) visit() (over bool) {
	l.mu.Lock()
	list := append(l.visited[:0], l.marked...)
	for _, s := range l.marked {
		s.marked = false
	}
	clear(l.marked)
	l.marked = l.marked[:0]
	over = l.closing
	l.mu.Unlock()
	list = append(list, l.again...)
	clear(l.again)
	l.again = l.again[:0]
	for _, s := range list {
		if s.home.Load() == l { // else it has emigrated
			s.visit()
		}
	}
	clear(list)
	l.visited = list[:0]
	return over && len(list) == 0
}

// ringMost is how many sockets are rung in one round: of many that end together
// each is news to the others, who are served in between.
const ringMost = 64

// ring calls those whose time has come.
func (l *loop) ring() {
	for n := 0; n < ringMost && len(l.alarms) > 0 && !l.alarms[0].due.After(l.now); n++ {
		s := l.alarms[0]
		s.due = time.Time{}
		heap.Pop(&l.alarms)
		s.ring()
	}
}

// alarms is a heap of the sockets that have a deadline, the next one first.
type alarms []*socket

func (a alarms) Len() int           { return len(a) }
func (a alarms) Less(i, j int) bool { return a[i].due.Before(a[j].due) }
func (a alarms) Swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].place, a[j].place = i, j
}

func (a *alarms) Push(s any) {
	s.(*socket).place = len(*a)
	*a = append(*a, s.(*socket))
}

func (a *alarms) Pop() any {
	last := len(*a) - 1
	s := (*a)[last]
	(*a)[last] = nil
	*a = (*a)[:last]
	s.place = -1
	return s
}

// alarm sets when a socket is to be rung; the zero time: never.
func (l *loop) alarm(s *socket, due time.Time) {
	switch {
	case due.Equal(s.due):
		return
	case due.IsZero():
		heap.Remove(&l.alarms, s.place)
		s.due = due
	case s.due.IsZero():
		s.due = due
		heap.Push(&l.alarms, s)
	default:
		s.due = due
		heap.Fix(&l.alarms, s.place)
	}
}
