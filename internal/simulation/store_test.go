package simulation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
	"github.com/parley-chat/parley/internal/server"
	"github.com/parley-chat/parley/internal/store"
	"github.com/parley-chat/parley/internal/store/storetest"
)

// TestMemory holds the store of the simulation against what every store must do.
func TestMemory(t *testing.T) {
	var mu sync.Mutex
	disks := map[string]*disk{}
	storetest.Run(t, func(_ *testing.T, env storetest.Env) hub.Store {
		mu.Lock()
		defer mu.Unlock()
		if disks[env.Dir] == nil {
			disks[env.Dir] = newDisk()
		}
		return &memory{disk: disks[env.Dir], clock: env.Now, ids: env.ClientIDs}
	})
}

// disk is what outlives a server. All of it is guarded by mu, which a commit
// holds from its beginning to its end: readers see whole transactions.
type disk struct {
	mu            sync.RWMutex
	accounts      []hub.Account // the number is the place, from 1
	rooms         map[parley.ConversationID]hub.RoomRecord
	members       map[membership]bool
	conversations map[parley.ConversationID]*conversation
	clientIDs     map[clientID]use
	last          parley.ConversationID // no number is given twice
}

type (
	membership struct {
		room parley.ConversationID
		user parley.UserID
	}
	conversation struct {
		low, high parley.UserID // 0: of a room
		messages  []parley.Message
	}
	clientID struct {
		user parley.UserID
		id   string
	}
	use struct {
		conversation parley.ConversationID
		seq          int64
		at           time.Time
	}
)

func newDisk() *disk {
	return &disk{
		rooms: map[parley.ConversationID]hub.RoomRecord{}, members: map[membership]bool{},
		conversations: map[parley.ConversationID]*conversation{}, clientIDs: map[clientID]use{},
	}
}

// memory is a store that keeps everything on a disk in memory. It is as strict
// as the real one and a hundred times as fast.
type memory struct {
	disk   *disk
	clock  func() time.Time
	ids    time.Duration // for which a client id is remembered
	closed bool          // guarded by disk.mu
}

// open is what a server opens the disk with.
func (d *disk) open(_ context.Context, o store.Options) (server.Store, error) {
	return &memory{disk: d, clock: time.Now, ids: o.ClientIDs}, nil
}

func (m *memory) Close() error {
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	m.closed = true
	return nil
}

// usable says why nothing can be asked. The caller holds disk.mu.
func (m *memory) usable(ctx context.Context) error {
	if m.closed {
		return parley.ErrShuttingDown
	}
	return ctx.Err()
}

// read runs f on what is committed.
func (m *memory) read(ctx context.Context, f func(*disk)) error {
	m.disk.mu.RLock()
	defer m.disk.mu.RUnlock()
	if err := m.usable(ctx); err != nil {
		return err
	}
	f(m.disk)
	return nil
}

func byKey(a, b parley.Name) int { return cmp.Compare(a.Key(), b.Key()) }

func (m *memory) Rooms(ctx context.Context) (rooms []hub.RoomRecord, err error) {
	err = m.read(ctx, func(d *disk) {
		rooms = slices.SortedFunc(maps.Values(d.rooms), func(a, b hub.RoomRecord) int { return byKey(a.Name, b.Name) })
	})
	return rooms, err
}

func (m *memory) Named(ctx context.Context, name parley.Name) (found []hub.Account, err error) {
	err = m.read(ctx, func(d *disk) { found = d.named(name) })
	return found, err
}

func (d *disk) named(name parley.Name) (found []hub.Account) {
	for _, a := range d.accounts {
		switch {
		case a.Name.Key() == name.Key():
			found = slices.Insert(found, 0, a)
		case lookAlike(a.Name, name):
			found = append(found, a)
		}
	}
	return found
}

func lookAlike(a, b parley.Name) bool {
	theirs := []string{b.Skeleton(), b.FoldedSkeleton()}
	return slices.Contains(theirs, a.Skeleton()) || slices.Contains(theirs, a.FoldedSkeleton())
}

func (m *memory) RoomsOf(ctx context.Context, user parley.UserID, after string, limit int) (names []parley.Name, err error) {
	err = m.read(ctx, func(d *disk) {
		for member := range d.members {
			if name := d.rooms[member.room].Name; member.user == user && name.Key() > after {
				names = append(names, name)
			}
		}
	})
	slices.SortFunc(names, byKey)
	return names[:max(0, min(limit, len(names)))], err
}

func (m *memory) Pair(ctx context.Context, a, b parley.UserID) (id parley.ConversationID, err error) {
	err = m.read(ctx, func(d *disk) { id = d.pair(a, b) })
	return id, err
}

func (d *disk) pair(a, b parley.UserID) parley.ConversationID {
	for id, c := range d.conversations {
		if c.low != 0 && c.low == min(a, b) && c.high == max(a, b) {
			return id
		}
	}
	return 0
}

func (m *memory) History(ctx context.Context, q hub.HistoryQuery) (page []parley.Message, err error) {
	err = m.read(ctx, func(d *disk) {
		c := d.conversations[q.Conversation]
		if c == nil {
			return
		}
		for _, message := range c.messages {
			if (q.Kind == 0 || message.Kind == q.Kind) && message.Seq > q.After && (q.Before == 0 || message.Seq < q.Before) {
				page = append(page, message)
			}
		}
	})
	switch n := max(0, min(q.Limit, len(page))); {
	case q.Forward || q.After != 0:
		return page[:n], err
	default:
		return page[len(page)-n:], err
	}
}

func (m *memory) Commit(ctx context.Context, write func(hub.Tx) error) error {
	d := m.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return err
	}
	t := &tx{disk: d, now: m.clock().Truncate(time.Millisecond).UTC(), ids: m.ids}
	kept := false
	defer func() { // also when write panics
		t.over = true
		if !kept {
			for _, undo := range slices.Backward(t.undo) {
				undo()
			}
		}
	}()
	if err := write(t); err != nil {
		return err
	}
	kept = true
	return nil
}

// tx changes the disk at once, and knows how to change it back.
type tx struct {
	disk *disk
	now  time.Time
	ids  time.Duration
	undo []func()
	over bool
}

var errOver = errors.New("a transaction was used after its end")

// set changes a map, until the transaction is undone.
func set[K comparable, V any](t *tx, in map[K]V, key K, value V) {
	before, was := in[key]
	t.undo = append(t.undo, func() {
		if delete(in, key); was {
			in[key] = before
		}
	})
	in[key] = value
}

// remove takes something out of a map, until the transaction is undone.
func remove[K comparable, V any](t *tx, in map[K]V, key K) {
	if before, was := in[key]; was {
		t.undo = append(t.undo, func() { in[key] = before })
		delete(in, key)
	}
}

func (t *tx) CreateAccount(a *hub.Account) error {
	if t.over {
		return errOver
	}
	d := t.disk
	if found := d.named(a.Name); len(found) > 0 {
		if found[0].Name.Key() == a.Name.Key() {
			return parley.Errorf(parley.CodeNameTaken, "registered already")
		}
		return parley.Errorf(parley.CodeInvalidName, "looks like one that is registered")
	}
	n := len(d.accounts)
	t.undo = append(t.undo, func() { d.accounts = d.accounts[:n] })
	a.ID = parley.UserID(n + 1)
	d.accounts = append(d.accounts, *a)
	return nil
}

func (d *disk) isAccount(user parley.UserID) bool {
	return user > 0 && user <= parley.UserID(len(d.accounts))
}

func (t *tx) SetPassword(user parley.UserID, hash string) error {
	if t.over {
		return errOver
	}
	if !t.disk.isAccount(user) {
		return errNoUser
	}
	a := &t.disk.accounts[user-1]
	before := a.Hash
	t.undo = append(t.undo, func() { t.disk.accounts[user-1].Hash = before })
	a.Hash = hash
	return nil
}

var (
	errNoUser = parley.Errorf(parley.CodeUserNotFound, "no such account")
	errNoRoom = parley.Errorf(parley.CodeRoomNotFound, "no such room")
)

func (t *tx) CreateRoom(r *hub.RoomRecord) error {
	if t.over {
		return errOver
	}
	for _, room := range t.disk.rooms {
		if room.Name.Key() == r.Name.Key() {
			return parley.Errorf(parley.CodeRoomExists, "exists already")
		}
	}
	r.ID = t.newConversation(&conversation{})
	set(t, t.disk.rooms, r.ID, *r)
	return nil
}

func (t *tx) newConversation(c *conversation) parley.ConversationID {
	t.disk.last++
	set(t, t.disk.conversations, t.disk.last, c)
	return t.disk.last
}

func (t *tx) DeleteRoom(room parley.ConversationID) (gone bool, err error) {
	if t.over {
		return false, errOver
	}
	d := t.disk
	if _, ok := d.rooms[room]; !ok {
		return false, errNoRoom
	}
	for member := range d.members {
		if member.room == room {
			return false, nil
		}
	}
	for id, use := range d.clientIDs {
		if use.conversation == room {
			remove(t, d.clientIDs, id)
		}
	}
	remove(t, d.rooms, room)
	remove(t, d.conversations, room)
	return true, nil
}

func (t *tx) SetMember(room parley.ConversationID, user parley.UserID, member bool) (changed bool, err error) {
	if t.over {
		return false, errOver
	}
	d, key := t.disk, membership{room, user}
	was := d.members[key]
	if !member {
		remove(t, d.members, key)
		return was, nil
	}
	if _, ok := d.rooms[room]; !ok {
		return false, errNoRoom
	}
	if !d.isAccount(user) {
		return false, errNoUser
	}
	set(t, d.members, key, true)
	return !was, nil
}

func (t *tx) Append(r *hub.Record) (repeated bool, err error) {
	if t.over {
		return false, errOver
	}
	d, id := t.disk, r.Conversation
	if id == 0 {
		if !d.isAccount(r.Sender) || !d.isAccount(r.To) {
			return false, errNoUser
		}
		id = d.pair(r.Sender, r.To)
	} else if d.conversations[id] == nil {
		return false, errNoRoom
	}
	withID := r.ClientID != "" && r.Sender > 0
	if withID {
		if repeated, err := t.repeats(r, id); repeated || err != nil {
			return repeated, err
		}
	}
	if id == 0 {
		id = t.newConversation(&conversation{low: min(r.Sender, r.To), high: max(r.Sender, r.To)})
	}
	t.keep(d.conversations[id], id, r.Message)
	if withID {
		set(t, d.clientIDs, clientID{r.Sender, r.ClientID}, use{id, r.Seq, t.now})
	}
	if room, ok := d.rooms[id]; ok && r.Kind == parley.KindTopic {
		room.Topic = r.Text
		set(t, d.rooms, id, room)
	}
	return false, nil
}

// keep numbers and dates a message.
func (t *tx) keep(c *conversation, id parley.ConversationID, m *parley.Message) {
	n := len(c.messages)
	m.Conversation, m.Seq, m.Time = id, int64(n+1), t.now
	if n > 0 && c.messages[n-1].Time.After(t.now) {
		m.Time = c.messages[n-1].Time
	}
	t.undo = append(t.undo, func() { c.messages = c.messages[:n] })
	c.messages = append(c.messages, *m)
}

// repeats fills in what a message became that was said under the client id before.
func (t *tx) repeats(r *hub.Record, id parley.ConversationID) (bool, error) {
	use, ok := t.disk.clientIDs[clientID{r.Sender, r.ClientID}]
	if !ok || use.at.Before(t.now.Add(-t.ids)) {
		return false, nil
	}
	first := t.disk.conversations[use.conversation].messages[use.seq-1]
	if use.conversation != id || first.Text != r.Text || first.Kind != r.Kind || first.Ref != r.Ref {
		return false, parley.Errorf(parley.CodeSyntax, "this client id was used for another message")
	}
	r.Conversation, r.Seq, r.Time = first.Conversation, first.Seq, first.Time
	return true, nil
}

// errDisk is a disk that may work later.
var errDisk = fmt.Errorf("the disk of the simulation is full: %w", parley.ErrUnavailable)
