package bench

import "bytes"

// irc is as much of RFC 1459 as a load needs. A server of it sends a sender
// neither an answer nor a copy.
type irc struct{}

func (irc) hello(dst []byte, name string) []byte {
	dst = append(append(dst, "NICK "...), name...)
	return append(dst, "\r\nUSER bench 0 * :parley bench\r\n"...)
}

func (irc) enter(dst []byte, room string, _ bool) ([]byte, int) {
	return append(append(append(dst, "JOIN #"...), room...), "\r\n"...), 1
}

func (irc) say(dst []byte, room string, payload []byte) []byte {
	dst = append(append(append(dst, "PRIVMSG #"...), room...), " :"...)
	return append(append(dst, payload...), "\r\n"...)
}

func (irc) tell(dst []byte, to string, payload []byte) []byte {
	dst = append(append(append(dst, "PRIVMSG "...), to...), " :"...)
	return append(append(dst, payload...), "\r\n"...)
}

func (irc) bye(dst []byte) []byte { return append(dst, "QUIT\r\n"...) }

func (irc) heads(from, to string, private bool) (push, copy head) {
	if !private {
		to = "#" + to
	}
	return head{begins: []byte(":" + from + "!"), ends: []byte(" PRIVMSG " + to + " :")}, head{}
}

func (irc) answers(bool) bool { return false }

// joinNotices counts that each is told of itself, and of each that comes after it.
func (irc) joinNotices(n int) int64 { return int64(n) * int64(n+1) / 2 }

// most leaves room for the source in front of it: a line has 512 bytes.
func (irc) most() int { return 380 }

func (irc) scan(e *engine, c *client, buf []byte) int {
	return scanLines(e, c, buf, ircLine)
}

// ircLine takes a line that carries no payload.
func ircLine(e *engine, c *client, l []byte) {
	if len(l) > 0 && l[0] == '@' { // tags
		_, l, _ = bytes.Cut(l, []byte(" "))
	}
	if len(l) > 0 && l[0] == ':' { // the source
		_, l, _ = bytes.Cut(l, []byte(" "))
	}
	command, rest, _ := bytes.Cut(l, []byte(" "))
	switch string(command) {
	case "PING":
		e.reply(c, append(append([]byte("PONG "), rest...), "\r\n"...))
	case "376", "422": // the message of the day has ended, or there is none
		e.accepted(c)
	case "366": // the list of names has ended
		e.entered(c)
	case "JOIN":
		e.notice()
	case "ERROR":
		if c.state < leaving {
			e.fail(c, "the server says %.200q", l)
		}
	default:
		if len(command) == 3 && (command[0] == '4' || command[0] == '5') {
			e.fail(c, "the server says %.200q", l)
		}
	}
}
