package hub

// spool is where what happens in a room lies in one dialect, one event behind
// the other. However many of them a recipient has not taken yet, it holds one
// reference for each stretch of memory. What has been written is never changed.
type spool struct {
	dialect *Dialect
	free    []byte // empty; its capacity is what is left of this stretch
	size    int    // of this stretch
}

// A stretch of memory is twice as large as the one before it, so that a room
// where little is said holds little.
const (
	firstStretch = 1 << 10
	mostStretch  = 16 << 10
)

// spools are those of a room, guarded by its lock; nil: of no room.
type spools []spool

// of gives the spool for a dialect, nil without a room. It is good until the
// next call.
func (all *spools) of(d *Dialect) *spool {
	if all == nil {
		return nil
	}
	for i := range *all {
		if (*all)[i].dialect == d {
			return &(*all)[i]
		}
	}
	*all = append(*all, spool{dialect: d})
	return &(*all)[len(*all)-1]
}

// open gives where to append what comes to about so many bytes.
func (s *spool) open(about int) []byte {
	if s == nil {
		return make([]byte, 0, about)
	}
	if cap(s.free) < about {
		s.size = min(max(2*s.size, firstStretch), mostStretch)
		s.free = make([]byte, 0, max(s.size, about))
	}
	return s.free
}

// close tells what has been appended, be it to a stretch of its own.
func (s *spool) close(appended []byte) {
	if s != nil {
		s.free = appended[len(appended):]
	}
}
