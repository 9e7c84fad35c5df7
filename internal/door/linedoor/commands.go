package linedoor

import (
	"context"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
	"github.com/parley-chat/parley/wire/linewire"
)

// command is one row of the table. One of now, work and post does the work.
type command struct {
	word  string
	alone bool // with anything behind it, it is another message
	// now answers at once and must not wait.
	now func(l *line) []byte
	// work may wait for the disk.
	work func(ctx context.Context, l *line, rest string) ([]byte, error)
	// post makes drafts for the journal; answer is called for each receipt.
	post func(l *line, rest string) (drafts []hub.Draft, answer func(hub.Receipt) []byte, err error)
}

// commands are the messages that ask for something; all others are "Verified".
var commands = []command{
	{word: "new", work: newRooms},
	{word: "rooms", alone: true, work: rooms},
	{word: "join", work: join},
	{word: "leave", work: leave},
	{word: "members", work: members},
	{word: "send", post: send},
	{word: "tell", post: tell},
	{word: "clients", alone: true, work: clients},
	{word: "exit", alone: true, now: exit},
	{word: "kill", alone: true, now: kill},
}

// outcomes is the protocol's table of errors: what a list says of a room that
// the server could not do as asked.
var outcomes = map[parley.Code]string{
	parley.CodeUnhandled:           "error on the server",
	parley.CodeRequestTooLong:      "too long",
	parley.CodeTimeout:             "took too long",
	parley.CodeCommandNotFound:     "not possible",
	parley.CodeSyntax:              "not understood",
	parley.CodeNameTooShort:        "name too short",
	parley.CodeInvalidName:         "invalid name",
	parley.CodeWrongUserOrPassword: "wrong password",
	parley.CodeNotLoggedIn:         "no name yet",
	parley.CodeNameTaken:           "name taken",
	parley.CodeWeakPassword:        "weak password",
	parley.CodeUserNotFound:        "no such user",
	parley.CodeUserOffline:         "offline",
	parley.CodeRoomNotFound:        "no such room",
	parley.CodeRoomExists:          "name already in use and active",
	parley.CodeNotAMember:          "not a member",
	parley.CodeForbidden:           "not permitted",
	parley.CodeRateLimited:         "too fast, try again",
	parley.CodeTooMany:             "too many",
	parley.CodeUnavailable:         "not possible now, try again",
	parley.CodeSlowConsumer:        "reads too slowly",
}

// usage refuses a message that misses a part.
func usage(form string) *parley.Error {
	return parley.Errorf(parley.CodeSyntax, "something is missing; say %s", form)
}

// checkCount wants at least one name, and no more than a message may change.
func (l *line) checkCount(names []string, form string) error {
	most := l.conn.Limits().NamesPerLine
	switch {
	case len(names) == 0:
		return usage(form)
	case len(names) > most:
		return parley.Errorf(parley.CodeTooMany, "at most %d rooms in one message", most)
	}
	return nil
}

// distinct drops the names that name a room a second time.
func distinct(names []string) []string {
	if len(names) < 2 {
		return names
	}
	seen := map[string]bool{}
	var list []string
	for _, called := range names {
		key := called
		if name, err := parley.ParseRoomName(called); err == nil {
			key = name.Key()
		}
		if !seen[key] {
			seen[key] = true
			list = append(list, called)
		}
	}
	return list
}

// shown makes a name that a client said fit to be said back to it, in a list.
func shown(name string) string {
	const most = 200
	name = linewire.Clean(name)
	if runes := []rune(name); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return name
}

// list appends names behind a head word, or says that there are none.
func (l *line) list(head, none string, names []parley.Name) []byte {
	if len(names) == 0 {
		return linewire.AppendMessage(nil, none)
	}
	words := make([]string, len(names))
	for i, name := range names {
		words[i] = name.String()
	}
	return linewire.AppendList(nil, head, words, l.conn.Limits().Line)
}
