package console

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/parley-chat/parley/wire/linewire"
)

// The limits of the line protocol that the client keeps.
const (
	longestName    = 20   // characters
	longestMessage = 4096 // bytes
)

// greeting is how long a server may take to say something to a screen name.
// The protocol defines no word of welcome, so after it the name counts as
// accepted.
const greeting = 500 * time.Millisecond

// dying is how long a server may take to close its connections after kill.
const dying = 10 * time.Second

// A line is the client of the line protocol.
type line struct {
	s        *session
	name     string
	password string // for the name; empty: none
	split    splitter
	rooms    rooms
	left     []string // the rooms of the connection before this one

	named   bool      // the name counts as accepted
	greetBy time.Time // when it does
	spoke   bool      // something was sent after the name
	kill    time.Time // when kill was said, if that was the last
	script  script
}

func newLine(s *session) *line {
	l := &line{s: s, name: s.opts.Name, password: s.opts.Password}
	l.script = newScript(l)
	return l
}

// begin finds out the name, and connects.
func (l *line) begin() {
	if l.name == "" {
		l.askName("Screen name: ", "")
		return
	}
	l.askPassword()
}

// nameProblem says why a screen name cannot be used with any server.
func nameProblem(name string) string {
	switch {
	case strings.TrimSpace(name) == "":
		return "a screen name cannot be empty"
	case !utf8.ValidString(name) || shown(name) != name || strings.Contains(name, "\t"):
		return "a screen name is plain text, without control characters"
	case utf8.RuneCountInString(name) > longestName:
		return fmt.Sprintf("a screen name has at most %d characters, this one has %d", longestName, utf8.RuneCountInString(name))
	}
	return ""
}

func (l *line) askName(prompt, why string) {
	l.s.want(question{request: request{prompt: prompt}, before: why, then: func(in input) {
		switch {
		case in.err != nil && l.s.person:
			l.s.finish(ExitOK)
			return
		case in.err != nil:
			l.s.notice("no screen name: give --name, or make it the first line")
			l.s.finish(ExitUsage)
			return
		}
		name := strings.TrimSpace(in.text)
		why := nameProblem(name)
		switch {
		case why == "":
			l.name = name
			l.askPassword()
		case l.s.person:
			l.askName(prompt, why)
		default:
			l.s.notice(why)
			l.s.finish(ExitError)
		}
	}})
}

func (l *line) askPassword() {
	if !l.s.opts.AskPassword || l.password != "" {
		l.s.connect()
		return
	}
	l.s.askPassword(func(password string) {
		l.password = password
		l.s.connect()
	})
}

func (l *line) connected() {
	l.left = l.rooms.in
	l.split, l.rooms, l.named, l.spoke = splitter{}, rooms{}, false, false
	l.greetBy = time.Now().Add(greeting)
	first := l.name
	if l.password != "" {
		first += " " + l.password
	}
	l.send(first)
}

// send queues one message.
func (l *line) send(message string) {
	if !l.s.opts.Chunks {
		message += "\n"
	}
	l.s.send([]byte(message))
}

func (l *line) received(chunk []byte) {
	l.script.heard()
	for _, message := range l.split.push(chunk, time.Now()) {
		l.message(message)
	}
}

func (l *line) gone() bool {
	if message, ok := l.split.end(); ok {
		l.message(message)
	}
	if l.s.person {
		return l.s.inputOver || time.Since(l.kill) < dying
	}
	return l.script.gone()
}

// message takes one message of the server.
func (l *line) message(message string) {
	if l.s.link == nil || l.s.over {
		return // the name was refused: what came with that says nothing more
	}
	if message == linewire.NameError && !l.spoke {
		l.nameRefused()
		return
	}
	if message == linewire.Verified && l.spoke && !l.s.person {
		l.script.verified()
		return
	}
	if isRefused(message) {
		l.script.refused()
	}
	l.rooms.heard(message)
	l.s.show(shown(message))
	if !l.named && message != "" {
		l.accepted()
	}
}

func (l *line) accepted() {
	l.named = true
	if len(l.left) > 0 && l.s.person {
		l.s.notice("you were in rooms before; to go back: join " + shown(strings.Join(l.left, " ")))
		l.left = nil
	}
}

// nameRefused asks for another name. The server has closed the connection.
func (l *line) nameRefused() {
	l.s.drop()
	why := fmt.Sprintf("the server did not accept the screen name %q: it is in use, registered, or not allowed there", shown(l.name))
	if l.password != "" {
		why = fmt.Sprintf("the server did not accept the screen name %q with this password", shown(l.name))
	}
	if !l.s.person {
		l.s.notice(why)
		l.s.finish(ExitError)
		return
	}
	l.password = ""
	l.askName("Another screen name: ", why)
}

func (l *line) asks() (prompt string, ok bool) {
	if !l.named || !l.s.person && !l.script.reads() {
		return "", false
	}
	return linePrompt(l.name, l.rooms.in), true
}

// promptRooms is how many characters of rooms stand in a prompt.
const promptRooms = 40

// linePrompt shows the name and the rooms.
func linePrompt(name string, in []string) string {
	if len(in) == 0 {
		return shown(name) + "> "
	}
	list, more := "", 0
	for _, room := range in {
		if utf8.RuneCountInString(list)+utf8.RuneCountInString(room) > promptRooms {
			more++
			continue
		}
		list += " " + shown(room)
	}
	if more > 0 {
		list += fmt.Sprintf(" +%d", more)
	}
	return shown(name) + " [" + list[1:] + "]> "
}

func (l *line) typed(in input) {
	if in.err != nil {
		l.end()
		return
	}
	message := strings.TrimSuffix(in.text, "\r")
	parts := linewire.Parts(message)
	switch {
	case len(parts) == 0:
	case strings.TrimSpace(message) == menuWord:
		l.s.show(lineMenu)
	case !utf8.ValidString(message):
		l.s.refuse("that message is not UTF-8; it was not sent")
	case len(message) > longestMessage:
		l.s.refuse(fmt.Sprintf("that message has %d bytes, and the protocol allows %d; it was not sent", len(message), longestMessage))
	case len(parts) == 1 && parts[0] == exitWord:
		l.end()
	default:
		l.rooms.typed(message)
		l.spoke = true
		kill := len(parts) == 1 && parts[0] == killWord
		if !l.s.person {
			l.script.say(message, kill)
			return
		}
		if l.kill = (time.Time{}); kill {
			l.kill = time.Now()
		}
		l.send(message)
	}
}

// end leaves: a script does so once all its lines are answered.
func (l *line) end() {
	if !l.s.person {
		l.script.end()
		return
	}
	l.send(exitWord)
	l.s.leave()
}

func (l *line) tick(now time.Time) (next time.Time) {
	if !l.named {
		if now.Before(l.greetBy) {
			next = l.greetBy
		} else {
			// What it may still say to the name could be Verified.
			l.script.fence.unsure++
			l.accepted()
		}
	}
	if message, ok := l.split.late(now); ok {
		l.message(message)
	}
	next = sooner(next, l.split.due)
	return sooner(next, l.script.tick(now))
}
