package linedoor

import (
	"context"
	"errors"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/wire/linewire"
)

// newRooms creates the valid ones of several rooms ("Creating a Room").
func newRooms(ctx context.Context, l *line, rest string) ([]byte, error) {
	parts := linewire.Parts(rest)
	if len(parts) == 0 {
		return nil, usage("new room, with one name or several")
	}
	most := l.conn.Limits().NamesPerLine
	statuses := make([]string, 0, len(parts))
	for i, part := range parts {
		var err error
		if i < most {
			err = l.session.NewRoom(ctx, part)
		} else {
			err = parley.Errorf(parley.CodeTooMany, "at most %d rooms in one message", most)
		}
		status, err := statusOf(part, err)
		if err != nil {
			return nil, err
		}
		statuses = append(statuses, status)
	}
	return linewire.AppendList(nil, "Created", statuses, l.conn.Limits().Line), nil
}

// statusOf shows a room with what became of it. A fault is returned.
func statusOf(name string, err error) (string, error) {
	var refusal *parley.Error
	switch {
	case err == nil:
		return linewire.Status(shown(name), "ok"), nil
	case errors.As(err, &refusal):
		return linewire.Status(shown(name), outcomes[refusal.Code]), nil
	}
	return "", err
}
