package client

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/parley-chat/parley"
)

// A pushed is one row of the table of pushes.
type pushed struct {
	least, most int // fields, with the first; a most of 0 is as many as there are
	event       func(self string, f []string) parley.Event
}

// pushes are what the server tells (clause 1.7.1), but for calls.
var pushes = map[string]pushed{
	"room": {6, 6, func(_ string, f []string) parley.Event {
		return parley.Said{Room: name(f[1]), Message: message(f[3], f[4], f[2], f[5])}
	}},
	"joined": {3, 3, func(_ string, f []string) parley.Event {
		return parley.Joined{Room: name(f[1]), User: name(f[2])}
	}},
	"left": {3, 4, func(_ string, f []string) parley.Event {
		return parley.Left{Room: name(f[1]), User: name(f[2]), Reason: strings.Join(f[3:], "")}
	}},
	"topic": {4, 4, func(_ string, f []string) parley.Event {
		return parley.TopicSet{Room: name(f[1]), Message: parley.Message{Kind: parley.KindTopic, SenderName: f[2], Text: f[3]}}
	}},
	"deleted": {3, 3, func(_ string, f []string) parley.Event {
		return parley.RoomDeleted{Room: name(f[1]), User: name(f[2])}
	}},
	"send": {3, 0, func(self string, f []string) parley.Event {
		if f[2] == "text" && len(f) == 4 { // clause 1.3.18
			return parley.Told{To: name(self), Message: message("", "", f[1], f[3])}
		}
		return parley.Sent{From: name(f[1]), Command: f[2], Args: f[3:]}
	}},
	"told": {6, 6, func(self string, f []string) parley.Event {
		from, to, m := name(f[1]), name(f[2]), message(f[3], f[4], f[1], f[5])
		if from.Key() == name(self).Key() && from.Key() != to.Key() {
			return parley.ToldCopy{To: to, Message: m}
		}
		return parley.Told{To: to, Message: m}
	}},
}

// decodePush makes an event of a push to a user; nil when it is none that is known (1.7.3).
func decodePush(self string, fields []string) parley.Event {
	row, ok := pushes[fields[0]]
	if !ok || len(fields) < row.least || row.most > 0 && len(fields) > row.most {
		return nil
	}
	return row.event(self, fields)
}

// message makes a message of what the server tells of it. What it does not tell, and an
// id or a time that cannot be read, stays zero.
func message(id, at, sender, text string) parley.Message {
	m := parley.Message{Kind: parley.KindMessage, SenderName: sender, Text: text}
	if conversation, seq, err := parley.ParseID(id); err == nil {
		m.Conversation, m.Seq = conversation, seq
	}
	m.Time = moment(at)
	return m
}

// moment reads a time as servers write it; zero when it is none.
func moment(at string) time.Time {
	t, _ := time.Parse(time.RFC3339, at)
	return t
}

// name makes a Name of what the server calls somebody or a room. It is not refused when
// it is against our rule for names: the rule may have changed since it was given.
func name(shown string) parley.Name {
	for i := range len(shown) {
		if shown[i] >= utf8.RuneSelf {
			if n, err := parley.ParseRoomName(shown); err == nil {
				return n
			}
			break
		}
	}
	return parley.StoredName(shown, strings.ToLower(shown))
}

// names are those of a list.
func names(shown []string) []parley.Name {
	list := make([]parley.Name, len(shown))
	for i, s := range shown {
		list[i] = name(s)
	}
	return list
}
