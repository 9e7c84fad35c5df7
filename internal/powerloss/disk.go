package powerloss

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// sector is what a disk writes wholly or not at all, in bytes.
const sector = 512

// A Disk is a directory as it may be: what each file holds, by its path. The
// path of a directory ends with "/".
type Disk map[string][]byte

// Live is the disk as the programs saw it at the end.
func (r *Recording) Live() Disk { return r.live.disk() }

// ReadDisk reads a directory but the files that the recording leaves out.
func (r *Recording) ReadDisk() (Disk, error) {
	d := Disk{}
	err := filepath.WalkDir(r.root, func(path string, e fs.DirEntry, err error) error {
		rel, ok := r.inside(path)
		switch {
		case err != nil:
			return err
		case !ok || rel == ".":
			return nil
		case e.IsDir():
			d[rel+"/"] = nil
			return nil
		}
		d[rel], err = os.ReadFile(path)
		return err
	})
	return d, err
}

// Differs names the first path at which two disks differ, or nothing.
func (d Disk) Differs(other Disk) string {
	paths := make([]string, 0, len(d)+len(other))
	for _, one := range []Disk{d, other} {
		for path := range one {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	for _, path := range paths {
		a, inA := d[path]
		b, inB := other[path]
		if inA != inB || !bytes.Equal(a, b) {
			return path
		}
	}
	return ""
}

// Write makes a disk in an empty directory.
func (d Disk) Write(dir string) error {
	for path, content := range d {
		full := filepath.Join(dir, path)
		if strings.HasSuffix(path, "/") {
			if err := os.MkdirAll(full, 0o700); err != nil {
				return err
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(full, content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// settle decides about the calls that had not ended, and computes when each
// change is durable.
func (r *Recording) settle(found Disk) error {
	var open []*change
	for _, c := range r.changes {
		if c.end == never {
			open = append(open, c)
		}
	}
	const most = 8 // threads that write at once
	switch {
	case len(open) > most, found == nil && len(open) > 0:
		return fmt.Errorf("%d calls had not ended when the program did", len(open))
	case found != nil:
		if err := r.decide(open, found); err != nil {
			return err
		}
	}
	for _, c := range r.changes {
		c.durableAt = r.durable(c)
	}
	return nil
}

// decide finds out which of the open changes were made: those with which the
// recording gives what was found.
func (r *Recording) decide(open []*change, found Disk) error {
	for made := range 1 << len(open) {
		t := newTree()
		var kept []*change
		for _, c := range r.changes {
			if at := slices.Index(open, c); at < 0 || made&(1<<at) != 0 {
				t.apply(c)
				kept = append(kept, c)
			}
		}
		if t.disk().Differs(found) == "" {
			for _, c := range kept {
				c.end = min(c.end, r.moments)
			}
			r.changes, r.live = kept, t
			r.moments++
			return nil
		}
	}
	return errors.New("what the directory holds is not what was recorded")
}

// durable is the moment since when a change is on the disk.
func (r *Recording) durable(c *change) int {
	if c.names == nil {
		return r.synced(c.file, c.span)
	}
	at := 0
	for _, n := range c.names {
		at = max(at, r.synced(n.dir, c.span))
	}
	return at
}

// synced is when the first sync of a file or directory ended that began after a
// change had been made, unless one failed before.
func (r *Recording) synced(node int, made span) int {
	at := never
	for _, s := range r.syncs[node] {
		if s.begin > made.end {
			at = min(at, s.end)
		}
	}
	for _, f := range r.failed[node] {
		if made.begin < f.end && at > f.begin {
			return never
		}
	}
	return at
}

// Disk makes one of the disks that are possible after the power failed at a
// moment: the same one for the same random numbers.
func (r *Recording) Disk(moment int, random *rand.Rand) Disk {
	w := r.Walk()
	return w.Disk(moment, random)
}

// A Walk makes disks of later and later moments, which is much faster than to
// begin anew for each. It is used by one goroutine.
type Walk struct {
	rest    []*change // not begun
	base    tree      // what is durable
	pending []*change // begun and not durable
}

// Walk begins before everything.
func (r *Recording) Walk() *Walk { return &Walk{rest: r.changes, base: newTree()} }

// Disk is Recording.Disk for a moment that does not lie before the last one.
func (w *Walk) Disk(moment int, random *rand.Rand) Disk {
	for len(w.rest) > 0 && w.rest[0].begin < moment {
		w.pending = append(w.pending, w.rest[0])
		w.rest = w.rest[1:]
	}
	w.pending = slices.DeleteFunc(w.pending, func(c *change) bool {
		if c.durableAt < moment {
			w.base.apply(c)
		}
		return c.durableAt < moment
	})
	chances := []float64{0, 0.02, 0.5, 0.98, 1}
	g := gamble{
		random: random, tree: w.base.clone(), stale: map[[2]int64]bool{},
		whole: chances[random.IntN(len(chances))], part: chances[random.IntN(len(chances))], torn: random.Float64(),
		lengths: random.IntN(2) == 0,
	}
	for _, c := range w.pending {
		g.maybe(c)
	}
	return g.disk()
}

// A gamble makes a disk.
type gamble struct {
	tree
	random      *rand.Rand
	whole, part float64 // how likely a change, and a sector of a torn write, is on the disk
	torn        float64 // how many writes are torn
	lengths     bool    // files are as long as they were, with zeros where nothing arrived
	// stale are the sectors, by file and number, of which an older state is on
	// the disk: later writes do not come there, since a sector carries them all.
	stale map[[2]int64]bool
}

// maybe makes any part of a change that is not durable.
func (g *gamble) maybe(c *change) {
	switch {
	case c.data == nil:
		if g.random.Float64() < g.whole {
			g.apply(c)
		}
		return
	case g.lengths:
		if end := c.offset + int64(len(c.data)); end > int64(len(g.files[c.file])) {
			g.resize(c.file, end)
		}
	}
	chance := g.part
	if g.random.Float64() >= g.torn {
		if chance = 0; g.random.Float64() < g.whole {
			chance = 1
		}
	}
	for from := int64(0); from < int64(len(c.data)); {
		at := c.offset + from
		to := min(from+sector-at%sector, int64(len(c.data)))
		key := [2]int64{int64(c.file), at / sector}
		if !g.stale[key] {
			if g.random.Float64() < chance {
				g.write(c.file, at, c.data[from:to])
			} else {
				g.stale[key] = true
			}
		}
		from = to
	}
}
