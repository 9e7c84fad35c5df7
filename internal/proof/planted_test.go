package proof_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
	"github.com/parley-chat/parley/internal/proof"
)

// A plant is a fault put between a correct server and its store, or between it
// and its clients.
type plant struct {
	name  string
	want  proof.Kind
	store func(*world, hub.Store) hub.Store
	push  func(s *seam, fields []string) (instead [][]string)
}

// store wraps the store of a plant. What is nil is done as it should be.
type store struct {
	hub.Store
	commit  func(commit func(hub.Tx) error) error
	append  func(tx hub.Tx, r *hub.Record) (repeated bool, err error)
	history func([]parley.Message) []parley.Message
	says    bool // the transaction holds a message
	marked  bool // it holds the marked one
}

func (s *store) Commit(ctx context.Context, write func(hub.Tx) error) error {
	s.says, s.marked = false, false
	all := func(tx hub.Tx) error { return write(&tampered{tx, s}) }
	if s.commit == nil {
		return s.Store.Commit(ctx, all)
	}
	return s.commit(all)
}

func (s *store) History(ctx context.Context, q hub.HistoryQuery) ([]parley.Message, error) {
	all, err := s.Store.History(ctx, q)
	if s.history != nil {
		all = s.history(all)
	}
	return all, err
}

type tampered struct {
	hub.Tx
	store *store
}

func (t *tampered) Append(r *hub.Record) (bool, error) {
	s := t.store
	s.says, s.marked = true, s.marked || isMarked(r.Text)
	if s.append == nil {
		return t.Tx.Append(r)
	}
	return s.append(t.Tx, r)
}

func isMarked(text string) bool { return strings.HasPrefix(text, marked) }

// another keeps a message in place of the one that the hub delivers.
func another(tx hub.Tx, r *hub.Record, change func(*parley.Message)) (bool, error) {
	m := *r.Message
	change(&m)
	repeated, err := tx.Append(&hub.Record{Message: &m, To: r.To, ClientID: r.ClientID})
	r.Seq, r.Time = m.Seq, m.Time
	if r.Conversation == 0 {
		r.Conversation = m.Conversation
	}
	return repeated, err
}

// appends is a plant in what is kept of the marked message.
func appends(change func(*parley.Message)) func(*world, hub.Store) hub.Store {
	return func(_ *world, s hub.Store) hub.Store {
		return &store{Store: s, append: func(tx hub.Tx, r *hub.Record) (bool, error) {
			if !isMarked(r.Text) {
				return tx.Append(r)
			}
			return another(tx, r, change)
		}}
	}
}

// reads is a plant in what is read.
func reads(change func([]parley.Message) []parley.Message) func(*world, hub.Store) hub.Store {
	return func(_ *world, s hub.Store) hub.Store { return &store{Store: s, history: change} }
}

// acknowledgedBeforeCommit keeps what was said only with what is said next.
func acknowledgedBeforeCommit(_ *world, s hub.Store) hub.Store {
	nothing := func(hub.Tx) error { return nil }
	late, wrapped := nothing, &store{Store: s}
	wrapped.commit = func(write func(hub.Tx) error) error {
		if err := s.Commit(context.Background(), late); err != nil {
			return err
		}
		late = nothing
		err := s.Commit(context.Background(), func(tx hub.Tx) error {
			if err := write(tx); err != nil || !wrapped.says {
				return err
			}
			return errLost
		})
		if errors.Is(err, errLost) {
			late, err = write, nil
		}
		return err
	}
	return wrapped
}

// deliveredBeforeCommit tells bob of what is refused then.
func deliveredBeforeCommit(w *world, s hub.Store) hub.Store {
	var early *hub.Record
	return &store{
		Store: s,
		append: func(tx hub.Tx, r *hub.Record) (bool, error) {
			repeated, err := tx.Append(r)
			if isMarked(r.Text) {
				early = r
			}
			return repeated, err
		},
		commit: func(write func(hub.Tx) error) error {
			early = nil
			return s.Commit(context.Background(), func(tx hub.Tx) error {
				if err := write(tx); err != nil || early == nil {
					return err
				}
				w.other("bob").inject("room", "lobby", early.SenderName, early.ID(), parley.FormatTime(early.Time), early.Text)
				return parley.ErrUnavailable
			})
		},
	}
}

// keptAndRefused says of the marked message that it could not be kept.
func keptAndRefused(_ *world, s hub.Store) hub.Store {
	wrapped := &store{Store: s}
	wrapped.commit = func(write func(hub.Tx) error) error {
		if err := s.Commit(context.Background(), write); err != nil || !wrapped.marked {
			return err
		}
		return parley.ErrUnavailable
	}
	return wrapped
}

// forgottenAndAcknowledged says of the marked message that it is kept.
func forgottenAndAcknowledged(_ *world, s hub.Store) hub.Store {
	wrapped := &store{Store: s}
	wrapped.commit = func(write func(hub.Tx) error) error {
		err := s.Commit(context.Background(), func(tx hub.Tx) error {
			if err := write(tx); err != nil || !wrapped.marked {
				return err
			}
			return errLost
		})
		if errors.Is(err, errLost) {
			return nil
		}
		return err
	}
	return wrapped
}

// numberedAnew counts from one in every process.
func numberedAnew(_ *world, s hub.Store) hub.Store {
	before := map[parley.ConversationID]int64{}
	return &store{Store: s, append: func(tx hub.Tx, r *hub.Record) (bool, error) {
		repeated, err := tx.Append(r)
		if _, known := before[r.Conversation]; !known {
			before[r.Conversation] = r.Seq - 1
		}
		r.Seq = max(1, r.Seq-before[r.Conversation])
		return repeated, err
	}}
}

func withoutClientIDs(_ *world, s hub.Store) hub.Store {
	return &store{Store: s, append: func(tx hub.Tx, r *hub.Record) (bool, error) {
		r.ClientID = ""
		return tx.Append(r)
	}}
}

// keptElsewhere keeps the marked message in the room that was spoken in first.
func keptElsewhere(_ *world, s hub.Store) hub.Store {
	var first parley.ConversationID
	return &store{Store: s, append: func(tx hub.Tx, r *hub.Record) (bool, error) {
		if first == 0 {
			first = r.Conversation
		}
		if !isMarked(r.Text) {
			return tx.Append(r)
		}
		return another(tx, r, func(m *parley.Message) { m.Conversation = first })
	}}
}

// to changes what one session is told of the messages of one kind.
func to(session, kind string, change func(s *seam, fields []string) [][]string) func(*seam, []string) [][]string {
	return func(s *seam, fields []string) [][]string {
		if s.name != session || fields[0] != kind {
			return [][]string{fields}
		}
		s.n++
		return change(s, fields)
	}
}

func toBob(change func(s *seam, fields []string) [][]string) func(*seam, []string) [][]string {
	return to("bob", "room", change)
}

// atThird changes what bob is told third in a room.
func atThird(change func(s *seam, fields []string) [][]string) func(*seam, []string) [][]string {
	return toBob(func(s *seam, fields []string) [][]string {
		if s.n != 3 {
			return [][]string{fields}
		}
		return change(s, fields)
	})
}

// with puts another value into a push.
func with(at int, value string) func(*seam, []string) [][]string {
	return func(_ *seam, fields []string) [][]string {
		fields[at] = value
		return [][]string{fields}
	}
}

// toldTo lets a session hear what another one is told.
func toldTo(session string, when func(fields []string) bool) func(s *seam, fields []string) [][]string {
	return func(s *seam, fields []string) [][]string {
		if when(fields) {
			s.world.other(session).inject(fields...)
		}
		return [][]string{fields}
	}
}

func swapped(s *seam, fields []string) [][]string {
	switch s.n {
	case 3:
		s.held = [][]string{fields}
		return nil
	case 4:
		return append([][]string{fields}, s.held...)
	}
	return [][]string{fields}
}

func isSaid(text string) func([]string) bool {
	return func(fields []string) bool { return strings.HasPrefix(fields[5], text) }
}

func always([]string) bool { return true }

func dropped(*seam, []string) [][]string { return nil }

func doubled(_ *seam, fields []string) [][]string { return [][]string{fields, fields} }

func withoutMarked(all []parley.Message) (kept []parley.Message) {
	for _, m := range all {
		if !isMarked(m.Text) {
			kept = append(kept, m)
		}
	}
	return kept
}

func backwards(all []parley.Message) []parley.Message {
	if n := len(all); n > 1 {
		all[n-1], all[n-2] = all[n-2], all[n-1]
	}
	return all
}

// plants are faults that servers really had, and what the checker must find.
var plants = []plant{
	{name: "acknowledged before the commit", want: proof.Lost, store: acknowledgedBeforeCommit},
	{name: "delivered before a commit that fails", want: proof.Phantom, store: deliveredBeforeCommit},
	{name: "kept and refused", want: proof.Phantom, store: keptAndRefused},
	{name: "acknowledged and not kept", want: proof.Lost, store: forgottenAndAcknowledged},
	{name: "numbered anew in each process", want: proof.Fork, store: numberedAnew},
	{name: "client ids are not remembered", want: proof.Doubled, store: withoutClientIDs},
	{name: "kept in another room", want: proof.Forged, store: keptElsewhere},
	{name: "a text changed on its way to the disk", want: proof.Forged, store: appends(func(m *parley.Message) { m.Text += "?" })},
	{name: "a sender changed on its way to the disk", want: proof.Forged, store: appends(func(m *parley.Message) { m.SenderName = "dave" })},
	{name: "history skips a message", want: proof.Lost, store: reads(withoutMarked)},
	{name: "history in another order", want: proof.Reordered, store: reads(backwards)},
	{name: "a push is dropped", want: proof.Gap, push: atThird(dropped)},
	{name: "all pushes are dropped", want: proof.Gap, push: toBob(dropped)},
	{name: "a secret is dropped", want: proof.Gap, push: to("bob", "told", dropped)},
	{name: "a copy of a secret is dropped", want: proof.Gap, push: to("bob2", "told", dropped)},
	{name: "two pushes are swapped", want: proof.Reordered, push: toBob(swapped)},
	{name: "a push is doubled", want: proof.Doubled, push: atThird(doubled)},
	{name: "a push names another sender", want: proof.Forged, push: atThird(with(2, "dave"))},
	{name: "a push has another text", want: proof.Forged, push: atThird(with(5, "another"))},
	{name: "a push names another message", want: proof.Fork, push: atThird(with(3, "zzz"))},
	{name: "a secret names another sender", want: proof.Forged, push: to("bob", "told", with(1, "dave"))},
	{name: "an outsider hears a room", want: proof.Leak, push: toBob(toldTo("dave", always))},
	{name: "an outsider hears a secret", want: proof.Leak, push: to("bob", "told", toldTo("dave", always))},
	{name: "a user who was put out still hears", want: proof.Leak, push: to("alice", "room", toldTo("bob", isSaid("bob is out")))},
	{name: "a user who left still hears", want: proof.Leak, push: to("alice", "room", toldTo("bob2", isSaid("bob is out")))},
}

// TestPlantedBugs wants every planted bug found, as what it is.
func TestPlantedBugs(t *testing.T) {
	for _, p := range plants {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			log := playOut(t, p)
			if p.want == "" {
				t.Fatal("the plant does not say what is to be found")
			}
			wantChecked(t, log, p.want)
		})
	}
}

// TestNothingPlanted wants the same traffic without a bug judged right, every time.
func TestNothingPlanted(t *testing.T) {
	for range proof.Size(5, 50, 1000) {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			wantChecked(t, playOut(t, plant{}), "")
		})
	}
}

func playOut(t *testing.T, p plant) *proof.Log {
	w := &world{t: t, plant: p, log: &proof.Log{}, data: t.TempDir(), last: map[string]string{}}
	w.play()
	return w.log
}
