package linedoor

import "github.com/parley-chat/parley/wire/linewire"

// kill ends the server, if its operator allows that ("Shutting Down Test
// Server"). Every connection is closed then, this one too.
func kill(l *line) []byte {
	if err := l.door.kill(l.session, l.conn.Remote()); err != nil {
		return linewire.AppendError(nil, "kill is not permitted", l.conn.Limits().Line)
	}
	return nil
}
