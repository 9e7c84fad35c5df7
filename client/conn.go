package client

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley/wire/textwire"
)

const (
	// longestFrame and mostFields bound what a server can make us keep of one frame. No
	// operator can let a server send more.
	longestFrame = 16 << 20
	mostFields   = 1 << 17
	// usualRead is how much is read at once. A longer frame gets a buffer of its own.
	usualRead = 32 << 10
	// mostUnsent bounds the returns that wait to be sent.
	mostUnsent = 1 << 20
)

// A request is one command of ours, until it is answered.
type request struct {
	fields []string                                     // "req", room for the ID, the command, its arguments
	then   func(r *request, values []string, err error) // what the client does with the answer; the reader's call
	got    chan reply                                   // of size 1, for who waits; nil: nobody does
	client *Client                                      // whose request it is; nil: one of the client's own

	// Of a join.
	follows bool // it is told from a place on, not only what is new
	after   place

	// Of a post that is sent again on the next connection. The client's lock guards them.
	again  bool
	kept   bool   // it is on no connection
	number uint64 // in the order in which they began
}

// A reply is an answer to a request.
type reply struct {
	values []string
	err    error
}

// newRequest makes a request of a command. Its fields have room for the ID.
func newRequest(command string, args ...string) *request {
	return &request{fields: append(append(make([]string, 0, len(args)+3), "req", "", command), args...)}
}

func (r *request) command() string { return r.fields[2] }
func (r *request) args() []string  { return r.fields[3:] }

// finish tells the answer. It is called once, by the connection that took the request away.
func (r *request) finish(values []string, err error) {
	if r.then != nil {
		r.then(r, values, err)
	}
	if r.client != nil {
		<-r.client.slots
	}
	if r.got != nil {
		r.got <- reply{values, err}
	}
}

// A conn is one connection: a goroutine that reads, one that writes, and the requests
// that are not answered. Both are started by newConn, stopped by end, and waited for
// by whoever waits for gone.
type conn struct {
	// Fixed after newConn.
	wire   io.ReadWriteCloser
	push   func(fields []string) error // takes what is no answer; the reader's call
	ctx    context.Context             // ends with the connection
	cancel context.CancelFunc
	gone   chan struct{} // closed when both goroutines have ended and every request knows it

	writer sync.WaitGroup
	wake   chan struct{} // size 1: there is something to write; closed by run
	spare  []byte        // a buffer to become out, of whoever made it busy
	heard  atomic.Uint64 // reads that brought something

	mu    sync.Mutex // guards what follows; no other lock is taken under it
	sent  *sync.Cond // something was written, or the connection is over
	out   []byte     // frames to be sent
	busy  bool       // the writer is awake
	waits map[uint64]*request
	last  uint64     // ID of the latest request
	over  *ConnError // why no request is taken any more
	shut  bool       // nothing is written any more
}

// newConn begins to read and write. Pushes may come before it has returned.
func newConn(ctx context.Context, wire io.ReadWriteCloser, push func(*conn, []string) error) *conn {
	cn := &conn{
		wire: wire, gone: make(chan struct{}), wake: make(chan struct{}, 1), waits: map[uint64]*request{},
	}
	cn.sent = sync.NewCond(&cn.mu)
	cn.push = func(fields []string) error { return push(cn, fields) }
	cn.ctx, cn.cancel = context.WithCancel(ctx)
	cn.writer.Go(cn.write)
	go cn.run()
	return cn
}

// start sends a request. It never waits. It is false when the connection is over.
func (cn *conn) start(r *request) bool {
	cn.mu.Lock()
	defer cn.mu.Unlock()
	if cn.over != nil {
		return false
	}
	cn.last++
	r.fields[1] = strconv.FormatUint(cn.last, 36)
	cn.waits[cn.last] = r
	cn.out = textwire.AppendFrame(cn.out, r.fields...)
	cn.wakeWriter()
	return true
}

// ask sends a request of the client's own and waits for its answer.
func (cn *conn) ask(ctx context.Context, r *request) ([]string, error) {
	r.got = make(chan reply, 1)
	if !cn.start(r) {
		return nil, cn.why()
	}
	select {
	case got := <-r.got:
		return got.values, got.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// send sends a frame that is not answered. It waits while very much is unsent. Unless
// more follows at once, it writes itself: that is a goroutine less to wait for.
func (cn *conn) send(fields []string, more bool) {
	cn.mu.Lock()
	for len(cn.out) > mostUnsent && !cn.shut {
		cn.sent.Wait()
	}
	mine := !more && !cn.busy && !cn.shut
	if !cn.shut {
		cn.out = textwire.AppendFrame(cn.out, fields...)
		if mine {
			cn.busy = true
		}
		cn.wakeWriter()
	}
	cn.mu.Unlock()
	if mine {
		cn.flush()
	}
}

// wakeWriter is called under mu.
func (cn *conn) wakeWriter() {
	if !cn.busy {
		cn.busy = true
		cn.wake <- struct{}{} // there is room: only who makes it busy sends
	}
}

// write is the goroutine that writes what nobody else does.
func (cn *conn) write() {
	for range cn.wake {
		// Whoever can run now may have something to send: it goes with this write.
		runtime.Gosched()
		cn.flush()
	}
}

// flush writes what waits, all of it in one write, until nothing does. Only who has made
// the connection busy calls it.
func (cn *conn) flush() {
	for {
		cn.mu.Lock()
		data := cn.out
		if cn.busy = len(data) > 0 && !cn.shut; !cn.busy {
			cn.mu.Unlock()
			return
		}
		cn.out, cn.spare = cn.spare, nil
		cn.sent.Broadcast()
		cn.mu.Unlock()
		if _, err := cn.wire.Write(data); err != nil {
			cn.writeFailed(err) // and it stays busy: nobody writes any more
			return
		}
		if cap(data) <= mostUnsent {
			cn.spare = data[:0]
		}
	}
}

// writeFailed ends the connection. What the server said last, the reason perhaps, is
// still read, for a moment.
func (cn *conn) writeFailed(err error) {
	if c, ok := cn.wire.(net.Conn); ok && c.SetReadDeadline(time.Now().Add(time.Second)) == nil {
		cn.refuse(&ConnError{Err: err})
		return
	}
	cn.end(&ConnError{Err: err})
}

// refuse takes no request any more. The first reason is kept.
func (cn *conn) refuse(why *ConnError) {
	cn.mu.Lock()
	defer cn.mu.Unlock()
	if cn.over == nil || cn.over.Reason == nil && why.Reason != nil {
		cn.over = why
	}
}

// end ends the connection, soon: gone tells when. Any goroutine may call it.
func (cn *conn) end(why *ConnError) {
	cn.refuse(why)
	cn.mu.Lock()
	cn.shut = true
	cn.sent.Broadcast()
	cn.mu.Unlock()
	cn.cancel()
	cn.wire.Close()
}

// run reads until the connection ends, and then tells all that were not answered.
func (cn *conn) run() {
	defer close(cn.gone)
	cn.end(cn.read())
	close(cn.wake) // start and send see that it is over
	cn.writer.Wait()
	cn.fail()
}

// fail tells all requests, in their order, that they will not be answered, but for
// those that the next connection sends again.
func (cn *conn) fail() {
	cn.mu.Lock()
	waits, over := cn.waits, cn.over
	cn.waits = map[uint64]*request{}
	cn.mu.Unlock()
	ids := make([]uint64, 0, len(waits))
	for id := range waits {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		if r := waits[id]; !r.keep() {
			r.finish(nil, over)
		}
	}
}

// why tells why the connection is over.
func (cn *conn) why() *ConnError {
	cn.mu.Lock()
	defer cn.mu.Unlock()
	return cn.over
}

// read takes frames until there are no more, and tells why.
func (cn *conn) read() *ConnError {
	buf, have := make([]byte, usualRead), 0
	for {
		n, err := cn.wire.Read(buf[have:])
		if n > 0 {
			cn.heard.Add(1)
		}
		used, fault := cn.feed(buf[:have+n])
		if fault != nil {
			return fault
		}
		have = copy(buf, buf[used:have+n])
		if err != nil {
			return &ConnError{Err: err}
		}
		if have == len(buf) {
			buf = slices.Grow(buf, len(buf))[:2*len(buf)] // as far as a frame can be: feed refuses longer ones
		} else if len(buf) > usualRead && have < usualRead {
			buf = append(make([]byte, 0, usualRead), buf[:have]...)[:usualRead]
		}
	}
}

// feed takes the whole frames of b, and tells how many bytes they were.
func (cn *conn) feed(b []byte) (used int, fault *ConnError) {
	for {
		data, size, err := textwire.Next(b[used:], longestFrame)
		if err != nil {
			return used, &ConnError{Err: errNotOurs(err)}
		}
		if size == 0 {
			return used, nil
		}
		fields, err := textwire.Parse(data, mostFields)
		if err != nil {
			return used, &ConnError{Err: errNotOurs(err)}
		}
		if fault := cn.take(fields); fault != nil {
			return used, fault
		}
		used += size
	}
}

func errNotOurs(err error) error {
	return errors.Join(errors.New("what the server sends is not the text protocol"), err)
}

// take deals with one message of the server.
func (cn *conn) take(fields []string) *ConnError {
	switch fields[0] {
	case "req":
		if len(fields) > 1 {
			cn.answer(fields[1], fields[2:])
		}
		return nil
	case "error":
		// Not behind an ID of ours, although all that we send has one: it ends the
		// connection, or we do, since it is not known what was refused.
		return &ConnError{Reason: refusal(fields)}
	}
	if err := cn.push(fields); err != nil {
		return &ConnError{Err: err}
	}
	return nil
}

// answer takes the answer to a request. One that nobody waits for is dropped.
func (cn *conn) answer(id string, values []string) {
	number, err := strconv.ParseUint(id, 36, 64)
	if err != nil {
		return
	}
	cn.mu.Lock()
	r := cn.waits[number]
	delete(cn.waits, number)
	cn.mu.Unlock()
	if r == nil {
		return
	}
	if err := answerError(values); err != nil {
		r.finish(nil, err)
		return
	}
	r.finish(values, nil)
}
