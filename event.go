package parley

// Event is what a client is told without having asked. The set is closed: each
// door renders every one of them or lists it as silent.
type Event interface{ event() }

// Said is a message in a room, for the sessions in it.
type Said struct {
	Room Name
	Message
}

// Told is a private message, for the sessions of its receiver.
type Told struct {
	To Name
	Message
}

// ToldCopy is a private message, for the other sessions of its sender.
type ToldCopy struct {
	To Name
	Message
}

// Sent is a command from one program to another, passed on untouched.
type Sent struct {
	From    Name
	Command string
	Args    []string
}

// Called is a command that a program is to serve, and to return from under its
// number. Caller is zero for a session without a name.
type Called struct {
	Number  uint64 // unique within the session that is called
	Command string
	Caller  Name
	Args    []string
}

// Joined tells that the first session of a user entered a room.
type Joined struct{ Room, User Name }

// Left tells that the last session of a user is gone from a room.
type Left struct {
	Room, User Name
	Reason     string // may be empty
}

// TopicSet tells that a room has another topic.
type TopicSet struct {
	Room Name
	Message
}

// RoomDeleted tells that a room is gone. User is zero when the server did it.
type RoomDeleted struct{ Room, User Name }

// Closing is the last thing that a client is told: why we end the connection.
type Closing struct{ Why *Error }

func (Said) event()        {}
func (Told) event()        {}
func (ToldCopy) event()    {}
func (Sent) event()        {}
func (Called) event()      {}
func (Joined) event()      {}
func (Left) event()        {}
func (TopicSet) event()    {}
func (RoomDeleted) event() {}
func (Closing) event()     {}

// Events lists one of each, so that a test can tell whether a door knows all.
func Events() []Event {
	return []Event{Said{}, Told{}, ToldCopy{}, Sent{}, Called{}, Joined{}, Left{}, TopicSet{}, RoomDeleted{}, Closing{Why: ErrShuttingDown}}
}
