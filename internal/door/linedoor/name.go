package linedoor

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/parley-chat/parley/internal/door"
	"github.com/parley-chat/parley/wire/linewire"
)

// name takes the first message as the screen name ("User Names"). A password
// behind it proves a registered one.
func (l *line) name(m message) {
	if m.err != nil || !utf8.ValidString(m.text) {
		l.refuseName()
		return
	}
	l.nameBy = time.Time{} // it was said in time, however long we look at it
	l.setDeadline()
	name, password, proof := strings.Cut(m.text, " ")
	l.conn.Park(func(ctx context.Context) func() {
		var err error
		if proof {
			err = l.session.Login(ctx, name, password)
		} else {
			err = l.session.Guest(ctx, name)
		}
		if door.IsFault(err) {
			l.conn.Log().Error("a name could not be given", "err", err)
		}
		return func() {
			switch {
			case l.conn.Unknown(err):
			case err != nil:
				l.refuseName()
			default:
				l.welcome()
			}
		}
	})
}

func (l *line) welcome() {
	u, _ := l.session.User()
	l.conn.Answer(linewire.AppendMessage(nil, linewire.Welcome+" "+u.Name.String()+"; say rooms to see where people talk"))
}

// refuseName answers bare in chunk mode: the client of the seed compares the
// whole of what it reads.
func (l *line) refuseName() {
	answer := []byte(linewire.NameError)
	if l.mode == lineMode {
		answer = linewire.AppendMessage(nil, linewire.NameError)
	}
	l.conn.Answer(answer)
	l.conn.Close()
}
