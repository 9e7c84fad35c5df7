package hub

import (
	"context"
	"time"

	"github.com/parley-chat/parley"
)

// sweep deletes guests' rooms that have stood empty, until ctx ends.
func (h *Hub) sweep(ctx context.Context) {
	defer close(h.swept)
	tick := time.NewTicker(h.limits.GuestRoom / 60)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			for _, r := range h.standingEmpty() {
				if err := h.deleteRoom(ctx, r); err != nil {
					h.log.Warn("an empty room could not be deleted", "room", r.name, "err", err)
				}
			}
		}
	}
}

func (h *Hub) standingEmpty() []*room {
	h.mu.RLock()
	defer h.mu.RUnlock()
	var empty []*room
	for _, r := range h.rooms {
		if r.guest && r.empty(h.now().Add(-h.limits.GuestRoom)) {
			empty = append(empty, r)
		}
	}
	return empty
}

// empty tells whether nobody has been in the room since then.
func (r *room) empty(since time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.sessions) == 0 && !r.emptied.After(since)
}

// deleteRoom deletes a room unless it has members, or somebody came meanwhile.
func (h *Hub) deleteRoom(ctx context.Context, r *room) error {
	gone := false
	set := func(deleted bool) {
		r.mu.Lock()
		r.deleted = deleted
		r.mu.Unlock()
	}
	err := h.journal.do(ctx, &change{
		check: func() error {
			r.mu.Lock()
			defer r.mu.Unlock()
			if len(r.sessions) > 0 {
				return parley.Errorf(parley.CodeForbidden, "somebody is in the room")
			}
			r.deleted = true // nobody comes in any more
			return nil
		},
		store: func(tx Tx) (err error) {
			if r.empty(h.now().Add(-h.limits.GuestRoom)) { // still, after what was written before
				gone, err = tx.DeleteRoom(r.id)
			}
			return err
		},
		apply: func() {
			if !gone {
				set(false)
				return
			}
			h.mu.Lock()
			delete(h.rooms, r.name.Key())
			h.mu.Unlock()
			run := h.newRun()
			run.add(parley.RoomDeleted{Room: r.name}, nil)
			r.mu.Lock()
			r.publish(run)
			r.mu.Unlock()
		},
	})
	if err != nil {
		set(false)
	}
	return err
}
