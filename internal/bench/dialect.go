package bench

import "bytes"

// A dialect is what the engine has to know of one protocol, seen from the
// client's side. It holds no state: what belongs to a connection is in its
// client. It turns intentions into bytes, and bytes into calls of the engine.
type dialect interface {
	// hello appends what a client says first. Once the server accepts it, scan
	// calls accepted.
	hello(dst []byte, name string) []byte

	// enter appends the request to be let into a room, which the client makes
	// first if it is told to. It returns how many answers that takes; with the
	// last of them scan calls entered.
	enter(dst []byte, room string, create bool) ([]byte, int)

	// say and tell append one message to a room or to one user.
	say(dst []byte, room string, payload []byte) []byte
	tell(dst []byte, to string, payload []byte) []byte

	// bye appends a farewell, after which the server closes the connection. Nil
	// means that the protocol has none.
	bye(dst []byte) []byte

	// heads gives how a message of a stream looks to those who get it and, if
	// the sender gets a copy, how that looks.
	heads(from, to string, private bool) (push, copy head)

	// answers tells whether the sender is told of each of its messages, by a
	// copy or by an answer.
	answers(private bool) bool

	// scan takes as many whole frames as buf holds and returns how many bytes
	// they have. buf is used again after it returns. Frames with a payload go to
	// engine.message, and the others become calls of accepted, entered, answered,
	// notice, reply and fail.
	scan(e *engine, c *client, buf []byte) int

	// joinNotices tells how many notices n clients get, all together, when all
	// of them enter one room.
	joinNotices(n int) int64

	// most is the longest payload that fits into one message.
	most() int
}

// A scheme is a row of the protocols that can be measured.
type scheme struct {
	name    string
	dialect dialect
}

var schemes = []scheme{{"text", text{}}, {"line", line{}}, {"irc", irc{}}}

// scanLines calls take for every line that ends in LF, without it and without a
// CR before it, and returns how many bytes they have.
func scanLines(e *engine, c *client, buf []byte, control func(e *engine, c *client, line []byte)) int {
	used := 0
	for {
		end := bytes.IndexByte(buf[used:], '\n')
		if end < 0 {
			return used
		}
		line := buf[used : used+end]
		used += end + 1
		if k := len(line); k > 0 && line[k-1] == '\r' {
			line = line[:k-1]
		}
		if !e.message(c, line) {
			control(e, c, line)
		}
	}
}
