package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
)

// Rooms lists every room, in the order of their keys.
func (s *Store) Rooms(ctx context.Context) ([]hub.RoomRecord, error) {
	var rooms []hub.RoomRecord
	err := s.read(ctx, "list rooms", allRooms, func(row scanner) error {
		r, err := scanRoom(row)
		if err == nil {
			rooms = append(rooms, r.RoomRecord)
		}
		return err
	})
	return rooms, err
}

// Named finds the account that is called name, and then one that looks like it.
func (s *Store) Named(ctx context.Context, name parley.Name) ([]hub.Account, error) {
	if s.known.isFree(name) {
		return nil, nil
	}
	var accounts []hub.Account
	err := s.read(ctx, "find account", accountsNamed, func(row scanner) error {
		a, err := scanAccount(row)
		if err == nil {
			accounts = append(accounts, a.Account)
		}
		return err
	}, name.Key(), name.Skeleton(), name.FoldedSkeleton())
	return accounts, err
}

// RoomsOf lists rooms that user is a member of, behind the key after.
func (s *Store) RoomsOf(ctx context.Context, user parley.UserID, after string, limit int) ([]parley.Name, error) {
	if limit <= 0 {
		return nil, nil
	}
	var names []parley.Name
	err := s.read(ctx, "list rooms of account", roomsOfUser, func(row scanner) error {
		r, err := scanRoom(row)
		if err == nil {
			names = append(names, r.Name)
		}
		return err
	}, int64(user), after, limit)
	return names, err
}

// Pair finds the conversation of two accounts, in any order, or 0.
func (s *Store) Pair(ctx context.Context, a, b parley.UserID) (parley.ConversationID, error) {
	var id parley.ConversationID
	err := s.read(ctx, "find pair", pairOfUsers, func(row scanner) error {
		return row.Scan(&id)
	}, int64(min(a, b)), int64(max(a, b)))
	return id, err
}

// errEnough ends a reading early.
var errEnough = errors.New("enough rows were read")

// read runs a query of the readers and calls scan for each row, until that
// gives an error; errEnough is none.
func (s *Store) read(ctx context.Context, doing string, q query, scan func(scanner) error, values ...any) error {
	rows, err := s.readers[q].QueryContext(ctx, values...)
	if err == nil {
		err = each(rows, scan)
	}
	switch {
	case err == nil, errors.Is(err, errEnough):
		return nil
	case errors.Is(err, ErrDamaged):
		s.logDamage(err)
	case errors.Is(err, sql.ErrConnDone) || s.isClosed():
		return errClosed
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return fault(doing, err)
}
