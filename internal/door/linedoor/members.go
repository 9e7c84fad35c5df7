package linedoor

import (
	"context"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/wire/linewire"
)

// members lists who is in one room ("Displaying members in a room").
func members(_ context.Context, l *line, rest string) ([]byte, error) {
	parts := linewire.Parts(rest)
	switch {
	case len(parts) == 0:
		return nil, usage("members room")
	case len(parts) > 1:
		return nil, parley.Errorf(parley.CodeSyntax, "the members of one room at a time; say members room")
	}
	names, err := l.session.Members(parts[0], "")
	if err != nil {
		return nil, err
	}
	return l.list("Members "+parts[0], "No members in "+parts[0], names), nil
}
