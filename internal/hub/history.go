package hub

import (
	"context"
	"strings"

	"github.com/parley-chat/parley"
)

// Page says which part of a conversation's history is wanted.
type Page struct {
	Before, After string // ids of messages; empty: no bound
	Forward       bool   // the first ones instead of the latest
	Limit         int    // messages; 0: the usual number
}

// History reads the messages of a room, or of the session's user with another
// one ("@name"), oldest first. Any named session may read a room.
// CodeRoomNotFound, CodeUserNotFound, CodeSyntax for an id of elsewhere.
func (s *Session) History(ctx context.Context, of string, page Page) ([]parley.Message, error) {
	u, err := s.named()
	if err != nil {
		return nil, err
	}
	conversation, err := s.conversation(ctx, u, of)
	if err != nil {
		return nil, err
	}
	limits := s.hub.limits
	q := HistoryQuery{Conversation: conversation, Kind: parley.KindMessage, Forward: page.Forward, Limit: page.Limit}
	if q.Limit == 0 {
		q.Limit = limits.HistoryUsual
	}
	q.Limit = max(1, min(q.Limit, limits.History))
	if q.Before, err = seqOf(conversation, page.Before); err != nil {
		return nil, err
	}
	if q.After, err = seqOf(conversation, page.After); err != nil {
		return nil, err
	}
	if conversation == 0 {
		return nil, nil // these two have not spoken yet
	}
	return s.hub.store.History(ctx, q)
}

// conversation finds what a client calls a conversation: a room or @user. It is
// 0 for two users who have none.
func (s *Session) conversation(ctx context.Context, u *user, of string) (parley.ConversationID, error) {
	called, private := strings.CutPrefix(of, "@")
	if !private {
		r, err := s.visible(of)
		if err != nil {
			return 0, err
		}
		return r.id, nil
	}
	peer, name := s.hub.online(called)
	if peer != nil && !peer.IsAccount() {
		return 0, nil // nothing with a guest is ever kept
	}
	var id parley.UserID
	if peer != nil {
		id = peer.ID
	} else {
		a, found, err := s.hub.lookUp(ctx, name)
		switch {
		case err != nil:
			return 0, err
		case !found:
			return 0, errNoUser(called)
		}
		id = a.ID
	}
	if !u.IsAccount() {
		return 0, nil
	}
	return s.hub.store.Pair(ctx, u.ID, id)
}

// lookUp is account for a name that may be zero: nobody has that.
func (h *Hub) lookUp(ctx context.Context, name parley.Name) (Account, bool, error) {
	if name.IsZero() {
		return Account{}, false, nil
	}
	return h.account(ctx, name)
}

func seqOf(conversation parley.ConversationID, id string) (int64, error) {
	if id == "" {
		return 0, nil
	}
	of, seq, err := parley.ParseID(id)
	if err != nil {
		return 0, err
	}
	if of != conversation {
		return 0, parley.Errorf(parley.CodeSyntax, "this id is of another conversation")
	}
	return seq, nil
}
