package linedoor

import (
	"context"

	"github.com/parley-chat/parley/internal/hub"
	"github.com/parley-chat/parley/wire/linewire"
)

// leave leaves the valid ones of several rooms ("Leaving a room").
func leave(ctx context.Context, l *line, rest string) ([]byte, error) {
	parts := linewire.Parts(rest)
	if err := l.checkCount(parts, "leave room, with one name or several"); err != nil {
		return nil, err
	}
	results, err := l.session.Leave(ctx, parts...)
	if err != nil {
		return nil, err
	}
	list, err := statuses(results, func(hub.Outcome) bool { return true })
	if err != nil {
		return nil, err
	}
	return linewire.AppendList(nil, linewire.Left, list, l.conn.Limits().Line), nil
}
