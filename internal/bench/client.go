package bench

import "bytes"

// A client is one connection.
type client struct {
	// Fixed once it exists.
	id   int
	name string

	// The sockets'.
	fd      int
	pending bool   // connecting
	wantOut bool   // waits until it can be written
	dirty   bool   // in engine.dirty
	out     []byte // not yet written
	rest    []byte // the beginning of a frame, read already

	// The engine's.
	state   state
	room    int // index of its room, or of its pair
	answers int // of requests that still stand before it is in its room
	heard   []flow
	own     flow    // the copies of its own messages
	said    uint32  // own messages
	acked   uint32  // of them, answered or seen as a copy
	posted  []int64 // times of those that wait for an answer, a ring; nil if nobody asks
	lastID  []byte  // of the last message that was answered
}

// state is how far a client has come.
type state int

const (
	begun   state = iota // connecting
	hello                // connected, has said its name
	named                // the server has accepted it
	inside               // the server has let it into its room
	leaving              // it has said goodbye
	gone                 // closed, as was meant
)

// A stream is one ordered flow of messages.
type stream struct {
	from      *client
	room      int // index of the room or the pair in which it is heard
	place     int // of this stream among those of its room
	to        string
	private   bool
	receivers int    // clients other than the sender that get each message
	sent      uint32 // messages so far
	push      head   // how its messages begin and end before the payload
	copy      head   // the same for the sender's own copy
}

// A head is what stands around the variable parts of a message's frame, in
// front of its payload.
type head struct{ begins, ends []byte }

func (h head) matches(got []byte) bool {
	return len(got) >= len(h.begins)+len(h.ends) && bytes.HasPrefix(got, h.begins) && bytes.HasSuffix(got, h.ends)
}

// fixed is a head without a variable part.
func fixed(text string) head { return head{begins: []byte(text)} }

// Names are made of letters and digits none of which looks like another, since
// parley refuses names that look alike. They differ from run to run, so that a
// server that keeps its rooms can be measured again. Nine characters is the most
// that some servers of IRC allow.
const (
	nameLetters = "bcdfghjkpqrstvwxz23456789"
	tagSize     = 4
	indexSize   = 4
	mostClients = 25 * 25 * 25 * 25
)

// name gives client or room number i the name that begins with kind.
func name(kind byte, tag string, i int) string {
	b := append([]byte{kind}, tag...)
	at := len(b)
	b = append(b, "bbbb"...)
	for j := at + indexSize - 1; j >= at; j-- {
		b[j] = nameLetters[i%len(nameLetters)]
		i /= len(nameLetters)
	}
	return string(b)
}
