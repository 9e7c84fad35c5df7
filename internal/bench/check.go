package bench

import "fmt"

// flow is what one client has seen of one stream.
type flow struct {
	last    uint32          // the highest number seen
	missing map[uint32]bool // lower ones not seen; nil as long as all is well
}

// A Tally counts what went wrong with deliveries. All zero is a good run.
type Tally struct {
	Lost      int64 `json:"lost"`       // never came
	Repeated  int64 `json:"repeated"`   // came again
	Reordered int64 `json:"outOfOrder"` // came after a later one
	Stray     int64 `json:"stray"`      // came to somebody for whom it was not, or from somebody who never said it
	Damaged   int64 `json:"damaged"`    // came with other bytes than were sent
}

// bad tells whether anything went wrong.
func (t Tally) bad() bool { return t != Tally{} }

// String lists the counts.
func (t Tally) String() string {
	return fmt.Sprintf("lost %d, repeated %d, out of order %d, stray %d, damaged %d", t.Lost, t.Repeated, t.Reordered, t.Stray, t.Damaged)
}

// mostMissing bounds what is remembered of a gap. What comes out of a wider one
// is counted as repeated.
const mostMissing = 1 << 16

// see accounts the arrival of one number. It reports whether the number is one
// that had not come before.
func (f *flow) see(number uint32, t *Tally) bool {
	switch {
	case number == f.last+1:
		f.last = number
		return true
	case number > f.last:
		t.Lost += int64(number - f.last - 1)
		if f.missing == nil {
			f.missing = make(map[uint32]bool)
		}
		for n := f.last + 1; n < number && len(f.missing) < mostMissing; n++ {
			f.missing[n] = true
		}
		f.last = number
		return true
	case f.missing[number]:
		delete(f.missing, number)
		t.Lost--
		t.Reordered++
		return true
	}
	t.Repeated++
	return false
}
