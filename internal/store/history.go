package store

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
)

// History reads a page of a conversation, oldest first. A query without a kind
// gets every kind. A damaged row fails the page, and so does a missing one: the
// messages of a conversation, of all kinds, are numbered without gaps.
func (s *Store) History(ctx context.Context, q hub.HistoryQuery) ([]parley.Message, error) {
	if q.Limit <= 0 {
		return nil, nil
	}
	p := page{q: q, after: max(q.After, 0), before: q.Before, step: -1}
	if p.before == 0 {
		p.before = math.MaxInt64
	}
	direction := messagesDown
	if q.Forward || q.After != 0 {
		p.step, direction = 1, messagesUp
	}
	err := s.read(ctx, "read history", direction, p.scan, int64(q.Conversation), p.after, p.before)
	if err == nil {
		err = s.checkPage(ctx, &p)
	}
	if err != nil {
		return nil, err
	}
	if p.step < 0 {
		slices.Reverse(p.messages)
	}
	return p.messages, nil
}

// A page is read row by row, in one direction, and every row has its number.
type page struct {
	q             hub.HistoryQuery
	after, before int64
	step          int64 // 1: from the oldest one up; -1: from the newest one down

	messages []parley.Message
	row      parley.Message // the one that was read last
	last     int64          // the Seq of the last one of the conversation
	sum      checksum
	rows     int   // of all kinds
	next     int64 // the Seq that must come, if one does
	newest   int64 // the Seq of the last one that could come
	full     bool
}

func (p *page) scan(row scanner) error {
	m := &p.row
	if err := scanMessage(row, m, &p.sum, &p.last); err != nil {
		return err
	}
	if p.rows == 0 {
		p.newest = min(p.before-1, p.last)
		p.next = p.newest
		if p.step > 0 {
			p.next = p.after + 1
		}
	}
	if m.Seq != p.next {
		return p.gap(p.next)
	}
	p.rows++
	p.next += p.step
	if p.q.Kind == 0 || p.q.Kind == m.Kind {
		p.messages = append(p.messages, *m)
	}
	if p.full = len(p.messages) == p.q.Limit; p.full {
		return errEnough
	}
	return nil
}

// checkPage tells whether messages are missing behind the last one of a page.
func (s *Store) checkPage(ctx context.Context, p *page) error {
	end := p.after // the Seq behind the last one
	if p.step > 0 {
		end = p.newest + 1
	}
	switch {
	case p.full, p.after+1 >= p.before:
		return nil
	case p.rows > 0 && p.next == end:
		return nil
	case p.rows > 0:
		return s.missing(p.gap(p.next))
	}
	// No row at all: asked in one statement, since a room may be deleted, or
	// get its first message, at any moment.
	gone := false
	err := s.read(ctx, "read history", messageMissing, func(scanner) error { gone = true; return nil },
		int64(p.q.Conversation), p.after+1)
	if err == nil && gone {
		err = s.missing(p.gap(p.after + 1))
	}
	return err
}

// missing is what read does about a damaged row.
func (s *Store) missing(err error) error {
	s.logDamage(err)
	return fault("read history", err)
}

func (p *page) gap(seq int64) error {
	return fmt.Errorf("message %d of conversation %d is missing: %w", seq, p.q.Conversation, ErrDamaged)
}
