package server_test

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// lineSpeaker is a client at the line door.
type lineSpeaker struct {
	*lineClient
	h    *host
	name string
}

func openLine(h *host, name string) speaker {
	s := &lineSpeaker{lineClient: h.line(name), h: h, name: name}
	s.send("join lobby")
	s.lineClient.want("Joined lobby (ok)")
	return s
}

// lineHears is the column of the line door in §3.4.
func lineHears(e event) (all []event) {
	prefix := e.from + " says in room " + e.room + " "
	switch e.kind {
	case "private":
		prefix = e.from + " whispers to you "
	case "room":
	default:
		return nil
	}
	for _, piece := range pieces(e.text, prefix) {
		heard := e
		heard.text = piece
		all = append(all, heard)
	}
	return all
}

const (
	lineTooLong = "Error: message longer than 4096 bytes"
	lineNotUTF8 = "Error: messages must be UTF-8"
)

// lineWords are the commands: what else a client sends is Verified.
var lineWords = []string{"new", "rooms", "join", "leave", "members", "send", "tell", "clients", "exit", "kill"}

// asks is how the door takes a string in line mode: several messages, if it
// holds LF. What stands behind the first of them must not be a command.
func asks(s string) (first string, others []string, quiet bool) {
	parts := strings.Split(s, "\n")
	for i := range parts {
		parts[i] = strings.TrimSuffix(parts[i], "\r")
	}
	for _, other := range parts[1:] {
		word, _, _ := strings.Cut(strings.TrimLeft(other, " "), " ")
		if slices.Contains(lineWords, word) {
			return "", nil, false
		}
	}
	return parts[0], parts[1:], true
}

// do sends a text behind a head, and wants the answers: want for the first
// message unless it is at fault itself, and one for each of the others. It
// returns the text that was understood; false: none.
func (s *lineSpeaker) do(head, text string, want func(text string) []string) (said string, ok bool) {
	s.t.Helper()
	first, others, quiet := asks(text)
	if !quiet {
		return "", false
	}
	var answers []string
	switch message := head + first; {
	case len(message) > 4096:
		answers = []string{lineTooLong}
	case !utf8.ValidString(message):
		answers = []string{lineNotUTF8}
	case textFault(first) != "":
		answers = []string{"Error: *"}
	default:
		ok, answers = true, want(first)
	}
	for _, other := range others {
		switch {
		case len(other) > 4096:
			answers = append(answers, lineTooLong)
		case !utf8.ValidString(other):
			answers = append(answers, lineNotUTF8)
		default:
			answers = append(answers, "Verified")
		}
	}
	s.send(head + text)
	for _, answer := range answers {
		got := s.recv()
		if begin, open := strings.CutSuffix(answer, "*"); got != answer && !(open && strings.HasPrefix(got, begin)) {
			s.t.Errorf("%s%.100q: the answer is %.200q, want %.200q", head, text, got, answer)
		}
	}
	return first, ok
}

func prefixed(prefix, text string) (all []string) {
	for _, piece := range pieces(text, prefix) {
		all = append(all, prefix+piece)
	}
	return all
}

func (s *lineSpeaker) say(room, text string) []event {
	said, ok := s.do("send "+room+" - ", text, func(text string) []string {
		return prefixed(s.name+" says in room "+room+" ", text)
	})
	if !ok {
		return nil
	}
	return []event{{kind: "room", room: room, from: s.name, text: said}}
}

func (s *lineSpeaker) tell(user, text string) []event {
	said, ok := s.do("tell "+user+" ", text, func(text string) []string {
		return prefixed("You tell "+user+" ", text)
	})
	if !ok {
		return nil
	}
	return []event{{kind: "private", to: user, from: s.name, text: said}}
}

// The line door has no words for these.
func (s *lineSpeaker) program(string, string) []event { return nil }
func (s *lineSpeaker) topic(string, string) []event   { return nil }

// address uses a string wherever names stand. Every answer must be one of the
// forms that the protocol has; there are as many as messages, except that a
// list may go on, so the end is found by a fence.
func (s *lineSpeaker) address(name string) {
	first, _, quiet := asks(name)
	if !quiet || slices.ContainsFunc(strings.Split(first, " "), isLobby) {
		return // that is what the others hear, and tested elsewhere
	}
	for _, head := range []string{"new ", "join ", "members ", "leave ", "rooms", "clients", "send ", "exit x", "kill x", "join x ", ""} {
		word, _, _ := strings.Cut(strings.TrimLeft(head+first, " "), " ")
		if slices.Contains(lineWords, word) && (head == "" || word == strings.TrimLeft(head+first, " ") && !strings.HasSuffix(head, " ")) {
			continue // then the string is a command itself
		}
		s.send(head + name)
	}
	if !isListener(strings.Fields(first + " x")[0]) {
		s.send("tell " + name)
	}
	s.send("send " + first + " - hi")
	s.fence(func(line string) {
		if !lineAnswer.MatchString(line) {
			s.t.Errorf("%.100q as a name: the answer is %.200q", name, line)
		}
	})
}

// lineAnswer is what the server says to a request.
var lineAnswer = regexp.MustCompile(`^(Created|Joined|Left) [^ ]+ \(.+\)|^(Rooms|Clients|Members) |^No (active rooms|members in |clients)|^Error: .|^Verified$|^[^ ]+ says in room [^ ]+ .|^You tell [^ ]+ `)

func (s *lineSpeaker) password(name, word string) {
	maker := &textSpeaker{textClient: s.h.text(), h: s.h}
	maker.t = s.t
	defer maker.Close()
	if maker.do("register", name, word)[0] != "ok" {
		return
	}
	first, _, _ := asks(word)
	for _, proof := range []string{first + "x", first} {
		c := s.h.line("")
		c.t = s.t
		c.send(name + " " + proof)
		want := "NAMEERROR"
		if proof == word && len(name+" "+word) <= 4096 {
			want = "Welcome " + name + "; say rooms to see where people talk"
		}
		if got := c.recv(); got != want {
			s.t.Errorf("the name %s with the password %.100q: got %q, want %q", name, proof, got, want)
		}
		c.Close()
	}
}

func (s *lineSpeaker) introduce(name string) (as []string) {
	first, others, quiet := asks(name)
	if !quiet {
		return nil
	}
	c := s.h.line("")
	c.t = s.t
	defer c.Close()
	c.send(name)
	switch got := c.recv(); {
	case got == "NAMEERROR":
		c.ended()
		return nil
	case !strings.HasPrefix(got, "Welcome "):
		s.t.Errorf("the name %.100q: got %q", first, got)
		return nil
	default:
		as = strings.SplitN(strings.TrimPrefix(got, "Welcome "), ";", 2)[:1]
	}
	for range others {
		c.recv() // Verified, or an error
	}
	c.send("join lobby")
	c.want("Joined lobby (ok)")
	c.send("send lobby - it is me")
	c.want(as[0] + " says in room lobby it is me")
	c.send("exit")
	c.ended()
	return as
}

// fence gives every line that comes before the answer to a message of its own.
func (s *lineSpeaker) fence(line func(string)) {
	s.t.Helper()
	const mark = "Error: there is no room fence--fence" // that nothing else says
	s.send("members fence--fence")
	for {
		got := s.recv()
		if strings.HasPrefix(got, mark) {
			return
		}
		line(got)
	}
}

var (
	lineSays     = regexp.MustCompile(`^([^ ]+) says in room ([^ ]+) (.+)$`)
	lineWhispers = regexp.MustCompile(`^([^ ]+) whispers to you (.+)$`)
)

func (s *lineSpeaker) heard() (all []event) {
	s.fence(func(line string) {
		if m := lineSays.FindStringSubmatch(line); m != nil {
			all = append(all, event{kind: "room", from: m[1], room: m[2], text: m[3]})
		} else if m := lineWhispers.FindStringSubmatch(line); m != nil {
			all = append(all, event{kind: "private", from: m[1], text: m[2]})
		} else {
			s.t.Errorf("%s got %.200q, which is no push", s.name, line)
		}
	})
	return all
}
