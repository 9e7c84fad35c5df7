package parley

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// UserID numbers a user. Accounts have numbers above zero, for ever; guests
// have numbers below zero, which no later guest gets again; zero is nobody.
type UserID int64

// User is who speaks: an account or a guest.
type User struct {
	ID   UserID
	Name Name
}

// IsAccount tells whether the user is registered and has proved it.
func (u User) IsAccount() bool { return u.ID > 0 }

// ConversationID numbers a conversation: a room, or a pair of accounts.
type ConversationID int64

// Kind says what a kept event is. The numbers are stored: never change one.
type Kind int

// The kinds of kept events.
const (
	KindMessage   Kind = 1 // somebody said something
	KindNotice    Kind = 2 // said by a program, not to be answered by one
	KindAction    Kind = 3 // somebody did something ("/me")
	KindTopic     Kind = 4 // the topic became Text
	KindKick      Kind = 5 // somebody was put out of the room
	KindRename    Kind = 6 // the conversation or a user in it got another name
	KindRedaction Kind = 7 // the message Ref was taken back
)

// Message is a kept event of a conversation. The store numbers and dates it.
type Message struct {
	Conversation ConversationID
	Seq          int64 // gap-free within the conversation, from 1; 0: not kept
	Kind         Kind
	Sender       UserID
	SenderName   string    // as the sender was called then
	Time         time.Time // whole milliseconds, never running back in a conversation
	Text         string
	Ref          int64 // the Seq that this one is about, or 0
}

// seqWidth is the width of the widest Seq in base 32, so that ids of one
// conversation compare as bytes in its order.
const seqWidth = 13

// ID gives the message's id: opaque to clients, and sorted within its
// conversation. A message that is not kept has none.
func (m *Message) ID() string {
	if m.Seq == 0 {
		return ""
	}
	id := make([]byte, 0, 2*seqWidth+1)
	id = append(strconv.AppendInt(id, int64(m.Conversation), 32), '-')
	var seq [seqWidth]byte
	digits := strconv.AppendInt(seq[:0], m.Seq, 32)
	for range seqWidth - len(digits) {
		id = append(id, '0')
	}
	return string(append(id, digits...))
}

// ParseID takes an id of Message.ID apart. Anything else is CodeSyntax.
func ParseID(id string) (ConversationID, int64, error) {
	left, right, ok := strings.Cut(id, "-")
	conversation, err1 := strconv.ParseInt(left, 32, 64)
	seq, err2 := strconv.ParseInt(right, 32, 64)
	if !ok || err1 != nil || err2 != nil || conversation < 1 || seq < 1 || len(right) != seqWidth {
		return 0, 0, Errorf(CodeSyntax, "this is not an id of a message")
	}
	return ConversationID(conversation), seq, nil
}

// FormatTime writes a time as every door shows it: RFC 3339, UTC, milliseconds.
func FormatTime(t time.Time) string {
	// This layout is formatted several times faster than others.
	b := t.UTC().AppendFormat(make([]byte, 0, len("2006-01-02T15:04:05.000Z")), time.RFC3339)
	ms := t.Nanosecond() / int(time.Millisecond)
	return string(append(b[:len(b)-len("Z")], '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10), 'Z'))
}

// String names the kind for logs.
func (k Kind) String() string {
	names := [...]string{KindMessage: "message", KindNotice: "notice", KindAction: "action", KindTopic: "topic", KindKick: "kick", KindRename: "rename", KindRedaction: "redaction"}
	if k < 1 || int(k) >= len(names) {
		return fmt.Sprintf("kind %d", int(k))
	}
	return names[k]
}
