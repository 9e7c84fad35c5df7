package proof

import (
	"bufio"
	"net"
	"slices"
	"strings"

	"github.com/parley-chat/parley"
)

// Line is a client of the line protocol, in line mode, that writes down all it
// does. Its texts must be one line each, without spaces at the ends.
type Line struct{ client }

// NewLine begins a client on a connection, which it owns from now on. The
// session's name must be new in the run.
func NewLine(log *Log, session string, conn net.Conn) *Line {
	l := &Line{client{Session: session, log: log, conn: conn, over: make(chan struct{})}}
	go l.read()
	return l
}

func (l *Line) read() {
	defer l.finish()
	r := bufio.NewReader(l.conn)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return // what has no end is no message
		}
		l.line(strings.TrimSuffix(line, "\n"))
	}
}

// line takes one message. An answer is known by its words: what others say
// begins with their name and cannot be mistaken for one.
func (l *Line) line(line string) {
	l.mu.Lock()
	var oldest *Reply
	if len(l.waiting) > 0 {
		oldest = l.waiting[0]
	}
	user := l.user
	l.mu.Unlock()
	if isLastWords(line) {
		l.lastWords(line)
		return
	}
	if oldest != nil && oldest.answeredBy(line) {
		l.answer(l.next(), line)
		return
	}
	if from, text, ok := strings.Cut(line, " whispers to you "); ok {
		l.log.Saw(l.Session, Pair(from, user), from, "", text)
	} else if from, rest, ok := strings.Cut(line, " says in room "); ok {
		room, text, _ := strings.Cut(rest, " ")
		l.log.Saw(l.Session, room, from, "", text)
	} else if strings.HasPrefix(line, errorMark) || line == "NAMEERROR" {
		l.lastWords(line)
	}
}

const errorMark = "Error: "

// isLastWords knows the words with which parley ends a connection: they are no
// answer, and what became of the oldest request is not known.
func isLastWords(line string) bool {
	why, _ := strings.CutPrefix(line, errorMark)
	last := []string{parley.ErrSlowConsumer.Message, parley.ErrShuttingDown.Message, parley.ErrDiskFailed.Message}
	return slices.Contains(last, why)
}

// answeredBy tells whether a line is the answer.
func (r *Reply) answeredBy(line string) bool {
	if strings.HasPrefix(line, errorMark) || line == "NAMEERROR" {
		return true
	}
	for _, begin := range r.match {
		if line == begin || strings.HasSuffix(begin, " ") && strings.HasPrefix(line, begin) {
			return true
		}
	}
	return false
}

func (l *Line) answer(r *Reply, line string) {
	var err error
	refused := strings.HasPrefix(line, errorMark) || line == "NAMEERROR"
	if word, _, _ := strings.Cut(line, " "); word == "Joined" || word == "Left" {
		refused = !strings.HasSuffix(line, "(ok)") // it tells of one room
	}
	if refused {
		err = &Refusal{strings.TrimPrefix(line, errorMark)}
	}
	if err != nil {
		r.call.Fail()
	} else {
		r.call.OK("")
	}
	r.end([]string{line}, err)
}

func (l *Line) ask(begin func() Call, request string, match ...string) *Reply {
	return l.send(begin, []byte(request+"\n"), match...)
}

// Name gives the client its screen name; the password may be empty.
func (l *Line) Name(user, password string) error {
	return l.become(user, func(begin func() Call) *Reply {
		if password != "" {
			user += " " + password
		}
		return l.ask(begin, user, "Welcome", "Welcome ", "Welcome, ")
	})
}

// Do sends any message whose answer is Verified.
func (l *Line) Do(message string) error {
	_, err := l.ask(func() Call { return l.log.Ask(l.Session) }, message, "Verified").Wait()
	return err
}

// Join comes into a room.
func (l *Line) Join(room string) error {
	_, err := l.ask(func() Call { return l.log.Join(l.Session, room) }, "join "+room, "Joined ").Wait()
	return err
}

// Leave takes the user out of a room; what its other sessions hear of it, the
// caller tells the log by Put.
func (l *Line) Leave(room string) error {
	_, err := l.ask(func() Call { return l.log.Leave(l.Session, room) }, "leave "+room, "Left ").Wait()
	return err
}

// Say says a text in a room, and does not wait. Its answer is the client's own copy.
func (l *Line) Say(room, text string) *Reply {
	return l.post(room, text, "send "+room+" - "+text, l.User()+" says in room "+room+" "+text)
}

// Tell tells a user a text, and does not wait.
func (l *Line) Tell(user, text string) *Reply {
	return l.post(Pair(l.User(), user), text, "tell "+user+" "+text, "You tell "+user+" "+text)
}

func (l *Line) post(conversation, text, request, match string) *Reply {
	p := Post{Session: l.Session, User: l.User(), Conversation: conversation, Text: text}
	return l.ask(func() Call { return l.log.Post(p) }, request, match)
}
