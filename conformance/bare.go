package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// On a bare connection of the line door nothing says where a message ends: one
// write of the server is one message, and the network may bring two together or
// one in pieces. So a message is what the story expects, if that is what a read
// brought; else, when the server has paused, the shortest beginning of what has
// arrived that is like it. CR and LF around messages are not part of them.

// lineEnds may stand around a message of a server that has no other mark.
const lineEnds = "\r\n"

// maxBeginnings is the length of the longest message, which bounds the work of
// finding one in what has arrived.
const maxBeginnings = 4096

// takeBare waits for a message that accept agrees to, and removes it. If the
// server pauses, and nothing that arrived will do, it gives what the first read
// brought; without accept, all that arrived.
func (c *conn) takeBare(ctx context.Context, pause time.Duration, accept func(string) bool) (string, error) {
	for {
		c.mu.Lock()
		c.skipLineEnds()
		arrived, reads, end := c.arrived, slices.Clone(c.reads), c.end
		c.mu.Unlock()
		if msg, used, ok := wholeReads(arrived, reads, accept); ok {
			c.remove(used)
			return msg, nil
		}
		if len(arrived) == 0 && end != nil {
			return "", endOf(end, nil)
		}
		if end == nil && c.moves(ctx, pause, len(arrived) > 0) {
			continue
		}
		if ctx.Err() != nil && (len(arrived) == 0 || errors.Is(ctx.Err(), context.Canceled)) {
			return "", c.silence(ctx)
		}
		msg, used := beginning(arrived, reads, accept)
		c.remove(used)
		return msg, nil
	}
}

// moves waits until something arrives, or the connection ends. It gives up when
// the time is over or, after something has arrived, at a pause.
func (c *conn) moves(ctx context.Context, pause time.Duration, begun bool) bool {
	var over <-chan time.Time
	if begun {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-c.wake:
		return true
	case <-over:
		return false
	case <-ctx.Done():
		return false
	}
}

// wholeReads looks for a message that ends where a read or a line ends.
func wholeReads(b []byte, reads []int, accept func(string) bool) (msg string, used int, ok bool) {
	if accept == nil {
		return "", 0, false
	}
	ends := slices.Clone(reads)
	for at, c := range b[:min(len(b), maxBeginnings)] {
		if c == '\n' {
			ends = append(ends, at+1)
		}
	}
	slices.Sort(ends)
	for _, end := range ends {
		if msg := strings.TrimRight(string(b[:end]), lineEnds); accept(msg) {
			return msg, end, true
		}
	}
	return "", 0, false
}

// beginning finds the shortest beginning of b that is accepted or, without one,
// what the first read brought, or all if nothing was looked for.
func beginning(b []byte, reads []int, accept func(string) bool) (string, int) {
	if accept == nil {
		return strings.TrimRight(string(b), lineEnds), len(b)
	}
	for n := 1; n <= min(len(b), maxBeginnings); n++ {
		if n < len(b) && !utf8.RuneStart(b[n]) {
			continue
		}
		if msg := string(b[:n]); accept(msg) {
			return msg, n
		}
	}
	first := len(b)
	if len(reads) > 0 {
		first = reads[0]
	}
	return strings.TrimRight(string(b[:first]), lineEnds), first
}

// gather waits for something to arrive and then for a pause, and takes all. Its
// error is os.ErrDeadlineExceeded if nothing did in time.
func (c *conn) gather(ctx context.Context, pause time.Duration) (string, error) {
	if !c.arrives(ctx) {
		if errors.Is(ctx.Err(), context.Canceled) {
			return "", ctx.Err()
		}
		return "", fmt.Errorf("nothing: %w", os.ErrDeadlineExceeded)
	}
	for c.moves(ctx, pause, true) {
		c.mu.Lock()
		ended := c.end != nil
		c.mu.Unlock()
		if ended {
			break
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	said := strings.Trim(string(c.arrived), lineEnds)
	c.lined = bytes.HasSuffix(c.arrived, []byte("\n"))
	c.arrived, c.reads = nil, nil
	if said == "" && c.end != nil {
		return "", endOf(c.end, nil)
	}
	return said, nil
}

// arrives waits until something has arrived that is not taken yet, or the
// connection has ended.
func (c *conn) arrives(ctx context.Context) bool {
	for {
		c.mu.Lock()
		some := len(c.arrived) > 0 || c.end != nil
		c.mu.Unlock()
		if some {
			return true
		}
		if !c.moves(ctx, 0, false) {
			return false
		}
	}
}

// skipLineEnds removes CR and LF at the front. The lock is held.
func (c *conn) skipLineEnds() {
	c.removeLocked(len(c.arrived) - len(bytes.TrimLeft(c.arrived, lineEnds)))
}

func (c *conn) remove(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.removeLocked(n)
}

// removeLocked takes n bytes off the front. The lock is held.
func (c *conn) removeLocked(n int) {
	c.arrived = c.arrived[n:]
	var reads []int
	for _, end := range c.reads {
		if end > n {
			reads = append(reads, end-n)
		}
	}
	c.reads = reads
}
