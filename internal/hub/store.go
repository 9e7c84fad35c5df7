package hub

import (
	"context"
	"errors"

	"github.com/parley-chat/parley"
)

// ErrBroken is wrapped by a store's error when the store can no longer be
// trusted, as after a failed fsync: nothing more may be acknowledged.
var ErrBroken = errors.New("the store can no longer be trusted")

// ErrUnknown is what became of a request while the store broke: it may have been
// kept or not, and must be answered neither way.
var ErrUnknown = errors.New("whether it was kept is not known")

// Store keeps what must outlive the process. Only the journal calls Commit, one
// call at a time; the reading methods may be called from any goroutine and see
// what was committed before. An error that is no *parley.Error is a fault.
type Store interface {
	// Rooms lists every room.
	Rooms(ctx context.Context) ([]RoomRecord, error)
	// Named finds the accounts that are called name (its key) or look like it
	// (a skeleton of the one is one of the other): the former first.
	Named(ctx context.Context, name parley.Name) ([]Account, error)
	// RoomsOf lists the names of the rooms that an account is a member of, in
	// the order of their keys, from the first one after the key after.
	RoomsOf(ctx context.Context, user parley.UserID, after string, limit int) ([]parley.Name, error)
	// Pair finds the conversation of two accounts, or of one with itself; 0
	// when they have not spoken yet.
	Pair(ctx context.Context, a, b parley.UserID) (parley.ConversationID, error)
	// History reads messages of one conversation, oldest first.
	History(ctx context.Context, q HistoryQuery) ([]parley.Message, error)
	// Commit runs write in one transaction and returns when it is durable, or
	// with an error and nothing of it kept. If write returns an error, nothing
	// is kept and that error is returned. parley.ErrUnavailable is wrapped when
	// it may work later (a full disk), ErrBroken when it must not be tried again.
	Commit(ctx context.Context, write func(Tx) error) error
}

// Tx is one transaction of the journal. A *parley.Error means that the call
// changed nothing and the transaction may go on; any other error ends it.
type Tx interface {
	// CreateAccount keeps a new account and sets its ID. CodeNameTaken or
	// CodeInvalidName (a look-alike) when another is in its way.
	CreateAccount(a *Account) error
	// SetPassword replaces the hash of an account's password.
	SetPassword(user parley.UserID, hash string) error
	// CreateRoom keeps a new room and sets its ID. CodeRoomExists.
	CreateRoom(r *RoomRecord) error
	// DeleteRoom removes a room with its history, unless it has members.
	DeleteRoom(room parley.ConversationID) (gone bool, err error)
	// SetMember makes an account a member of a room, or ends that; it tells
	// whether anything changed.
	SetMember(room parley.ConversationID, user parley.UserID, member bool) (changed bool, err error)
	// Append keeps a message: it finds or makes the conversation of a pair,
	// numbers and dates the message. A known client id fills in the first
	// message's Conversation, Seq and Time instead, and repeated is true; with
	// another text or conversation it is CodeSyntax. A message of KindTopic
	// becomes the room's topic.
	Append(r *Record) (repeated bool, err error)
}

// Account proves who a user is.
type Account struct {
	parley.User
	Hash string // of the password, in PHC form
}

// RoomRecord is what is kept of a room.
type RoomRecord struct {
	ID      parley.ConversationID
	Name    parley.Name
	Open    bool          // outsiders may speak
	Guest   bool          // made by a guest: goes when it has stood empty
	Creator parley.UserID // 0 when the server made it
	Topic   string
}

// Record is a message on its way into the store.
type Record struct {
	*parley.Message               // Conversation 0 means the pair of Sender and To
	To              parley.UserID // the other account of a pair
	ClientID        string        // the sender's own name for the message, or empty
}

// HistoryQuery asks for at most Limit messages of the given kind, the latest
// ones that lie before Before, or, when After is set, the first ones after it.
// Both are Seq; 0 means no bound. Forward chooses the first ones even without After.
type HistoryQuery struct {
	Conversation  parley.ConversationID
	Kind          parley.Kind
	Before, After int64
	Forward       bool
	Limit         int
}
