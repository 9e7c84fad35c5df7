package bench

import "bytes"

// A stamp is what a payload says about its message.
type stamp struct {
	stream uint32
	number uint32 // in its stream, from 1
	at     int64  // from when its latency counts, in ns since the engine began
}

// A payload is the mark, the three numbers in digits of five bits, and letters up
// to the size that was asked for. None of it is syntax in any of the protocols.
const (
	mark         = '~'
	streamDigits = 6
	numberDigits = 7
	timeDigits   = 12
	numberAt     = 1 + streamDigits
	timeAt       = numberAt + numberDigits
	stampSize    = timeAt + timeDigits
)

const digits = "0123456789abcdefghijklmnopqrstuv"

// notDigit is the value of bytes that are no digit: a bit that no digit has.
const notDigit = 0x20

var digitValue = func() (values [256]byte) {
	for i := range values {
		values[i] = notDigit
	}
	for i := range digits {
		values[digits[i]] = byte(i)
	}
	return values
}()

// filler is what follows the stamp in a payload of so many bytes.
func filler(size int) []byte {
	const letters = "abcdefghijklmnopqrstuvwxyz"
	return bytes.Repeat([]byte(letters), size/len(letters)+1)[:max(size-stampSize, 0)]
}

// put writes the stamp over the beginning of a payload.
func (s stamp) put(payload []byte) {
	payload[0] = mark
	putNumber(payload[1:numberAt], uint64(s.stream))
	putNumber(payload[numberAt:timeAt], uint64(s.number))
	putNumber(payload[timeAt:stampSize], uint64(s.at))
}

func putNumber(to []byte, n uint64) {
	for i := len(to) - 1; i >= 0; i-- {
		to[i] = digits[n&31]
		n >>= 5
	}
}

// readStamp reads the stamp at the beginning of a payload, if there is one.
func readStamp(payload []byte) (stamp, bool) {
	if len(payload) < stampSize || payload[0] != mark {
		return stamp{}, false
	}
	stream, bad1 := number(payload[1:numberAt])
	n, bad2 := number(payload[numberAt:timeAt])
	at, bad3 := number(payload[timeAt:stampSize])
	ok := (bad1|bad2|bad3)&notDigit == 0 && n <= 1<<32-1
	return stamp{uint32(stream), uint32(n), int64(at)}, ok
}

// number reads digits. bad has the bit notDigit if one was none.
func number(from []byte) (n uint64, bad byte) {
	for _, d := range from {
		v := digitValue[d]
		bad |= v
		n = n<<5 | uint64(v&31)
	}
	return n, bad
}
