package textwire

import (
	"encoding/binary"
	"errors"
)

// HeaderSize is the number of bytes before the data of a frame: the length and
// the null byte.
const HeaderSize = 5

// The ways in which a header can be wrong. After either, the stream has no
// next frame.
var (
	ErrTooLong = errors.New("the frame is longer than the limit")
	ErrHeader  = errors.New("the fifth byte of the frame is not null")
)

// Next finds the first frame of b. It returns the frame's data, which aliases
// b, and the bytes that header and data take together. Size 0 and no error
// mean that the frame is not complete yet. A length above limit is ErrTooLong
// as soon as the four bytes of the length are there.
func Next(b []byte, limit int) (data []byte, size int, err error) {
	if len(b) < 4 {
		return nil, 0, nil
	}
	length := binary.BigEndian.Uint32(b)
	if uint64(length) > uint64(limit) {
		return nil, 0, ErrTooLong
	}
	if len(b) < HeaderSize {
		return nil, 0, nil
	}
	if b[4] != 0 {
		return nil, 0, ErrHeader
	}
	size = HeaderSize + int(length)
	if len(b) < size {
		return nil, 0, nil
	}
	return b[HeaderSize:size], size, nil
}

// AppendFrame appends one frame that holds the fields. No field at all makes
// the empty frame that answers nop.
func AppendFrame(dst []byte, fields ...string) []byte {
	at := len(dst)
	dst = Append(append(dst, 0, 0, 0, 0, 0), fields...)
	binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-HeaderSize))
	return dst
}
