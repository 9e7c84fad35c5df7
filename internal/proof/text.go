package proof

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/wire/textwire"
)

// Text is a client of the text protocol that writes down all it does. Its
// methods may be called from any goroutine; requests may overlap.
type Text struct{ client }

// answerMark is the ID of all its requests: answers come in their order.
const answerMark = "proof"

// NewText begins a client on a connection, which it owns from now on. The
// session's name must be new in the run.
func NewText(log *Log, session string, conn net.Conn) *Text {
	t := &Text{client{Session: session, log: log, conn: conn, over: make(chan struct{})}}
	go t.read()
	return t
}

func (t *Text) read() {
	defer t.finish()
	r := bufio.NewReader(t.conn)
	for {
		fields, err := readFrame(r)
		if err != nil {
			return
		}
		switch {
		case len(fields) >= 2 && fields[0] == "req" && fields[1] == answerMark:
			t.answer(fields[2:])
		default:
			t.pushed(fields)
		}
	}
}

func readFrame(r io.Reader) ([]string, error) {
	var header [textwire.HeaderSize]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(header[:])
	limits := parley.DefaultLimits()
	if int64(size) > int64(limits.Frame) || header[4] != 0 {
		return nil, fmt.Errorf("a frame begins with %q", header)
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, err
	}
	if size == 0 {
		return nil, nil
	}
	return textwire.Parse(data, int(size)+1)
}

// answer ends the oldest request, in the log first.
func (t *Text) answer(values []string) {
	r := t.next()
	if r == nil {
		return // more answers than requests: what is compared with them will tell
	}
	err := refused(values)
	switch {
	case err != nil:
		r.call.Fail()
	case r.call.ok != succeeded:
		r.call.OK("")
	case len(values) > 1 && values[0] == "ok":
		r.call.OK(values[1])
	} // any other answer to a post says nothing of it
	r.end(values, err)
}

// refused makes an error of an error response.
func refused(values []string) error {
	if len(values) == 0 || values[0] != "error" {
		return nil
	}
	return &Refusal{append(values, "", "")[2]}
}

// A Refusal is the answer of a server that did nothing.
type Refusal struct{ Type string }

// Error gives the type behind the word refused.
func (r *Refusal) Error() string { return "refused: " + r.Type }

// pushed logs what others did.
func (t *Text) pushed(fields []string) {
	user := t.User()
	switch {
	case len(fields) == 6 && fields[0] == "room":
		t.log.Saw(t.Session, fields[1], fields[2], fields[3], fields[5])
	case len(fields) == 6 && fields[0] == "told":
		t.log.Saw(t.Session, Pair(fields[1], fields[2]), fields[1], fields[3], fields[5])
	case len(fields) == 4 && fields[0] == "send" && fields[2] == "text":
		t.log.Saw(t.Session, Pair(fields[1], user), fields[1], "", fields[3])
	case len(fields) == 4 && fields[0] == "error" && fields[1] == "fatal":
		t.lastWords(fields[2])
	}
}

func (t *Text) request(begin func() Call, fields ...string) *Reply {
	return t.send(begin, textwire.AppendFrame(nil, append([]string{"req", answerMark}, fields...)...))
}

// Do sends any command that says nothing, and waits for its answer. A *Refusal
// is an error response.
func (t *Text) Do(fields ...string) ([]string, error) {
	return t.request(func() Call { return t.log.Ask(t.Session) }, fields...).Wait()
}

// Register makes an account; that it is there already is no error.
func (t *Text) Register(user, password string) error {
	_, err := t.Do("register", user, password)
	var refusal *Refusal
	if errors.As(err, &refusal) && refusal.Type == "name_taken" {
		return nil
	}
	return err
}

// Login makes the client speak as a user with an account.
func (t *Text) Login(user, password string) error { return t.become(user, "login", user, password) }

// Guest makes the client speak as a guest.
func (t *Text) Guest(user string) error { return t.become(user, "guest", user) }

func (t *Text) become(user string, fields ...string) error {
	return t.client.become(user, func(begin func() Call) *Reply { return t.request(begin, fields...) })
}

// Copies asks to be told, too, what the user's other sessions tell others.
func (t *Text) Copies() error {
	_, err := t.request(func() Call { return t.log.Copies(t.Session) }, "copies", "on").Wait()
	return err
}

// Join comes into a room.
func (t *Text) Join(room string) error {
	_, err := t.request(func() Call { return t.log.Join(t.Session, room) }, "join", room).Wait()
	return err
}

// Leave takes the user out of a room; what its other sessions hear of it, the
// caller tells the log by Put.
func (t *Text) Leave(room string) error {
	_, err := t.request(func() Call { return t.log.Leave(t.Session, room) }, "leave", room).Wait()
	return err
}

// Say says a text in a room, and does not wait.
func (t *Text) Say(room, text string) *Reply {
	return t.post(Post{Conversation: room, Text: text}, "say", room, text)
}

// Tell tells a user a text, and does not wait.
func (t *Text) Tell(user, text string) *Reply {
	return t.post(Post{Conversation: Pair(t.User(), user), Text: text}, "tell", user, text)
}

// Post says a text in a room, or to "@user", under a client id, and does not wait.
func (t *Text) Post(to, clientID, text string) *Reply {
	conversation := to
	if user, private := strings.CutPrefix(to, "@"); private {
		conversation = Pair(t.User(), user)
	}
	return t.post(Post{Conversation: conversation, Text: text, ClientID: clientID}, "post", to, clientID, text)
}

func (t *Text) post(p Post, fields ...string) *Reply {
	p.Session, p.User = t.Session, t.User()
	return t.request(func() Call { return t.log.Post(p) }, fields...)
}

// History reads a conversation behind an id, or from its beginning, to its end,
// page by page, and logs it. A conversation is a room or the pair of two
// accounts, of which the client is one. It returns the last id.
func (t *Text) History(conversation, after string) (last string, err error) {
	target := conversation
	if both := parties(conversation); both != nil {
		target = "@" + both[0]
		if both[0] == t.User() {
			target = "@" + both[1]
		}
	}
	reading := t.log.Reading(conversation)
	last = after
	var all []Message
	for {
		page, err := t.Do("history", target, "after", last, "200")
		if err != nil {
			return last, err
		}
		page = page[1:]
		if len(page) == 0 {
			reading.Found(after, all)
			return last, nil
		}
		for m := range slices.Chunk(page, 4) {
			if len(m) < 4 {
				return last, fmt.Errorf("a page of history ends in %q", m)
			}
			at, err := time.Parse(time.RFC3339, m[1])
			if err != nil {
				return last, err
			}
			all = append(all, Message{ID: m[0], Time: at, Sender: m[2], Text: m[3]})
			last = m[0]
		}
	}
}
