package linedoor

import (
	"context"

	"github.com/parley-chat/parley/internal/hub"
	"github.com/parley-chat/parley/wire/linewire"
)

// join enters all of several rooms, or none ("Joining a room"). The word behind
// the head is a bare room name: the client of the seed reads it.
func join(ctx context.Context, l *line, rest string) ([]byte, error) {
	names := distinct(linewire.Parts(rest))
	if err := l.checkCount(names, "join room, with one name or several"); err != nil {
		return nil, err
	}
	results, err := l.session.Join(ctx, names...)
	if err != nil {
		return nil, err
	}
	refused, err := statuses(results, func(o hub.Outcome) bool { return o.Err != nil })
	if err != nil {
		return nil, err
	}
	if len(refused) > 0 {
		for _, o := range results {
			if o.Err == nil {
				refused = append(refused, linewire.Status(shown(o.Called), "not joined"))
			}
		}
		return linewire.AppendList(nil, linewire.Joined, refused, l.conn.Limits().Line), nil
	}
	all, _ := statuses(results, func(hub.Outcome) bool { return true })
	return linewire.AppendList(nil, linewire.Joined, all, l.conn.Limits().Line), nil
}

// statuses shows those of the outcomes that are wanted.
func statuses(results []hub.Outcome, wanted func(hub.Outcome) bool) ([]string, error) {
	var list []string
	for _, o := range results {
		if !wanted(o) {
			continue
		}
		status, err := statusOf(o.Called, o.Err)
		if err != nil {
			return nil, err
		}
		list = append(list, status)
	}
	return list, nil
}
