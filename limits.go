package parley

import "time"

// Limits holds every bound of a server that a client can meet, but for the
// lengths of names. Sizes are in bytes unless said otherwise.
type Limits struct {
	Frame        int // data of one frame of the text protocol, both directions
	Line         int // one message of the line protocol, without its delimiter
	LineQueue    int // messages that wait in a chunk-mode connection
	Fields       int // of one frame: the command and its arguments
	Nesting      int // req inside req
	Text         int // the text of one message
	Topic        int // a room's topic
	ClientID     int // a client id of post
	Password     int // a password
	AccountName  int // characters that an account's name needs at least
	Page         int // names in one answer
	PageBytes    int // bytes of a list in one answer
	History      int // messages in one history answer
	HistoryUsual int // messages when the client asks for no number
	Return       int // the values that a program returns
	OfferHelp    int // the help of a program's command

	Connections       int // open connections of one door
	Sessions          int // sessions of one account
	Rooms             int // rooms on the server
	RoomsJoined       int // rooms that one session is in
	NamesPerLine      int // room names in one line command that changes something
	Outbox            int // bytes that wait for one connection before it is cut, and 24 for each piece of memory that they lie in
	Answers           int // bytes of own answers that wait before we stop reading
	PostsInFlight     int // posts of one connection that the journal holds
	PostBytesInFlight int // bytes of the posts and calls of one connection that are under way
	CallsInFlight     int // calls of one connection that programs have in hand
	Calls             int // calls that one program has in hand before more are refused
	CallBytes         int // bytes of those calls
	Offers            int // commands of programs
	JournalBytes      int // bytes of all posts in the journal before connections go one at a time
	Workers           int // goroutines for parked work
	Hashes            int // passwords hashed at once
	HashesWaiting     int // requests that wait for a place to hash before more are refused

	Request   time.Duration // for a frame once begun
	Session   time.Duration // of silence in both directions; 0: for ever
	Call      time.Duration // for a program to return from a call
	Naming    time.Duration // until a line client has said its name
	ChunkRest time.Duration // for the rest of a message in chunk mode
	Write     time.Duration // without progress of a write before the peer counts as gone
	Linger    time.Duration // for the peer to read our last words
	Drain     time.Duration // for connections to end at shutdown
	ClientIDs time.Duration // for which a client id is remembered
	GuestRoom time.Duration // for which a guest's room may stand empty
}

// DefaultLimits are the limits of a server whose operator set none.
func DefaultLimits() Limits {
	return Limits{
		Frame:        65536,
		Line:         4096,
		LineQueue:    64,
		Fields:       1024,
		Nesting:      8,
		Text:         4096,
		Topic:        390,
		ClientID:     64,
		Password:     1024,
		AccountName:  MinAccountName,
		Page:         1000,
		PageBytes:    60 << 10,
		History:      200,
		HistoryUsual: 50,
		Return:       64 << 10,
		OfferHelp:    200,

		Connections:       50000,
		Sessions:          100,
		Rooms:             100000,
		RoomsJoined:       1000,
		NamesPerLine:      16,
		Outbox:            4 << 20,
		Answers:           64 << 10,
		PostsInFlight:     256,
		PostBytesInFlight: 1 << 20,
		CallsInFlight:     64,
		Calls:             512,
		CallBytes:         2 << 20,
		Offers:            256,
		JournalBytes:      8 << 20,
		Workers:           256,
		Hashes:            4,
		HashesWaiting:     64,

		Request:   10 * time.Second,
		Session:   10 * time.Minute,
		Call:      5 * time.Second,
		Naming:    15 * time.Second,
		ChunkRest: 50 * time.Millisecond,
		Write:     10 * time.Second,
		Linger:    500 * time.Millisecond,
		Drain:     8 * time.Second,
		ClientIDs: 7 * 24 * time.Hour,
		GuestRoom: time.Hour,
	}
}
