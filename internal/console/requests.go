package console

import (
	"strconv"
	"time"
)

// A purpose says whose request it was, and how its answer is shown.
type purpose int

const (
	wrapped      purpose = iota // typed; the answer is shown without req
	asTyped                     // typed with req; the answer is shown with it
	introduction                // our login
	hidden                      // our nop
)

// requests are those that are not answered.
type requests struct {
	prefix string             // of our IDs
	last   int                // number of the ID given last
	list   []*want            // in the order in which they were made
	byID   map[string][]*want // the same, oldest first
	bare   int                // sent without an ID, and no nop behind them yet
}

// A want is one request.
type want struct {
	id   string
	at   time.Time
	what purpose
}

// add makes an ID for a request of ours.
func (r *requests) add(p purpose, now time.Time) (id string) {
	r.last++
	id = r.prefix + strconv.Itoa(r.last)
	r.put(id, p, now)
	return id
}

// addTyped notes an ID that the person or script chose. It may be one of ours;
// then the answers come in the order of the requests.
func (r *requests) addTyped(id string, now time.Time) { r.put(id, asTyped, now) }

func (r *requests) put(id string, p purpose, now time.Time) {
	if r.byID == nil {
		r.byID = map[string][]*want{}
	}
	w := &want{id, now, p}
	r.list = append(r.list, w)
	r.byID[id] = append(r.byID[id], w)
}

// answered takes the oldest request with an ID away.
func (r *requests) answered(id string) (purpose, bool) {
	waiting := r.byID[id]
	if len(waiting) == 0 {
		return 0, false
	}
	w := waiting[0]
	if len(waiting) == 1 {
		delete(r.byID, id)
	} else {
		r.byID[id] = waiting[1:]
	}
	for i := range r.list {
		if r.list[i] == w {
			r.list = append(r.list[:i], r.list[i+1:]...)
			break
		}
	}
	return w.what, true
}

// fatal takes the oldest request away: its answer had no ID, for the server
// could not read it.
func (r *requests) fatal() {
	if len(r.list) > 0 {
		r.answered(r.list[0].id)
	}
}

func (r *requests) open() int { return len(r.list) }

// oldest tells when the oldest request was made; zero: there is none.
func (r *requests) oldest() time.Time {
	if len(r.list) == 0 {
		return time.Time{}
	}
	return r.list[0].at
}
