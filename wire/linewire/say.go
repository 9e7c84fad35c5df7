package linewire

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// The messages that the server of the seed sends, and that its client knows by
// their beginning.
const (
	NameError = "NAMEERROR" // the screen name was not accepted; the connection ends
	Verified  = "Verified"  // the message was parsed and asked for nothing
	Joined    = "Joined"    // head of the answer to join
	Left      = "Left"      // head of the answer to leave
	Welcome   = "Welcome"   // head of the first message of our server
	ErrorHead = "Error: "   // begins every error message of our server
)

// AppendMessage appends one message of our own making and its LF.
func AppendMessage(dst []byte, msg string) []byte {
	return append(append(dst, msg...), '\n')
}

// AppendError appends an error message, cleaned and cut to limit bytes.
func AppendError(dst []byte, text string, limit int) []byte {
	text, _ = cutAt(Clean(text), limit-len(ErrorHead))
	return append(append(append(dst, ErrorHead...), text...), '\n')
}

// AppendSays appends what user said in room: the seed's rooms_message.
func AppendSays(dst []byte, user, room, text string, limit int) []byte {
	return appendPieces(dst, text, limit, user, " says in room ", room, " ")
}

// AppendWhisper appends what user told the receiver: private_message_rcv.
func AppendWhisper(dst []byte, user, text string, limit int) []byte {
	return appendPieces(dst, text, limit, user, " whispers to you ")
}

// AppendTold appends the sender's own copy of what it told user:
// private_message_send.
func AppendTold(dst []byte, user, text string, limit int) []byte {
	return appendPieces(dst, text, limit, "You tell ", user, " ")
}

// appendPieces appends every piece of a text as a message with its own prefix,
// which is given in parts. A piece that would pass the limit is cut into several.
func appendPieces(dst []byte, text string, limit int, prefix ...string) []byte {
	size := 0
	for _, part := range prefix {
		size += len(part)
	}
	dst = slices.Grow(dst, size+len(text)+1) // mostly all there is
	for piece := range Pieces(text) {
		for piece != "" {
			for _, part := range prefix {
				dst = append(dst, part...)
			}
			var now string
			now, piece = cutAt(piece, limit-size)
			dst = append(append(dst, now...), '\n')
		}
	}
	return dst
}

// cutAt cuts a string before the character that would pass limit bytes.
func cutAt(s string, limit int) (head, rest string) {
	if len(s) <= limit {
		return s, ""
	}
	at := limit
	for at > 0 && !utf8.RuneStart(s[at]) {
		at--
	}
	return s[:at], s[at:]
}

// AppendList appends a list of words behind a head word. A list that would pass
// the limit goes on in further messages, each of which begins with the head.
func AppendList(dst []byte, head string, words []string, limit int) []byte {
	start := len(dst)
	dst = append(dst, head...)
	for _, word := range words {
		if len(dst)-start+1+len(word) > limit {
			dst = append(dst, '\n')
			start = len(dst)
			dst = append(dst, head...)
		}
		dst = append(append(dst, ' '), word...)
	}
	return append(dst, '\n')
}

// Status is a word of a list with what became of it, as the answers to new,
// join and leave hold it.
func Status(name, outcome string) string {
	return name + " (" + strings.TrimSpace(outcome) + ")"
}
