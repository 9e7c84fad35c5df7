package proof

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// A Log takes what happens at the clients of one server, or of one that was
// killed and started again. Its methods may be called from any goroutine. The
// order of the calls is the order of events: a client writes down that it asks
// before it sends, and what came once it has read it, in the order of its stream.
type Log struct {
	mu        sync.Mutex
	events    []event
	histories map[string]*history
	faults    []Violation // found while writing
}

// A Post is what a client says.
type Post struct {
	Session      string // the connection, by a name that the run uses once
	User         string // who speaks
	Conversation string // a room, or the Pair of two users
	Text         string // no other post of the run has it, but repetitions of this one
	ClientID     string // or empty
}

// A Message is what a history holds.
type Message struct {
	ID, Sender, Text string
	Time             time.Time
}

type kind uint8

const (
	invoked   kind = iota
	succeeded      // call is the event that it answers
	failed
	saw
	joining
	joined
	leaving
	left
	put // out of a conversation by somebody else
	asking
	answered
	becoming
	became
	copying
	copied
	speaks
	reading
	cut
	ended
)

// ends tells whether it ends a call.
func (k kind) ends() bool {
	switch k {
	case succeeded, failed, joined, left, answered, became, copied:
		return true
	}
	return false
}

// event is one line of the log. What its fields mean is up to its kind.
type event struct {
	kind kind
	call int // of one that ends a call: the event that it ends
	Post
	id   string
	read int // of reading: how many messages were found
}

// Pair names the conversation of two users.
func Pair(a, b string) string {
	both := []string{a, b}
	slices.Sort(both)
	return strings.Join(both, pairMark)
}

// pairMark stands in no name.
const pairMark = "+"

// parties gives the two users of a pair; none for a room.
func parties(conversation string) []string {
	if a, b, ok := strings.Cut(conversation, pairMark); ok {
		return []string{a, b}
	}
	return nil
}

func (l *Log) add(e event) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
	return len(l.events) - 1
}

// A Call is something that a client has begun. Whoever began it ends it at most
// once; without that, nobody knows what became of it.
type Call struct {
	log  *Log
	at   int
	post Post
	ok   kind
}

// Post notes that something is about to be said.
func (l *Log) Post(p Post) Call {
	return Call{l, l.add(event{kind: invoked, Post: p}), p, succeeded}
}

// Join notes that a session is about to come into a conversation.
func (l *Log) Join(session, conversation string) Call {
	p := Post{Session: session, Conversation: conversation}
	return Call{l, l.add(event{kind: joining, Post: p}), p, joined}
}

// Leave notes that a session is about to leave a conversation.
func (l *Log) Leave(session, conversation string) Call {
	p := Post{Session: session, Conversation: conversation}
	return Call{l, l.add(event{kind: leaving, Post: p}), p, left}
}

// Ask notes that a session is about to ask for anything. With the answer it has
// got everything that was on its way to it.
func (l *Log) Ask(session string) Call {
	p := Post{Session: session}
	return Call{l, l.add(event{kind: asking, Post: p}), p, answered}
}

// Become notes that a session is about to speak as a user. Once that is done it
// must be told all that the user is told in private. A session becomes a user
// once: what it is told while it changes could be meant for either.
func (l *Log) Become(session, user string) Call {
	p := Post{Session: session, User: user}
	return Call{l, l.add(event{kind: becoming, Post: p}), p, became}
}

// Copies notes that a session is about to ask that it be told, too, what its
// user's other sessions tell.
func (l *Log) Copies(session string) Call {
	p := Post{Session: session}
	return Call{l, l.add(event{kind: copying, Post: p}), p, copied}
}

// OK notes that what was begun is done. The id is what the message is called,
// if the door says so.
func (c Call) OK(id string) { c.log.add(event{kind: c.ok, call: c.at, Post: c.post, id: id}) }

// Fail notes that what was begun was refused: nothing of it may be seen.
func (c Call) Fail() { c.log.add(event{kind: failed, call: c.at, Post: c.post}) }

// Saw notes that a session was told a message that it had not said. The id may
// be empty.
func (l *Log) Saw(session, conversation, sender, id, text string) {
	l.add(event{kind: saw, Post: Post{Session: session, User: sender, Conversation: conversation, Text: text}, id: id})
}

// Put notes that a session is out of a conversation, by what another session did
// and has the answer to.
func (l *Log) Put(session, conversation string) {
	l.add(event{kind: put, Post: Post{Session: session, Conversation: conversation}})
}

// Cut notes that a session was told that its connection ends. What it missed
// since the server decided that, it knows to have missed.
func (l *Log) Cut(session string) { l.add(event{kind: cut, Post: Post{Session: session}}) }

// Ended notes that a session's connection is over, in whatever way.
func (l *Log) Ended(session string) { l.add(event{kind: ended, Post: Post{Session: session}}) }

// Speaks notes who a session is from now on: what this user is told in private
// is for it. Unlike Become, it does not promise that the session is told.
func (l *Log) Speaks(session, user string) {
	l.add(event{kind: speaks, Post: Post{Session: session, User: user}})
}

// A Reading is one reading of a conversation's history, which may take its time.
type Reading struct {
	log          *Log
	conversation string
	at           int // the event of its beginning
	least        int // how many messages others have found before
}

// Reading notes that somebody begins to read the history of a conversation.
func (l *Log) Reading(conversation string) Reading {
	at := l.add(event{kind: reading, Post: Post{Conversation: conversation}, read: never})
	l.mu.Lock()
	defer l.mu.Unlock()
	r := Reading{log: l, conversation: conversation, at: at}
	if h := l.histories[conversation]; h != nil {
		r.least = len(h.messages)
	}
	return r
}

// Found ends a reading: these are all the messages behind the one called after;
// empty: from the beginning. The last reading must be begun when nothing is
// under way, or what is said then is taken for lost.
func (r Reading) Found(after string, messages []Message) {
	l := r.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.histories == nil {
		l.histories = map[string]*history{}
	}
	h := l.histories[r.conversation]
	if h == nil {
		h = &history{name: r.conversation, at: map[string]int{}}
		l.histories[r.conversation] = h
	}
	found, faults := h.read(after, messages, r.least)
	l.events[r.at].read = found
	l.faults = append(l.faults, faults...)
}

// Read is a Reading that takes no time.
func (l *Log) Read(conversation, after string, messages []Message) {
	l.Reading(conversation).Found(after, messages)
}
