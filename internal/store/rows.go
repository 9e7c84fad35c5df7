package store

import (
	"database/sql"
	"fmt"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
)

// A scanner is a row of a result: *sql.Row or *sql.Rows.
type scanner interface{ Scan(into ...any) error }

// An accountRow is a row of users.
type accountRow struct {
	hub.Account
	key, name, skeleton, folded string
	created                     int64
}

// A roomRow is a row of rooms.
type roomRow struct {
	hub.RoomRecord
	key, name string
	created   int64
}

func scanAccount(row scanner) (*accountRow, error) {
	var a accountRow
	var sum checksum
	var crc int64
	if err := row.Scan(&a.ID, &a.key, &a.name, &a.skeleton, &a.folded, &a.Hash, &a.created, &crc); err != nil {
		return nil, err
	}
	if sum.account(&a) != crc {
		return nil, fmt.Errorf("account %d: %w", a.ID, ErrDamaged)
	}
	a.Name = parley.StoredName(a.name, a.key)
	return &a, nil
}

func scanRoom(row scanner) (*roomRow, error) {
	var r roomRow
	var sum checksum
	var crc int64
	if err := row.Scan(&r.ID, &r.key, &r.name, &r.Open, &r.Guest, &r.Creator, &r.created, &r.Topic, &crc); err != nil {
		return nil, err
	}
	if sum.room(&r) != crc {
		return nil, fmt.Errorf("room %d: %w", r.ID, ErrDamaged)
	}
	r.Name = parley.StoredName(r.name, r.key)
	return &r, nil
}

// scanMessage reads messageColumns, and what stands behind them.
func scanMessage(row scanner, m *parley.Message, sum *checksum, more ...any) error {
	var ms, crc int64
	columns := append([]any{&m.Conversation, &m.Seq, &m.Kind, &m.Sender, &m.SenderName, &ms, &m.Text, &m.Ref, &crc}, more...)
	if err := row.Scan(columns...); err != nil {
		return err
	}
	m.Time = time.UnixMilli(ms).UTC()
	if sum.message(m) != crc {
		return fmt.Errorf("message %d of conversation %d: %w", m.Seq, m.Conversation, ErrDamaged)
	}
	return nil
}

// each calls scan for every row and closes them.
func each(rows *sql.Rows, scan func(scanner) error) (err error) {
	defer func() {
		if e := rows.Close(); err == nil {
			err = e
		}
	}()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
