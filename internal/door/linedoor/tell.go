package linedoor

import (
	"github.com/parley-chat/parley/internal/hub"
	"github.com/parley-chat/parley/wire/linewire"
)

// tell says a text to one user ("Sending a message to another client").
func tell(l *line, rest string) ([]hub.Draft, func(hub.Receipt) []byte, error) {
	name, text := linewire.Cut(rest)
	if name == "" || text == "" {
		return nil, nil, usage("tell user text")
	}
	limit := l.conn.Limits().Line
	return []hub.Draft{{To: name, Private: true, Text: text}}, func(r hub.Receipt) []byte {
		return linewire.AppendTold(nil, r.To.String(), text, limit)
	}, nil
}
