package server_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/parley-chat/parley/internal/command"
)

// asker is a plain model of what one connection may expect: it makes up requests
// and says, for the state that those before it leave behind, what each answer
// must be. Nobody else changes anything: bob has an account, a session, and is
// in the lobby; carol has an account and is away; gail is a guest.
type asker struct {
	*rand.Rand
	user      string // empty: nobody
	account   bool
	passwords map[string]string // by account
	rooms     []string
	topics    map[string]string
	in        map[string]bool            // rooms that the session is in
	member    map[string]map[string]bool // rooms that an account is a member of
	said      map[string][]*kept         // by conversation
	posted    map[string]*kept           // by account and client id
	pushes    [][]string                 // what the session must be told, so far
}

// kept is a message; its id and time are known when it has been answered.
type kept struct{ conversation, user, text, id, time string }

// answer is what must come for a request: these fields, and what check finds.
type answer struct {
	fields []string // a field * is any one, ... is all the rest
	check  func(got []string) error
	pushed int // how many pushes must have come before it
}

func newAsker(seed uint64) *asker {
	return &asker{
		Rand:      rand.New(rand.NewPCG(seed, 0)),
		passwords: map[string]string{"bob": "?", "carol": "?"},
		rooms:     []string{"lobby"},
		topics:    map[string]string{},
		in:        map[string]bool{},
		member:    map[string]map[string]bool{},
		said:      map[string][]*kept{},
		posted:    map[string]*kept{},
	}
}

func refused(kind string) answer { return answer{fields: []string{"error", "nonfatal", kind, "*"}} }

func says(fields ...string) answer { return answer{fields: fields} }

func pick[T any](a *asker, from ...T) T { return from[a.IntN(len(from))] }

// become changes who the session is: it is in no room then.
func (a *asker) become(user string, account bool) answer {
	a.user, a.account, a.in = user, account, map[string]bool{}
	return says("ok")
}

func (a *asker) isRoom(room string) bool { return slices.Contains(a.rooms, room) }

// aText makes a text, and says what is wrong with it.
func (a *asker) aText() (text, wrong string) {
	switch a.IntN(12) {
	case 0:
		return "", "syntax"
	case 1:
		return "\r\n", "syntax"
	case 2:
		return strings.Repeat("x", 4097), "request_too_long"
	case 3:
		return strings.Repeat(`,`, 2000), ""
	}
	return pick(a, "hi", "a,b", `c:\d`, "é\x00\n€", "error,fatal,x,y", "ok"), ""
}

func (a *asker) aRoom() string {
	return pick(a, "lobby", "lobby", "r0", "r1", "r2", "r3", "r4", "no room", "")
}

func (a *asker) aUser() string {
	return pick(a, "bob", "bob", "carol", "gail", "nobody", "no one", "", a.user)
}

// request is one kind of request: its fields, and its answer when a session of
// this need may use it, and the number of its arguments is right.
type request struct {
	needs  command.Need
	weight int
	make   func(*asker) ([]string, func() answer)
}

// next makes the next request, bare, and its answer.
func (a *asker) next() ([]string, func() answer) {
	total := 0
	for _, r := range requests {
		total += r.weight
	}
	at := a.IntN(total)
	for _, r := range requests {
		if at -= r.weight; at >= 0 {
			continue
		}
		fields, act := r.make(a)
		if a.IntN(25) == 0 && isBounded(fields[0]) {
			return append(fields, "1", "2", "3", "4", "5"), func() answer { return refused("syntax") }
		}
		return fields, func() answer {
			switch {
			case r.needs >= command.Named && a.user == "":
				return refused("not_logged_in")
			case r.needs == command.Account && !a.account:
				return refused("forbidden")
			}
			return act()
		}
	}
	panic("no request")
}

// isBounded tells whether a command may be given too many arguments.
func isBounded(name string) bool {
	return slices.ContainsFunc(command.NewTable().Rows(), func(c *command.Command) bool { return c.Name == name && c.Most >= 0 })
}

// requests are all kinds.
var requests = []request{
	{command.Anybody, 4, func(a *asker) ([]string, func() answer) { return []string{"nop"}, func() answer { return says() } }},
	{command.Named, 6, func(a *asker) ([]string, func() answer) {
		return []string{"whoami"}, func() answer { return says("user", a.user) }
	}},
	{command.Anybody, 3, (*asker).help},
	{command.Anybody, 3, (*asker).users},
	{command.Anybody, 3, (*asker).listRooms},
	{command.Named, 3, (*asker).copies},
	{command.Anybody, 4, (*asker).register},
	{command.Anybody, 8, (*asker).login},
	{command.Account, 3, (*asker).passwd},
	{command.Anybody, 4, (*asker).guest},
	{command.Named, 1, func(a *asker) ([]string, func() answer) {
		return []string{"logout"}, func() answer { return a.become("", false) }
	}},
	{command.Named, 4, (*asker).newRoom},
	{command.Named, 6, (*asker).join},
	{command.Named, 4, (*asker).leave},
	{command.Named, 6, (*asker).topic},
	{command.Named, 4, (*asker).members},
	{command.Account, 3, (*asker).myRooms},
	{command.Named, 6, (*asker).history},
	{command.Named, 25, (*asker).say},
	{command.Named, 15, (*asker).tell},
	{command.Named, 12, (*asker).send},
	{command.Named, 15, (*asker).post},
	{command.Anybody, 3, func(a *asker) ([]string, func() answer) {
		return []string{pick(a, "frobnicate", "NOP", "whoami ", "", "say\n")}, func() answer { return refused("command_not_found") }
	}},
}

func (a *asker) help() ([]string, func() answer) {
	switch a.IntN(3) {
	case 0:
		return []string{"help", "say"}, func() answer { return says("help", "say,room,text: *") }
	case 1:
		return []string{"help", "frobnicate"}, func() answer { return refused("command_not_found") }
	}
	return []string{"help"}, func() answer {
		fields := []string{"help"}
		for _, c := range command.NewTable().Rows() {
			if c.Needs == command.Anybody || a.user != "" && (c.Needs == command.Named || a.account) {
				fields = append(fields, c.Usage()+": "+c.Help)
			}
		}
		return says(fields...)
	}
}

func (a *asker) users() ([]string, func() answer) {
	return []string{"users"}, func() answer {
		online := []string{"bob", "gail"}
		if a.user != "" {
			online = append(online, a.user)
		}
		slices.Sort(online)
		return says(append([]string{"users"}, online...)...)
	}
}

func (a *asker) listRooms() ([]string, func() answer) {
	return []string{"rooms"}, func() answer {
		return says(append([]string{"rooms"}, slices.Sorted(slices.Values(a.rooms))...)...)
	}
}

func (a *asker) copies() ([]string, func() answer) {
	if a.IntN(2) == 0 {
		return []string{"copies", "maybe"}, func() answer { return refused("syntax") }
	}
	return []string{"copies", "off"}, func() answer { return says("ok") }
}

func (a *asker) register() ([]string, func() answer) {
	name, password := pick(a, "nora", "nils", "nele", "bob", "gail", "x", "no name", "server"), pick(a, "secret", "", strings.Repeat("x", 1025))
	return []string{"register", name, password}, func() answer {
		_, taken := a.passwords[name]
		switch {
		case name == "x":
			return refused("name_too_short")
		case name == "no name", name == "server":
			return refused("invalid_name")
		case password != "secret":
			return refused("syntax")
		case taken, name == "gail":
			return refused("name_taken")
		}
		a.passwords[name] = password
		return says("ok")
	}
}

func (a *asker) login() ([]string, func() answer) {
	name, password := pick(a, "nora", "nora", "nils", "nele", "gail", "nobody", "no name"), pick(a, "secret", "secret", "other", "other", "wrong", "")
	return []string{"login", name, password}, func() answer {
		if known, ok := a.passwords[name]; !ok || known != password {
			return refused("wrong_user_or_password")
		}
		return a.become(name, true)
	}
}

func (a *asker) passwd() ([]string, func() answer) {
	old, password := pick(a, "secret", "other", "wrong"), pick(a, "secret", "other", "")
	return []string{"passwd", old, password}, func() answer {
		switch {
		case password == "":
			return refused("syntax")
		case old != a.passwords[a.user]:
			return refused("wrong_user_or_password")
		}
		a.passwords[a.user] = password
		return says("ok")
	}
}

func (a *asker) guest() ([]string, func() answer) {
	name := pick(a, "g", "gus", "gail", "carol", "no name", "parley")
	return []string{"guest", name}, func() answer {
		switch name {
		case "gail", "carol":
			return refused("name_taken")
		case "no name", "parley":
			return refused("invalid_name")
		case a.user: // it has this name already
			return says("ok")
		}
		return a.become(name, false)
	}
}

func (a *asker) newRoom() ([]string, func() answer) {
	room := a.aRoom()
	return []string{"new", room}, func() answer {
		switch {
		case room == "no room", room == "":
			return refused("invalid_name")
		case a.isRoom(room):
			return refused("room_exists")
		}
		a.rooms = append(a.rooms, room)
		return says("ok")
	}
}

// inRoom makes a request about a room, and its answer if that is there.
func (a *asker) inRoom(fields []string, act func(room string) answer) ([]string, func() answer) {
	return fields, func() answer {
		if !a.isRoom(fields[1]) {
			return refused("room_not_found")
		}
		return act(fields[1])
	}
}

func (a *asker) join() ([]string, func() answer) {
	return a.inRoom([]string{"join", a.aRoom()}, func(room string) answer {
		a.in[room] = true
		if a.account {
			if a.member[a.user] == nil {
				a.member[a.user] = map[string]bool{}
			}
			a.member[a.user][room] = true
		}
		return says("ok")
	})
}

func (a *asker) leave() ([]string, func() answer) {
	return a.inRoom([]string{"leave", a.aRoom()}, func(room string) answer {
		if !a.in[room] && !(a.account && a.member[a.user][room]) {
			return refused("not_a_member")
		}
		delete(a.in, room)
		if a.account {
			delete(a.member[a.user], room)
		}
		return says("ok")
	})
}

func (a *asker) topic() ([]string, func() answer) {
	if a.IntN(2) == 0 {
		return a.inRoom([]string{"topic", a.aRoom()}, func(room string) answer { return says("topic", a.topics[room]) })
	}
	text := pick(a, "", "a,b", `\`, strings.Repeat("x", 390), strings.Repeat("x", 391))
	return a.inRoom([]string{"topic", a.aRoom(), text}, func(room string) answer {
		switch {
		case len(text) > 390:
			return refused("request_too_long")
		case !a.in[room]:
			return refused("not_a_member")
		}
		a.topics[room] = text
		return says("ok")
	})
}

func (a *asker) members() ([]string, func() answer) {
	return a.inRoom([]string{"members", a.aRoom()}, func(room string) answer {
		fields := []string{}
		if room == "lobby" {
			fields = append(fields, "bob")
		}
		if a.in[room] {
			fields = append(fields, a.user)
		}
		slices.Sort(fields)
		return says(append([]string{"members"}, fields...)...)
	})
}

func (a *asker) myRooms() ([]string, func() answer) {
	return []string{"myrooms"}, func() answer {
		return says(append([]string{"myrooms"}, slices.Sorted(maps.Keys(a.member[a.user]))...)...)
	}
}

func (a *asker) history() ([]string, func() answer) {
	limit := 1 + a.IntN(5)
	return a.inRoom([]string{"history", a.aRoom(), "", "", fmt.Sprint(limit)}, func(room string) answer {
		said := a.said[room]
		said = said[max(0, len(said)-limit):]
		return answer{fields: []string{"history", "..."}, check: func(got []string) error {
			want := []string{"history"}
			for _, m := range said {
				want = append(want, m.id, m.time, m.user, m.text)
			}
			if !slices.Equal(got, want) {
				return fmt.Errorf("want %q", want)
			}
			return nil
		}}
	})
}

// keep is the answer to a message that is kept.
func (a *asker) keep(m *kept) answer {
	before := a.said[m.conversation]
	a.said[m.conversation] = append(before, m)
	return answer{fields: []string{"ok", "*", "*"}, check: func(got []string) error {
		if m.id, m.time = got[1], got[2]; len(before) > 0 {
			if last := before[len(before)-1]; last.id >= m.id || last.time > m.time {
				return fmt.Errorf("the message before it has %s, %s", last.id, last.time)
			}
		} else if m.id == "" {
			return errors.New("it has no id")
		}
		return nil
	}}
}

func (a *asker) sayIn(room, text, wrong string) answer {
	switch {
	case wrong != "":
		return refused(wrong)
	case !a.isRoom(room):
		return refused("room_not_found")
	}
	return a.keep(&kept{conversation: room, user: a.user, text: text})
}

func (a *asker) say() ([]string, func() answer) {
	room := a.aRoom()
	text, wrong := a.aText()
	return []string{"say", room, text}, func() answer { return a.sayIn(room, text, wrong) }
}

// tellTo is the answer to a private message, and what it pushes to its sender.
func (a *asker) tellTo(user, text, wrong string) answer {
	_, account := a.passwords[user]
	online := user == "bob" || user == "gail" || user == a.user
	switch {
	case wrong != "":
		return refused(wrong)
	case !account && !online || user == "":
		return refused("user_not_found")
	case !online && !a.account:
		return refused("user_offline")
	}
	if user == a.user {
		a.pushes = append(a.pushes, []string{"send", a.user, "text", text})
	}
	if account && a.account {
		return a.keep(&kept{conversation: strings.Join(slices.Sorted(slices.Values([]string{user, a.user})), "@"), user: a.user, text: text})
	}
	return says("ok", "", "*")
}

func (a *asker) tell() ([]string, func() answer) {
	user := a.aUser()
	text, wrong := a.aText()
	return []string{"tell", user, text}, func() answer { return a.tellTo(user, text, wrong) }
}

func (a *asker) send() ([]string, func() answer) {
	user := a.aUser()
	if a.IntN(2) == 0 {
		text, wrong := a.aText()
		return []string{"send", user, "text", text}, func() answer {
			if told := a.tellTo(user, text, wrong); told.fields[0] != "ok" {
				return told
			}
			return says("ok") // without its id
		}
	}
	called := pick(a, "dice", "dice", "text", "")
	return []string{"send", user, called, "1", "a,b"}, func() answer {
		_, account := a.passwords[user]
		online := user == "bob" || user == "gail" || user == a.user
		switch {
		case called == "":
			return refused("syntax")
		case !account && !online || user == "":
			return refused("user_not_found")
		case !online:
			return refused("user_offline")
		}
		if user == a.user {
			a.pushes = append(a.pushes, []string{"send", a.user, called, "1", "a,b"})
		}
		return says("ok")
	}
}
