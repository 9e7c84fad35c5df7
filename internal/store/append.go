package store

import (
	"fmt"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
)

// forgetPerID is how many expired client ids a transaction forgets for each one
// that it remembers: more than one, so that the table shrinks.
const forgetPerID = 2

// Append keeps a message. Refusals: CodeRoomNotFound (or no such conversation),
// CodeUserNotFound (one of a pair is no account), CodeSyntax (a client id that
// stands for something else). A client id of a sender that is no account is
// ignored: nobody could say it again after a restart.
func (t *tx) Append(r *hub.Record) (repeated bool, err error) {
	if err := t.usable(); err != nil {
		return false, err
	}
	conversation, h, err := t.destination(r)
	if err != nil {
		return false, err
	}
	var topic *roomRow // of the room whose topic the message sets
	if r.Kind == parley.KindTopic && h.room {
		if topic, err = t.room(conversation); err != nil {
			return false, err
		}
	}
	withID := r.ClientID != "" && r.Sender > 0
	if withID {
		if repeated, err := t.repeats(r, conversation); err != nil || repeated {
			return repeated, err
		}
	}
	if conversation == 0 {
		if conversation, err = t.newPair(pairOf(r.Sender, r.To)); err != nil {
			return false, err
		}
	}
	m := *r.Message
	m.Conversation = conversation
	m.Seq = h.seq + 1
	m.Time = time.UnixMilli(max(t.s.now(), h.time)).UTC()
	if err := t.insert(&m, topic); err != nil {
		return false, err
	}
	if withID {
		if err := t.rememberClientID(r.ClientID, &m); err != nil {
			return false, err
		}
	}
	h.seq, h.time = m.Seq, m.Time.UnixMilli()
	t.heads[conversation] = h
	t.appended++
	*r.Message = m
	return false, nil
}

// insert writes the row of a message, and the topic that it may be.
func (t *tx) insert(m *parley.Message, topic *roomRow) error {
	_, err := t.exec("append", insertMessage, int64(m.Conversation), m.Seq, int64(m.Kind), int64(m.Sender),
		m.SenderName, m.Time.UnixMilli(), m.Text, m.Ref, t.w.sum.message(m))
	if err != nil || topic == nil {
		return err
	}
	topic.Topic = m.Text
	_, err = t.exec("set topic", updateTopic, m.Text, t.w.sum.room(topic), int64(topic.ID))
	return err
}

// room reads the row of a room that has a conversation.
func (t *tx) room(id parley.ConversationID) (row *roomRow, err error) {
	found, err := t.one("find room", roomByID, func(s scanner) (err error) {
		row, err = scanRoom(s)
		return err
	}, int64(id))
	if err == nil && !found {
		err = t.damaged(fmt.Errorf("room %d has a conversation and no row: %w", id, ErrDamaged))
	}
	return row, err
}

// destination finds where a message goes: 0 and an empty head when it is the
// first one of a pair.
func (t *tx) destination(r *hub.Record) (parley.ConversationID, head, error) {
	id := r.Conversation
	if id == 0 {
		var err error
		if id, err = t.pair(pairOf(r.Sender, r.To)); err != nil || id == 0 {
			return 0, head{}, err
		}
	}
	h, found, err := t.head(id)
	if err == nil && !found {
		err = errNoRoom()
	}
	return id, h, err
}

// head gives the end of a conversation, as this transaction sees it.
func (t *tx) head(id parley.ConversationID) (h head, found bool, err error) {
	if t.gone[id] {
		return head{}, false, nil
	}
	if h, found = t.heads[id]; found {
		return h, true, nil
	}
	if h, found = t.w.heads[id]; found {
		return h, true, nil
	}
	return t.readHead(id)
}

// readHead reads the end of a conversation from the database.
func (t *tx) readHead(id parley.ConversationID) (h head, found bool, err error) {
	var last, at int64 // of the last message
	found, err = t.one("find conversation", conversationHead, into(&h.seq, &h.time, &h.room, &last, &at), int64(id))
	if err != nil || !found {
		return head{}, false, err
	}
	if last != h.seq || at != h.time {
		// Going on would use a number twice, or date messages wrongly.
		return head{}, false, t.damaged(fmt.Errorf("conversation %d ends at message %d, not at %d: %w", id, last, h.seq, ErrDamaged))
	}
	remember(t.w.heads, id, h) // committed, or it would be in t.heads
	return h, true, nil
}

// pair finds the conversation of two accounts, or 0 if they have none.
func (t *tx) pair(p pair) (parley.ConversationID, error) {
	if id, ok := t.pairs[p]; ok {
		return id, nil
	}
	if id, ok := t.w.pairs[p]; ok {
		return id, nil
	}
	var id parley.ConversationID
	found, err := t.one("find pair", pairConversation, into(&id), int64(p.low), int64(p.high))
	if err != nil {
		return 0, err
	}
	if found {
		remember(t.w.pairs, p, id) // committed, or it would be in t.pairs
		return id, nil
	}
	for _, user := range []parley.UserID{p.low, p.high} {
		if found, err := t.exists("find account", userExists, int64(user)); err != nil {
			return 0, err
		} else if !found {
			return 0, errNoUser()
		}
	}
	return 0, nil
}

// newPair makes the conversation of two accounts that pair looked for.
func (t *tx) newPair(p pair) (parley.ConversationID, error) {
	id, err := t.newConversation(insertPairConversation, int64(p.low), int64(p.high))
	if err != nil {
		return 0, err
	}
	t.pairs[p] = id
	return id, nil
}

// repeats tells whether the sender used the client id before, for the same
// message: then it fills in what that one became.
func (t *tx) repeats(r *hub.Record, conversation parley.ConversationID) (bool, error) {
	var first parley.Message
	var created int64
	found, err := t.one("find client id", clientID, into(&first.Conversation, &first.Seq, &created), int64(r.Sender), r.ClientID)
	if err != nil || !found || created < t.s.oldestClientID() {
		return false, err
	}
	found, err = t.one("find repeated message", oneMessage, func(s scanner) error {
		return scanMessage(s, &first, &t.w.sum)
	}, int64(first.Conversation), first.Seq)
	if err != nil {
		return false, err
	}
	if !found {
		return false, t.damaged(fmt.Errorf("message %d of conversation %d is missing: %w", first.Seq, first.Conversation, ErrDamaged))
	}
	if first.Conversation != conversation || first.Text != r.Text || first.Kind != r.Kind || first.Ref != r.Ref {
		return false, parley.Errorf(parley.CodeSyntax, "this client id was used for another message")
	}
	r.Conversation, r.Seq, r.Time = first.Conversation, first.Seq, first.Time
	return true, nil
}

// rememberClientID keeps which message a client id became.
func (t *tx) rememberClientID(id string, m *parley.Message) error {
	_, err := t.exec("remember client id", rememberClientID, int64(m.Sender), id, int64(m.Conversation), m.Seq, t.s.now())
	t.clientIDs++
	return err
}

// forgetClientIDs removes a few expired ones: each transaction that adds some
// pays for removing some.
func (t *tx) forgetClientIDs() error {
	if t.clientIDs == 0 {
		return nil
	}
	_, err := t.exec("forget client ids", forgetClientIDs, t.s.oldestClientID(), int64(forgetPerID*t.clientIDs))
	return err
}
