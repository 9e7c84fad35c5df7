package command

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
	"github.com/parley-chat/parley/wire/textwire"
)

var history = &Command{
	Name:  "history",
	Args:  "room or @user,[before or after],[id],[limit]",
	Least: 1,
	Most:  4,
	Needs: Named,
	Help:  "reads the messages of a room, or with a user, oldest first",
	Work: func(ctx context.Context, r *Request) ([]string, error) {
		page, err := r.historyPage()
		if err != nil {
			return nil, err
		}
		messages, err := r.Session.History(ctx, r.Args[0], page)
		if err != nil {
			return nil, err
		}
		return r.historyValues(messages, page.Forward)
	},
}

// historyPage reads the arguments behind the conversation: a direction and an
// id, and a limit, each of which may be missing or empty.
func (r *Request) historyPage() (page hub.Page, err error) {
	id := r.arg(2)
	switch direction := r.arg(1); {
	case direction == "" && id == "":
	case direction == "before":
		page.Before = id
	case direction == "after":
		page.After, page.Forward = id, true
	default:
		return page, parley.Errorf(parley.CodeSyntax, "say before or after, and the id of a message")
	}
	if limit := r.arg(3); limit != "" {
		n, err := strconv.ParseUint(limit, 10, 64)
		if errors.Is(err, strconv.ErrRange) {
			err = nil // more than any limit, and n is the most there is
		}
		if err != nil || n == 0 {
			return page, parley.Errorf(parley.CodeSyntax, "a limit is a number from 1 to %d", r.Limits.History)
		}
		page.Limit = int(min(n, uint64(r.Limits.History)))
	}
	return page, nil
}

// historyValues shows as many messages as one answer holds: the latest ones,
// or the first ones when reading forward.
func (r *Request) historyValues(messages []parley.Message, forward bool) ([]string, error) {
	if !forward {
		slices.Reverse(messages)
	}
	size, fit := len("history"), 0
	for i := range messages {
		if size += 1 + textwire.Size(historyValue(&messages[i])...); size > r.pageBytes() {
			break
		}
		fit++
	}
	if fit == 0 && len(messages) > 0 {
		return nil, errNothingFits
	}
	messages = messages[:fit]
	if !forward {
		slices.Reverse(messages)
	}
	values := []string{"history"}
	for i := range messages {
		values = append(values, historyValue(&messages[i])...)
	}
	return values, nil
}

func historyValue(m *parley.Message) []string {
	return []string{m.ID(), parley.FormatTime(m.Time), m.SenderName, m.Text}
}
