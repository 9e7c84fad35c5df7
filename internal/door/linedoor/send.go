package linedoor

import (
	"github.com/parley-chat/parley/internal/hub"
	"github.com/parley-chat/parley/wire/linewire"
)

// send says a text in several rooms ("Sending a message to room"). The sender
// gets its own copy of each, once it is durable.
func send(l *line, rest string) ([]hub.Draft, func(hub.Receipt) []byte, error) {
	const form = "send room - text, with one room or several"
	parts, text, ok := linewire.CutMarker(rest)
	if !ok || text == "" {
		return nil, nil, usage(form)
	}
	names := distinct(parts)
	if err := l.checkCount(names, form); err != nil {
		return nil, nil, err
	}
	drafts := make([]hub.Draft, len(names))
	for i, name := range names {
		drafts[i] = hub.Draft{To: name, Text: text}
	}
	limit := l.conn.Limits().Line
	return drafts, func(r hub.Receipt) []byte {
		return linewire.AppendSays(nil, r.Message.SenderName, r.To.String(), text, limit)
	}, nil
}
