package door

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
)

// pump drives one connection with goroutines, on every system and over every
// net.Conn. Its reader is the goroutine that calls serve: it reads, feeds, and
// in the end closes. The worker is there only while there are results to hand
// over or bytes to write.
type pump struct {
	conn *Conn
	net  net.Conn

	turn sync.Mutex // the connection's turn

	resume chan struct{} // size 1: something changed that the reader may wait for

	alarmMu sync.Mutex
	timer   *time.Timer
}

// readSize holds one message of the line protocol whole. It is what a silent
// connection costs beside its goroutine.
const readSize = 4608

func newPump(conn net.Conn) *pump {
	p := &pump{conn: &Conn{}, net: conn, resume: make(chan struct{}, 1)}
	p.conn.driver = p
	return p
}

// kill ends every read and write.
func (p *pump) kill() { p.net.Close() }

func (p *pump) gathers(*hub.Session) bool { return false }

func (p *pump) follow(driver) {}

func (p *pump) remote() string {
	if addr := p.net.RemoteAddr(); addr != nil && addr.String() != "" {
		return addr.String()
	}
	return "local"
}

// serve drives the connection until it has ended.
func (p *pump) serve(open func(*Conn) Protocol) {
	c := p.conn
	p.turn.Lock()
	c.hand(func() { c.protocol = open(c) })
	p.turn.Unlock()
	if c.protocol == nil {
		p.net.Close()
		return
	}
	gone := p.read()
	p.finish(gone)
}

// read reads and feeds until the input ends or the connection is to be closed.
// Gone means that the peer cannot be written to any more.
func (p *pump) read() (gone bool) {
	buf := make([]byte, readSize)
	for p.mayRead() {
		n, err := p.net.Read(buf)
		if n > 0 {
			p.conn.stir(time.Now())
			p.round(buf[:n])
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			p.endInput()
			return false
		case errors.Is(err, os.ErrDeadlineExceeded): // interrupted
		default:
			return true
		}
	}
	return false
}

// mayRead waits until the connection may be read; false: it is to be closed.
func (p *pump) mayRead() bool {
	for {
		p.turn.Lock()
		c := p.conn
		closing := c.closing || c.outbox.cutFor() != nil
		may := c.mayRead()
		p.turn.Unlock()
		switch {
		case closing:
			return false
		case may:
			return true
		}
		<-p.resume
	}
}

// round feeds what was read and lets the answers leave.
func (p *pump) round(fresh []byte) {
	p.turn.Lock()
	p.conn.take(fresh)
	p.turn.Unlock()
	if p.conn.outbox.tryStart() {
		// The reader is the worker for one load: most answers need no other
		// goroutine. More than that must not keep it from reading.
		if p.workOnce() {
			p.wake()
		}
	}
}

// endInput lets the protocol use up what was read before the peer stopped
// sending, and answer it.
func (p *pump) endInput() {
	c := p.conn
	p.turn.Lock()
	c.endInput()
	p.turn.Unlock()
	p.wakeIfNeeded()
	p.await(func() bool { return !c.held || c.closing || c.outbox.cutFor() != nil })
}

// finish ends the connection: what was asked is answered, the last words are
// said, all of it leaves, and the protocol hears of the end.
func (p *pump) finish(gone bool) {
	c := p.conn
	p.turn.Lock()
	if c.gone = gone; gone {
		c.outbox.drop()
	}
	c.inputOver()
	p.turn.Unlock()
	p.await(c.stop)
	if !gone {
		p.turn.Lock()
		c.farewell()
		p.turn.Unlock()
	}
	p.wakeIfNeeded()
	p.await(c.outbox.idle)
	p.alarm(time.Time{})
	p.turn.Lock()
	c.hand(func() { c.protocol.End(c) }) // before we linger: a name is free at once
	p.turn.Unlock()
	c.outbox.close()
	p.linger()
	p.net.Close()
	p.await(c.outbox.idle)
}

// await waits until a condition holds that the worker brings about.
func (p *pump) await(condition func() bool) {
	for {
		p.turn.Lock()
		ok := condition()
		p.turn.Unlock()
		if ok {
			return
		}
		<-p.resume
	}
}

// linger lets the peer read our last words: closing while bytes of its are
// unread would reset the connection and lose them.
func (p *pump) linger() {
	half, ok := p.net.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	until := time.Now().Add(p.conn.limits.Linger)
	for err := os.ErrDeadlineExceeded; errors.Is(err, os.ErrDeadlineExceeded) && time.Now().Before(until); {
		p.net.SetReadDeadline(until) // again after an interrupt that came late
		_, err = io.Copy(io.Discard, p.net)
	}
}

// wake starts a worker. The caller has claimed its place in the outbox. It ends
// when the outbox is empty; finish waits for that.
func (p *pump) wake() { go p.work() }

func (p *pump) wakeIfNeeded() {
	if p.conn.outbox.tryStart() {
		p.wake()
	}
}

func (p *pump) work() {
	for p.workOnce() {
	}
}

// workOnce hands the results over, feeds what waited for them, and writes what
// there is. More is false when the worker has given up its place.
func (p *pump) workOnce() (more bool) {
	c := p.conn
	p.turn.Lock()
	c.catchUp(nil)
	if c.closing {
		p.interrupt() // the reader may be waiting for the peer
	}
	p.turn.Unlock()
	queue, more := c.outbox.takeBytes(nil)
	if len(queue) > 0 {
		if err := p.write(queue); err != nil {
			c.Cut(parley.ErrSlowConsumer)
			c.outbox.drop()
		}
		more = c.outbox.written()
	}
	if !more && p.mayFeed() {
		more = c.outbox.claim() // it waited for answers to leave
	}
	p.signal()
	return more
}

// mayFeed tells whether Feed stopped for something that is over.
func (p *pump) mayFeed() bool {
	p.turn.Lock()
	defer p.turn.Unlock()
	return p.conn.mayFeed()
}

// write writes everything, in as few system calls as the system allows. A peer
// that takes nothing for Limits.Write counts as gone, and so does one that was
// cut and does not take all of it in that time.
func (p *pump) write(queue [][]byte) error {
	const looks = 10 // at the progress, in Limits.Write
	buffers := net.Buffers(queue)
	for waited := 1; len(buffers) > 0; waited++ {
		p.net.SetWriteDeadline(time.Now().Add(p.conn.limits.Write / looks))
		n, err := buffers.WriteTo(p.net)
		if err != nil && (waited == looks || !errors.Is(err, os.ErrDeadlineExceeded)) {
			return err
		}
		if n > 0 && p.conn.outbox.cutFor() == nil {
			waited = 0
		}
	}
	p.conn.stir(time.Now())
	return nil
}

func (p *pump) signal() {
	select {
	case p.resume <- struct{}{}:
	default:
	}
}

// interrupt makes a reader that waits for the peer look around.
func (p *pump) interrupt() {
	p.net.SetReadDeadline(time.Unix(1, 0))
	p.signal()
}

// alarm sets the timer for the connection's deadline.
func (p *pump) alarm(at time.Time) {
	p.alarmMu.Lock()
	defer p.alarmMu.Unlock()
	switch {
	case at.IsZero():
		if p.timer != nil {
			p.timer.Stop()
		}
	case p.timer == nil:
		p.timer = time.AfterFunc(time.Until(at), p.ring)
	default:
		p.timer.Reset(time.Until(at))
	}
}

// ring calls Deadline in the connection's turn, unless it was put off meanwhile.
func (p *pump) ring() {
	c := p.conn
	c.complete(func() {
		switch {
		case c.deadline.IsZero() || c.closing:
		case time.Now().Before(c.deadline):
			p.alarm(c.deadline)
		default:
			c.deadline = time.Time{}
			c.protocol.Deadline(c)
		}
	})
}
