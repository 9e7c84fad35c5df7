package storetest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
)

// A model is what a store must look like: conversations by their place.
type model struct {
	conversations map[place][]parley.Message
	ids           map[clientID]parley.Message
}

// A place is a room, or a pair of accounts.
type place struct {
	room      parley.ConversationID
	low, high parley.UserID
}

type clientID struct {
	user parley.UserID
	id   string
}

func (m model) clone() model {
	c := model{conversations: make(map[place][]parley.Message), ids: maps.Clone(m.ids)}
	for p, messages := range m.conversations {
		c.conversations[p] = slices.Clone(messages)
	}
	return c
}

// A run is one random walk over a store and its model.
type run struct {
	*rapid.T
	w        *world
	kept     model
	accounts []hub.Account
	rooms    []hub.RoomRecord // deleted ones too
}

// testModel walks at random: many conversations, transactions that are kept or
// not, retries, clock jumps. All walks share one store, each with accounts and
// rooms of its own, for opening a store takes longer than a walk.
func testModel(w *world) {
	walks := 0
	rapid.Check(w.T, func(t *rapid.T) {
		walks++
		r := &run{T: t, w: w, kept: model{make(map[place][]parley.Message), make(map[clientID]parley.Message)}}
		w.commit(func(tx hub.Tx) error { return r.begin(tx, walks) })
		t.Repeat(map[string]func(*rapid.T){
			"commit":  r.commit,
			"history": r.history,
			"clock": func(t *rapid.T) {
				w.pass(time.Duration(rapid.Int64Range(-1000, 1000).Draw(t, "ms")) * time.Millisecond)
			},
			"reopen": func(t *rapid.T) {
				if rapid.IntRange(0, 59).Draw(t, "rarely") == 40 { // small numbers are drawn often
					w.reopen()
				}
			},
		})
		r.compare()
	})
}

// begin makes accounts and rooms that no other walk has.
func (r *run) begin(tx hub.Tx, walk int) error {
	for i := range 3 {
		a := hub.Account{User: parley.User{Name: userName(r.w, fmt.Sprintf("user%dx%d", walk, i))}}
		room := hub.RoomRecord{Name: roomName(r.w, fmt.Sprintf("room%dx%d", walk, i))}
		if err := errors.Join(tx.CreateAccount(&a), tx.CreateRoom(&room)); err != nil {
			return err
		}
		r.accounts, r.rooms = append(r.accounts, a), append(r.rooms, room)
		r.kept.conversations[place{room: room.ID}] = nil
	}
	return nil
}

// commit makes some calls in one transaction and keeps it, or not.
func (r *run) commit(t *rapid.T) {
	r.T = t
	after := r.kept.clone()
	keep := rapid.IntRange(0, 3).Draw(t, "keep") > 0
	err := r.w.Commit(r.w.Context(), func(tx hub.Tx) error {
		for range rapid.IntRange(0, 4).Draw(t, "calls") {
			if rapid.IntRange(0, 19).Draw(t, "delete") == 13 {
				r.delete(tx, after)
			} else {
				r.append(tx, after)
			}
		}
		if keep {
			return nil
		}
		return errTest
	})
	switch {
	case keep && err != nil:
		t.Fatalf("Commit() = %v", err)
	case keep:
		r.kept = after
	case !errors.Is(err, errTest):
		t.Fatalf("Commit() = %v, want the error of write", err)
	}
}

// append appends a message and does the same to the model.
func (r *run) append(tx hub.Tx, m model) {
	sender := rapid.SampledFrom(r.accounts).Draw(r.T, "sender")
	record := said(sender, 0, rapid.SampledFrom([]string{"", "a", "b"}).Draw(r.T, "text"))
	record.Kind = rapid.SampledFrom([]parley.Kind{parley.KindMessage, parley.KindNotice}).Draw(r.T, "kind")
	record.ClientID = rapid.SampledFrom([]string{"", "", "1", "2"}).Draw(r.T, "client id")
	var at place
	if rapid.Bool().Draw(r.T, "room") {
		at.room = rapid.SampledFrom(r.rooms).Draw(r.T, "in").ID
		record.Conversation = at.room
	} else {
		record.To = rapid.SampledFrom(r.accounts).Draw(r.T, "to").ID
		at.low, at.high = min(sender.ID, record.To), max(sender.ID, record.To)
	}
	want, code := m.append(record, at, r.w.now())
	repeated, err := tx.Append(record)
	if code != "" {
		if repeated || !errors.Is(err, parley.Errorf(code, "")) {
			r.T.Fatalf("Append() = %t, %v, want %s", repeated, err, code)
		}
		return
	}
	if err != nil || repeated != want.repeated {
		r.T.Fatalf("Append() = %t, %v, want %t", repeated, err, want.repeated)
	}
	if record.Seq != want.Seq || !record.Time.Equal(want.Time) || want.Conversation != 0 && record.Conversation != want.Conversation {
		r.T.Fatalf("Append() filled in %+v, want %+v", *record.Message, want.Message)
	}
	if !repeated {
		m.keep(record, at)
	}
}

// An outcome is what Append should fill in; Conversation is 0 when it may be any.
type outcome struct {
	parley.Message
	repeated bool
}

// append tells what appending a record must give.
func (m model) append(r *hub.Record, at place, now time.Time) (outcome, parley.Code) {
	messages, ok := m.conversations[at]
	if at.room != 0 && !ok {
		return outcome{}, parley.CodeRoomNotFound
	}
	next := *r.Message
	next.Seq, next.Time = int64(len(messages)+1), now
	if len(messages) > 0 {
		last := messages[len(messages)-1]
		next.Conversation = last.Conversation
		if last.Time.After(now) {
			next.Time = last.Time
		}
	}
	first, used := m.ids[clientID{r.Sender, r.ClientID}]
	switch {
	case r.ClientID == "" || !used:
		return outcome{Message: next}, ""
	case first.Text != r.Text || first.Kind != r.Kind || first.Conversation != next.Conversation:
		return outcome{}, parley.CodeSyntax
	}
	return outcome{first, true}, ""
}

// keep takes over what was appended.
func (m model) keep(r *hub.Record, at place) {
	m.conversations[at] = append(m.conversations[at], *r.Message)
	if r.ClientID != "" {
		m.ids[clientID{r.Sender, r.ClientID}] = *r.Message
	}
}

// delete deletes a room, if it is still there.
func (r *run) delete(tx hub.Tx, m model) {
	id := rapid.SampledFrom(r.rooms).Draw(r.T, "delete").ID
	_, exists := m.conversations[place{room: id}]
	gone, err := tx.DeleteRoom(id)
	if gone != exists || exists != (err == nil) {
		r.T.Fatalf("DeleteRoom(%d) = %t, %v, want %t", id, gone, err, exists)
	}
	delete(m.conversations, place{room: id})
	maps.DeleteFunc(m.ids, func(_ clientID, first parley.Message) bool { return first.Conversation == id })
}

// history asks for a page, with any bounds.
func (r *run) history(t *rapid.T) {
	r.T = t
	var all []parley.Message
	for _, p := range slices.SortedFunc(maps.Keys(r.kept.conversations), comparePlaces) {
		if all = r.kept.conversations[p]; rapid.Bool().Draw(t, "this one") {
			break
		}
	}
	if len(all) == 0 {
		return
	}
	bound := rapid.Int64Range(0, int64(len(all)+2))
	r.page(all, hub.HistoryQuery{
		Conversation: all[0].Conversation,
		Kind:         rapid.SampledFrom([]parley.Kind{0, parley.KindMessage, parley.KindNotice}).Draw(t, "kind"),
		Before:       bound.Draw(t, "before"),
		After:        bound.Draw(t, "after"),
		Forward:      rapid.Bool().Draw(t, "forward"),
		Limit:        rapid.IntRange(0, 5).Draw(t, "limit"),
	})
}

func comparePlaces(a, b place) int {
	return cmp3(int64(a.room-b.room), int64(a.low-b.low), int64(a.high-b.high))
}

// cmp3 is the first number that is not zero, as an order.
func cmp3(numbers ...int64) int {
	for _, n := range numbers {
		if n != 0 {
			return int(n)
		}
	}
	return 0
}

// page compares one page with the model.
func (r *run) page(all []parley.Message, q hub.HistoryQuery) {
	var want []parley.Message
	for _, m := range all {
		if (q.Kind == 0 || m.Kind == q.Kind) && m.Seq > q.After && (q.Before == 0 || m.Seq < q.Before) {
			want = append(want, m)
		}
	}
	if n := len(want) - q.Limit; n > 0 {
		if q.Forward || q.After != 0 {
			want = want[:q.Limit]
		} else {
			want = want[n:]
		}
	}
	got, err := r.w.History(r.w.Context(), q)
	if err != nil {
		r.T.Fatalf("History(%+v): %v", q, err)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		r.T.Fatalf("History(%+v): -want +got\n%s", q, diff)
	}
}

// compare compares everything with the model.
func (r *run) compare() {
	for p, all := range r.kept.conversations {
		id := p.room
		if id == 0 {
			var err error
			if id, err = r.w.Pair(r.w.Context(), p.high, p.low); err != nil {
				r.T.Fatalf("Pair(%d, %d): %v", p.high, p.low, err)
			}
		}
		r.page(all, hub.HistoryQuery{Conversation: id, Limit: len(all) + 1})
	}
}
