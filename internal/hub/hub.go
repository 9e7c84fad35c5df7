package hub

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alexedwards/argon2id"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/wire/linewire"
)

// Config is what a hub is made of.
type Config struct {
	Store  Store
	Limits parley.Limits
	Log    *slog.Logger
	Now    func() time.Time // nil: time.Now
	// Rooms are created when the store holds no room yet.
	Rooms []string
	// WeakPassword is the least number of bytes of a new password.
	WeakPassword int
	// Hash is the cost of a password hash; nil: 64 MiB, three passes.
	Hash *argon2id.Params
	// Broken is called once, from the journal's goroutine, when the store can
	// no longer be trusted: the process should end.
	Broken func(error)
}

// Hub is the live state behind all doors. Its methods may be called from any
// goroutine.
type Hub struct {
	// Fixed after New.
	store     Store
	limits    parley.Limits
	log       *slog.Logger
	now       func() time.Time
	weak      int
	journal   *journal
	passwords *passwords
	stopSweep context.CancelFunc
	swept     chan struct{} // closed when the sweeper has ended
	granted   atomic.Pointer[Grants]
	offers    offers

	mu        sync.RWMutex
	names     names
	rooms     map[string]*room // by key
	lastGuest parley.UserID
}

// New reads the rooms from the store and starts the journal and the sweeper of
// guests' rooms. Close stops both.
func New(ctx context.Context, cfg Config) (*Hub, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	h := &Hub{
		store: cfg.Store, limits: cfg.Limits, log: cfg.Log, now: cfg.Now, weak: cfg.WeakPassword,
		passwords: newPasswords(cfg.Limits, cfg.Hash),
		swept:     make(chan struct{}),
		names:     newNames(),
		rooms:     map[string]*room{},
		offers:    offers{byCommand: map[string]*offered{}, programs: map[string]*program{}},
		// Guests of this process get numbers that no guest had before, so
		// that a kept message is never taken for another guest's.
		lastGuest: parley.UserID(-cfg.Now().UnixNano()),
	}
	h.Grant(Grants{})
	h.journal = newJournal(h, cfg.Broken)
	if err := h.loadRooms(ctx, cfg.Rooms); err != nil {
		h.journal.close()
		return nil, err
	}
	sweep, stop := context.WithCancel(context.Background())
	h.stopSweep = stop
	go h.sweep(sweep) // stopped and waited for by Close
	return h, nil
}

func (h *Hub) loadRooms(ctx context.Context, first []string) error {
	records, err := h.store.Rooms(ctx)
	if err != nil {
		return fmt.Errorf("read the rooms: %w", err)
	}
	for _, record := range records {
		h.rooms[record.Name.Key()] = newRoom(record, h.now())
	}
	if len(records) > 0 {
		return nil
	}
	for _, name := range first {
		parsed, err := parley.ParseRoomName(name)
		if err != nil {
			return fmt.Errorf("the room %q of the settings: %w", name, err)
		}
		if err := h.createRoom(ctx, RoomRecord{Name: parsed, Open: true}); err != nil {
			return fmt.Errorf("create the room %s: %w", parsed, err)
		}
	}
	return nil
}

// Close ends the sweeper, then the journal, which first commits what it holds.
// The sessions must have ended; the store is the caller's to close.
func (h *Hub) Close() {
	h.stopSweep()
	<-h.swept
	h.journal.close()
}

// Attach makes a session of nobody for a client. The door calls End when the
// client is gone.
func (h *Hub) Attach(sink Sink, dialect *Dialect) *Session {
	s := &Session{hub: h, sink: sink}
	s.dialect.Store(dialect)
	return s
}

// Limits gives the bounds that the doors share.
func (h *Hub) Limits() parley.Limits { return h.limits }

// Users lists who is online, but for modules, in the order of the folded names, from the first
// one behind after. Anybody may ask.
func (h *Hub) Users(after string) []parley.Name {
	h.mu.RLock()
	list := make([]parley.Name, 0, len(h.names.byKey))
	for _, u := range h.names.byKey {
		if len(u.sessions) > 0 && !u.module {
			list = append(list, u.Name)
		}
	}
	h.mu.RUnlock()
	return sortedAfter(list, after)
}

// Rooms lists the rooms, as Users lists users. Anybody may ask.
func (h *Hub) Rooms(after string) []parley.Name {
	h.mu.RLock()
	list := make([]parley.Name, 0, len(h.rooms))
	for _, r := range h.rooms {
		list = append(list, r.name)
	}
	h.mu.RUnlock()
	return sortedAfter(list, after)
}

// sortedAfter sorts names and drops those up to after, which is the name where
// the page before ended. An after that is no name is compared as it is.
func sortedAfter(list []parley.Name, after string) []parley.Name {
	slices.SortFunc(list, func(a, b parley.Name) int { return strings.Compare(a.Key(), b.Key()) })
	if after == "" {
		return list
	}
	key := foldedAfter(after)
	at, found := slices.BinarySearchFunc(list, key, func(n parley.Name, key string) int { return strings.Compare(n.Key(), key) })
	if found {
		at++
	}
	return list[at:]
}

func foldedAfter(after string) string {
	if name, err := parley.ParseRoomName(after); err == nil {
		return name.Key()
	}
	return after
}

// room finds a room by what a client calls it; nil when there is none.
func (h *Hub) room(called string) *room {
	h.mu.RLock()
	r := h.rooms[called] // most call it by its key: no folding then
	h.mu.RUnlock()
	if r != nil {
		return r
	}
	name, err := parley.ParseRoomName(called)
	if err != nil {
		return nil
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.rooms[name.Key()]
}

// online finds a user by what a client calls it; nil when it is not online.
// The name is zero when nobody can be called so.
func (h *Hub) online(called string) (*user, parley.Name) {
	h.mu.RLock()
	u := h.names.byKey[called]
	h.mu.RUnlock()
	name := parley.Name{}
	if u == nil {
		var err error
		if name, err = parley.ParseUserName(called); err != nil {
			return nil, parley.Name{}
		}
		h.mu.RLock()
		u = h.names.byKey[name.Key()]
		h.mu.RUnlock()
	}
	switch {
	case u == nil:
		return nil, name
	case !h.isOnline(u):
		return nil, u.Name // it is being given to somebody
	}
	return u, u.Name
}

func (h *Hub) isOnline(u *user) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(u.sessions) > 0
}

// account finds a registered account by its name.
func (h *Hub) account(ctx context.Context, name parley.Name) (Account, bool, error) {
	found, err := h.store.Named(ctx, name)
	if err != nil {
		return Account{}, false, err
	}
	for _, a := range found {
		if a.Name.Key() == name.Key() {
			return a, true, nil
		}
	}
	return Account{}, false, nil
}

// Registered tells whether there is an account of a name. It waits for the disk.
func (h *Hub) Registered(ctx context.Context, name parley.Name) (bool, error) {
	_, found, err := h.account(ctx, name)
	return found, err
}

func errNoUser(called string) *parley.Error {
	return parley.Errorf(parley.CodeUserNotFound, "there is no user %s", shown(called))
}

func errNoRoom(called string) *parley.Error {
	return parley.Errorf(parley.CodeRoomNotFound, "there is no room %s; make it, or list the rooms", shown(called))
}

// shown makes what a client called something fit to be said back to it.
func shown(called string) string {
	const most = 64
	clean := []rune(linewire.Clean(called))
	if len(clean) > most {
		return string(clean[:most]) + "…"
	}
	return string(clean)
}
