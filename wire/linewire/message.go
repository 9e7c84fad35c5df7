package linewire

import (
	"bytes"
	"errors"
	"unicode/utf8"
)

// ErrTooLong is a message over the limit. What follows of it is discarded.
var ErrTooLong = errors.New("the message is longer than the limit")

// Lines finds the messages of a connection in line mode: each ends with LF, and
// a CR before that is dropped. The zero value is not usable: set Max.
type Lines struct {
	Max        int // bytes of a message, without its delimiter
	discarding bool
}

// Next finds the first message in b. It returns the message, which aliases b,
// and the bytes it took with its delimiter. Used 0 means that nothing can be
// done before more arrives. ErrTooLong comes once for a long message, as soon
// as it is known to be too long. Used above 0 with ok false means bytes to skip.
func (l *Lines) Next(b []byte) (msg []byte, used int, ok bool, err error) {
	end := bytes.IndexByte(b, '\n')
	if l.discarding {
		if end < 0 {
			return nil, len(b), false, nil
		}
		l.discarding = false
		return nil, end + 1, false, nil
	}
	if end < 0 {
		// A CR may still turn out to belong to the delimiter.
		if len(b) <= l.Max+1 {
			return nil, 0, false, nil
		}
		l.discarding = true
		return nil, len(b), false, ErrTooLong
	}
	msg = bytes.TrimSuffix(b[:end], []byte{'\r'})
	if len(msg) > l.Max {
		return nil, end + 1, false, ErrTooLong
	}
	return msg, end + 1, true, nil
}

// Rest gives what the end of the input leaves of an unfinished line b: the last
// message, if there is one.
func (l *Lines) Rest(b []byte) (msg []byte, ok bool, err error) {
	if l.discarding || len(b) == 0 {
		return nil, false, nil
	}
	if len(b) > l.Max {
		return nil, false, ErrTooLong
	}
	return b, true, nil
}

// headSize is the size from which a chunk may be the head of a longer message:
// no packet of a real network carries less unless it is the last.
const headSize = 512

// Chunks finds the messages of a connection in chunk mode, where what one read
// returned is one message. It keeps the head of a message that may not be
// complete. The zero value is not usable: set Max.
type Chunks struct {
	Max        int // bytes of a message
	head       []byte
	discarding bool
}

// Push takes what one read returned and calls emit for each message that is
// complete, in order, or with ErrTooLong for one that is too long. The message
// is only valid during the call. Further LFs inside a chunk split it, and a
// trailing one makes no empty message.
func (c *Chunks) Push(read []byte, emit func(msg []byte, err error)) {
	open := len(read) >= headSize || endsInsideCharacter(read)
	for {
		end := bytes.IndexByte(read, '\n')
		if end < 0 {
			break
		}
		c.add(read[:end], emit)
		c.head = bytes.TrimSuffix(c.head, []byte{'\r'})
		c.finish(emit)
		read = read[end+1:]
	}
	if len(read) == 0 {
		return
	}
	c.add(read, emit)
	if !open {
		c.finish(emit)
	}
}

// Holding tells whether a message has begun that may not be complete. If
// nothing follows it within 50 ms, call Flush.
func (c *Chunks) Holding() bool { return len(c.head) > 0 || c.discarding }

// Flush ends the message that has begun, if one has: nothing more belongs to it.
func (c *Chunks) Flush(emit func(msg []byte, err error)) {
	if c.Holding() {
		c.finish(emit)
	}
}

func (c *Chunks) finish(emit func(msg []byte, err error)) {
	msg, discarding := c.head, c.discarding
	c.head, c.discarding = nil, false
	switch {
	case discarding:
	case len(msg) > c.Max:
		emit(nil, ErrTooLong)
	default:
		emit(msg, nil)
	}
}

// add keeps one more piece of a message. One byte more than Max is let pass,
// for it may be the CR of the delimiter.
func (c *Chunks) add(piece []byte, emit func(msg []byte, err error)) {
	switch {
	case c.discarding:
	case len(c.head)+len(piece) > c.Max+1:
		c.head, c.discarding = nil, true
		emit(nil, ErrTooLong)
	default:
		c.head = append(c.head, piece...)
	}
}

// endsInsideCharacter tells whether b ends with the first bytes of a UTF-8
// character whose others are missing.
func endsInsideCharacter(b []byte) bool {
	for i := 1; i <= min(len(b), utf8.UTFMax-1); i++ {
		if last := b[len(b)-i:]; utf8.RuneStart(last[0]) {
			return !utf8.FullRune(last)
		}
	}
	return false
}
