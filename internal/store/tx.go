package store

import (
	"context"
	"database/sql/driver"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
)

// A tx is one transaction of the writer. It is used by one goroutine, inside
// Commit. Every method checks before it changes anything, so that a refusal
// leaves the transaction as it was.
type tx struct {
	s   *Store
	w   *writer
	ctx context.Context // kept, because the methods of hub.Tx have none; cannot be cancelled

	// The overlay over what the writer remembers: nothing of it is there
	// before the transaction is committed.
	heads map[parley.ConversationID]head // made or changed here
	pairs map[pair]parley.ConversationID // made here
	gone  map[parley.ConversationID]bool // deleted here

	appended  int // messages
	clientIDs int // remembered here

	fault error // the first error that was no refusal
	over  bool
}

// CreateAccount keeps a new account and sets its ID.
func (t *tx) CreateAccount(a *hub.Account) error {
	row := accountRow{Account: *a, key: a.Name.Key(), name: a.Name.String(), skeleton: a.Name.Skeleton(), folded: a.Name.FoldedSkeleton(), created: t.s.now()}
	if taken, err := t.exists("find account", userByKey, row.key); err != nil {
		return err
	} else if taken {
		return parley.Errorf(parley.CodeNameTaken, "this name is registered already")
	}
	if taken, err := t.exists("find account", userBySkeleton, row.skeleton, row.folded); err != nil {
		return err
	} else if taken {
		return parley.Errorf(parley.CodeInvalidName, "this name looks like one that is registered")
	}
	t.s.known.add(&row)
	result, err := t.exec("create account", insertUser, row.key, row.name, row.skeleton, row.folded, row.Hash, row.created, int64(0))
	if err != nil {
		return err
	}
	id, err := result.LastInsertId()
	if err != nil {
		return t.fail("create account", err)
	}
	row.ID = parley.UserID(id)
	// The checksum covers the number, which the insertion gave.
	if _, err := t.exec("create account", updatePassword, row.Hash, t.w.sum.account(&row), id); err != nil {
		return err
	}
	a.ID = row.ID
	return nil
}

// SetPassword replaces the hash of an account's password. CodeUserNotFound.
func (t *tx) SetPassword(user parley.UserID, hash string) error {
	var row *accountRow
	found, err := t.one("find account", userByID, func(s scanner) (err error) {
		row, err = scanAccount(s)
		return err
	}, int64(user))
	if err != nil {
		return err
	}
	if !found {
		return errNoUser()
	}
	row.Hash = hash
	_, err = t.exec("set password", updatePassword, hash, t.w.sum.account(row), int64(user))
	return err
}

// CreateRoom keeps a new room and sets its ID.
func (t *tx) CreateRoom(r *hub.RoomRecord) error {
	row := roomRow{RoomRecord: *r, key: r.Name.Key(), name: r.Name.String(), created: t.s.now()}
	if taken, err := t.exists("find room", roomByKey, row.key); err != nil {
		return err
	} else if taken {
		return parley.Errorf(parley.CodeRoomExists, "this room exists already")
	}
	id, err := t.newConversation(insertRoomConversation)
	if err != nil {
		return err
	}
	row.ID = id
	_, err = t.exec("create room", insertRoom, int64(id), row.key, row.name, bit(row.Open), bit(row.Guest),
		int64(row.Creator), row.created, row.Topic, t.w.sum.room(&row))
	if err != nil {
		return err
	}
	t.heads[id] = head{room: true}
	r.ID = id
	return nil
}

// newConversation makes a conversation without messages.
func (t *tx) newConversation(q query, values ...driver.Value) (parley.ConversationID, error) {
	result, err := t.exec("create conversation", q, values...)
	if err != nil {
		return 0, err
	}
	id, err := result.LastInsertId()
	if err != nil {
		return 0, t.fail("create conversation", err)
	}
	return parley.ConversationID(id), nil
}

// DeleteRoom removes a room with its messages and their client ids, unless it
// has members. CodeRoomNotFound. It takes time in proportion to the messages.
func (t *tx) DeleteRoom(room parley.ConversationID) (bool, error) {
	id := int64(room)
	if found, err := t.exists("find room", roomExists, id); err != nil {
		return false, err
	} else if !found {
		return false, errNoRoom()
	}
	if occupied, err := t.exists("find member", roomHasMember, id); err != nil || occupied {
		return false, err
	}
	steps := []struct {
		query  query
		values []driver.Value
	}{
		{deleteClientIDsOf, []driver.Value{id, id}},
		{deleteMessages, []driver.Value{id}},
		{deleteRoom, []driver.Value{id}},
		{deleteConversation, []driver.Value{id}},
	}
	for _, step := range steps {
		if _, err := t.exec("delete room", step.query, step.values...); err != nil {
			return false, err
		}
	}
	delete(t.heads, room)
	t.gone[room] = true
	return true, nil
}

// SetMember makes an account a member of a room, or ends that. To begin needs
// both: CodeUserNotFound, CodeRoomNotFound. To end changes nothing without them.
func (t *tx) SetMember(room parley.ConversationID, user parley.UserID, member bool) (bool, error) {
	if !member {
		result, err := t.exec("end membership", deleteMember, int64(user), int64(room))
		if err != nil {
			return false, err
		}
		n, err := result.RowsAffected()
		return n > 0, err
	}
	if found, err := t.exists("find room", roomExists, int64(room)); err != nil {
		return false, err
	} else if !found {
		return false, errNoRoom()
	}
	if found, err := t.exists("find account", userExists, int64(user)); err != nil {
		return false, err
	} else if !found {
		return false, errNoUser()
	}
	result, err := t.exec("begin membership", insertMember, int64(user), int64(room), t.s.now())
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n > 0, err
}

func errNoUser() error {
	return parley.Errorf(parley.CodeUserNotFound, "there is no account of this number")
}

func errNoRoom() error {
	return parley.Errorf(parley.CodeRoomNotFound, "this room does not exist")
}
