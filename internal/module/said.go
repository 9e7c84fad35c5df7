package module

import (
	"bytes"
	"log/slog"
	"os"
	"time"
)

// A program that says so many bytes in a second has to wait for the next.
const mostSaid = 16 << 20

// lastWords is for which time a program that has ended is still listened to: one
// that it left behind may hold its end of the pipe.
const lastWords = 100 * time.Millisecond

// listen writes what a program says on its standard error to the log, line by
// line, until all ends of the pipe are closed, or the program is dead. It closes
// the pipe. What is too much is dropped and counted; the program goes on.
func listen(log *slog.Logger, from *os.File, limits *Limits, dead <-chan struct{}) {
	defer from.Close()
	heard := make(chan struct{})
	defer close(heard)
	go func() { // ended by heard or dead
		select {
		case <-dead:
			from.SetReadDeadline(time.Now().Add(lastWords))
		case <-heard:
		}
	}()
	n := &notes{log: log, limits: limits, second: time.Now()}
	buf := make([]byte, 32<<10)
	for {
		count, err := from.Read(buf)
		n.add(buf[:count], time.Now())
		if err != nil {
			n.end()
			return
		}
		if n.bytes > mostSaid {
			select {
			case <-time.After(time.Until(n.second.Add(time.Second))):
			case <-dead:
			}
		}
	}
}

// notes cuts what a program says into lines, as long and as many as the log may hold.
type notes struct {
	log     *slog.Logger
	limits  *Limits
	second  time.Time // when the present second began
	bytes   int       // said in it
	lines   int       // logged in it
	dropped int       // lines of it
	line    []byte    // not complete yet, as much of it as is logged
	more    bool      // it is longer than that
}

// add takes what was said at a time.
func (n *notes) add(b []byte, now time.Time) {
	if now.Sub(n.second) >= time.Second {
		n.tellDropped()
		n.second, n.bytes, n.lines = now, 0, 0
	}
	n.bytes += len(b)
	for len(b) > 0 {
		part, rest, complete := bytes.Cut(b, []byte{'\n'})
		room := n.limits.LogLine - len(n.line)
		n.more = n.more || len(part) > room
		n.line = append(n.line, part[:min(len(part), room)]...)
		if complete {
			n.write()
		}
		b = rest
	}
}

// write logs the line.
func (n *notes) write() {
	switch line := bytes.TrimRight(n.line, "\r"); {
	case len(line) == 0:
	case n.lines == n.limits.LogLines:
		n.dropped++
	default:
		n.lines++
		text := string(bytes.ToValidUTF8(line, []byte("\uFFFD")))
		if n.more {
			text += "…"
		}
		n.log.Info(text)
	}
	n.line, n.more = n.line[:0], false
}

func (n *notes) tellDropped() {
	if n.dropped > 0 {
		n.log.Warn("the module says too much; lines were dropped", "lines", n.dropped)
		n.dropped = 0
	}
}

// end logs what is left.
func (n *notes) end() {
	if len(n.line) > 0 {
		n.write()
	}
	n.tellDropped()
}
