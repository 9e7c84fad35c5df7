package server_test

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/command"
	"github.com/parley-chat/parley/wire/textwire"
)

// textSpeaker is a client at the text door.
type textSpeaker struct {
	*textClient
	h      *host
	name   string
	pushed [][]string
}

func openText(h *host, name string) speaker {
	s := &textSpeaker{textClient: h.guest(name), h: h, name: name}
	s.ok("join", "lobby")
	return s
}

// do asks, and wants a whole answer: ok and something, or an error of a type
// that there is. Data that is no fields cannot carry a request ID: it is
// answered without.
func (s *textSpeaker) do(fields ...string) []string {
	s.t.Helper()
	var answer []string
	if utf8.ValidString(strings.Join(fields, "")) {
		var pushed [][]string
		answer, pushed = s.askAmong(fields...)
		s.pushed = append(s.pushed, pushed...)
	} else {
		s.raw(textwire.AppendFrame(nil, fields...))
		answer = s.recv()
	}
	if like(answer, []string{"error", "nonfatal", "*", "*"}) && slices.Contains(errorTypes(), answer[2]) {
		return answer
	}
	if len(answer) == 0 || answer[0] == "error" {
		s.t.Errorf("%.100q: the answer is %.200q", fields, answer)
	}
	return answer
}

func errorTypes() (types []string) {
	for _, t := range command.Types {
		types = append(types, t)
	}
	return types
}

// refusedAs does something, and wants a refusal of a type, or ok if it is empty.
func (s *textSpeaker) refusedAs(kind string, fields ...string) (refused bool) {
	s.t.Helper()
	answer := s.do(fields...)
	got := ""
	if answer[0] == "error" {
		got = answer[2]
	}
	if got != kind {
		s.t.Errorf("%.100q: the answer is %.200q, want the error %q", fields, answer, kind)
	}
	return got != ""
}

func (s *textSpeaker) say(room, text string) []event {
	if s.refusedAs(textFault(text), "say", room, text) {
		return nil
	}
	if got := s.ask("history", room, "", "", "1"); len(got) != 5 || got[3] != s.name || got[4] != text {
		s.t.Errorf("say %.100q: history has %.200q", text, got)
	}
	return []event{{kind: "room", room: room, from: s.name, text: text}}
}

func (s *textSpeaker) tell(user, text string) []event {
	if s.refusedAs(textFault(text), "tell", user, text) || s.refusedAs("", "send", user, "text", text) {
		return nil
	}
	e := event{kind: "private", to: user, from: s.name, text: text}
	return []event{e, e}
}

func (s *textSpeaker) program(user, word string) []event {
	var want []event
	answer := s.do("send", user, word, word, "x")
	switch {
	case answer[0] == "ok":
		want = []event{{kind: "program", to: user, from: s.name, text: strings.Join([]string{word, word, "x"}, "|")}}
	case !utf8.ValidString(word) || word == "":
		if answer[2] != "syntax" {
			s.t.Errorf("send %.100q: got %.200q, want the error syntax", word, answer)
		}
	case answer[2] != "user_offline":
		s.t.Errorf("send %.100q: got %.200q, want ok, or user_offline when the user has no programs", word, answer)
	}
	return want
}

func (s *textSpeaker) topic(room, text string) []event {
	kind := ""
	switch {
	case !utf8.ValidString(text):
		kind = "syntax"
	case len(text) > 390:
		kind = "request_too_long"
	}
	if s.refusedAs(kind, "topic", room, text) {
		return nil
	}
	if got := s.ask("topic", room); !slices.Equal(got, []string{"topic", text}) {
		s.t.Errorf("topic %.100q: it is %.200q", text, got)
	}
	return []event{{kind: "topic", room: room, from: s.name, text: text}}
}

// address uses a string wherever a name stands. A room that it makes is nobody
// else's business.
func (s *textSpeaker) address(name string) {
	if isLobby(name) {
		return
	}
	for _, fields := range [][]string{
		{"new", name},
		{"join", name},
		{"members", name},
		{"say", name, "hi"},
		{"topic", name, "hi"},
		{"topic", name},
		{"history", name},
		{"history", "@" + name},
		{"leave", name},
		{"users", name},
		{"rooms", name},
		{"help", name},
		{"post", "lobby-", name, "hi"},
		{name},
		{name, name},
		{"whoami", name},
		{"history", "lobby", name, name, name},
	} {
		if known := slices.ContainsFunc(command.NewTable().Rows(), func(c *command.Command) bool { return c.Name == fields[0] }); known && fields[0] == name {
			continue
		}
		s.do(fields...)
	}
	if !isListener(name) {
		s.do("tell", name, "hi")
		s.do("send", name, "x")
	}
}

func isLobby(name string) bool {
	n, err := parley.ParseRoomName(name)
	return err == nil && n.Key() == "lobby"
}

func isListener(name string) bool {
	n, err := parley.ParseUserName(name)
	return err == nil && (strings.HasPrefix(n.Key(), "target") || strings.HasPrefix(n.Key(), "speaker") || strings.HasPrefix(n.Key(), "by"))
}

func (s *textSpeaker) password(name, word string) {
	kind := ""
	if !utf8.ValidString(word) || len(word) < 1 || len(word) > 1024 {
		kind = "syntax"
	}
	other := &textSpeaker{textClient: s.h.text(), h: s.h}
	other.t = s.t
	defer other.Close()
	if other.refusedAs(kind, "register", name, word) {
		return
	}
	other.refusedAs("wrong_user_or_password", "login", name, word+"x")
	other.refusedAs("", "login", name, word)
}

func (s *textSpeaker) introduce(name string) (as []string) {
	other := &textSpeaker{textClient: s.h.text(), h: s.h}
	other.t = s.t
	defer other.Close()
	if other.do("guest", name)[0] != "ok" {
		return nil
	}
	me := other.ask("whoami")
	other.ok("join", "lobby")
	other.ok("say", "lobby", "it is me")
	other.Close()
	for slices.Contains(s.do("users"), me[1]) { // until the server has noticed
	}
	return me[1:]
}

func (s *textSpeaker) heard() (all []event) {
	_, pushed := s.askAmong("nop")
	for _, p := range append(s.pushed, pushed...) {
		all = append(all, s.parse(p))
	}
	s.pushed = nil
	return all
}

// parse takes a push apart, strictly.
func (s *textSpeaker) parse(p []string) event {
	switch {
	case like(p, []string{"room", "*", "*", "*", "*", "*"}):
		_, _, err := parley.ParseID(p[3])
		_, late := time.Parse("2006-01-02T15:04:05.000Z", p[4])
		if err == nil && late == nil {
			return event{kind: "room", room: p[1], from: p[2], text: p[5]}
		}
	case like(p, []string{"send", "*", "text", "*"}):
		return event{kind: "private", from: p[1], text: p[3]}
	case len(p) > 2 && p[0] == "send":
		return event{kind: "program", from: p[1], text: strings.Join(p[2:], "|")}
	case like(p, []string{"joined", "*", "*"}):
		return event{kind: "joined", room: p[1], from: p[2]}
	case like(p, []string{"left", "*", "*", "*"}):
		return event{kind: "left", room: p[1], from: p[2], text: p[3]}
	case like(p, []string{"topic", "*", "*", "*"}):
		return event{kind: "topic", room: p[1], from: p[2], text: p[3]}
	}
	s.t.Errorf("%s got %.200q, which is no push", s.name, p)
	return event{kind: "nothing"}
}
