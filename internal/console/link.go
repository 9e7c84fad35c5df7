package console

import (
	"net"
	"sync"
	"time"
)

// readSize is what one read of a connection takes.
const readSize = 64 << 10

// A link is one connection. Its reader hands over what each read returned, and
// its writer makes one write of each slice it is given, so that the session's
// loop never waits for the network.
type link struct {
	conn net.Conn
	in   chan []byte   // what reads returned; closed after the last
	out  chan []byte   // what to write
	done chan struct{} // closed by close
	both sync.WaitGroup
}

// newLink starts the reader and the writer. close stops them and waits for
// them.
func newLink(conn net.Conn) *link {
	l := &link{conn: conn, in: make(chan []byte), out: make(chan []byte), done: make(chan struct{})}
	l.both.Go(l.read)
	l.both.Go(l.write)
	return l
}

// close ends the connection, if the server has not, and waits for both
// goroutines.
func (l *link) close() {
	close(l.done)
	l.conn.Close()
	l.both.Wait()
}

func (l *link) read() {
	defer close(l.in)
	buf := make([]byte, readSize)
	for {
		n, err := l.conn.Read(buf)
		if n > 0 {
			select {
			case l.in <- append([]byte(nil), buf[:n]...):
			case <-l.done:
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// afterBrokenWrite is how long what the server said before it went may take to
// be read.
const afterBrokenWrite = time.Second

func (l *link) write() {
	for {
		select {
		case b := <-l.out:
			if _, err := l.conn.Write(b); err != nil {
				// The reader tells the session. It usually sees the end by
				// itself, behind the last answers, which a close would lose.
				l.conn.SetReadDeadline(time.Now().Add(afterBrokenWrite))
				return
			}
		case <-l.done:
			return
		}
	}
}
