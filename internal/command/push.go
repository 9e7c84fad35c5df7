package command

import (
	"strconv"

	"github.com/parley-chat/parley"
)

// pushes lists the words that a push begins with.
var pushes = [...]string{"send", "told", "room", "joined", "left", "topic", "deleted", "call"}

// Push gives the fields by which a client is told of an event; none means that
// it is not told. With copies, private messages come as "told", with their id
// and time, and the copies of what the user's other sessions tell come too.
func Push(e parley.Event, copies bool) []string {
	switch e := e.(type) {
	case parley.Said:
		return []string{"room", e.Room.String(), e.SenderName, e.ID(), parley.FormatTime(e.Time), e.Text}
	case parley.Told:
		if copies {
			return told(e.To, &e.Message)
		}
		return []string{"send", e.SenderName, "text", e.Text}
	case parley.ToldCopy:
		if copies {
			return told(e.To, &e.Message)
		}
		return nil
	case parley.Sent:
		return append([]string{"send", e.From.String(), e.Command}, e.Args...)
	case parley.Called:
		return append([]string{"call", strconv.FormatUint(e.Number, 10), e.Command, e.Caller.String()}, e.Args...)
	case parley.Joined:
		return []string{"joined", e.Room.String(), e.User.String()}
	case parley.Left:
		if e.Reason == "" {
			return []string{"left", e.Room.String(), e.User.String()}
		}
		return []string{"left", e.Room.String(), e.User.String(), e.Reason}
	case parley.TopicSet:
		return []string{"topic", e.Room.String(), e.SenderName, e.Text}
	case parley.RoomDeleted:
		return []string{"deleted", e.Room.String(), e.User.String()}
	case parley.Closing:
		return ErrorFields("fatal", e.Why)
	}
	panic("an event that the text protocol does not know")
}

func told(to parley.Name, m *parley.Message) []string {
	return []string{"told", m.SenderName, to.String(), m.ID(), parley.FormatTime(m.Time), m.Text}
}
