package simulation

import (
	"flag"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/proof"
)

var (
	seed  = flag.Uint64("seed", 0, "run this seed alone; 0: many, from 1 on")
	seeds = flag.Int("seeds", 0, "run so many, from -seed on; 0: as many as usual")
	again = flag.Int("again", 1, "run each so many times")
	whole = flag.Bool("whole", false, "print whole traces")
)

// TestMain gives the tests one processor: two would make a run depend on which
// of two goroutines is faster.
func TestMain(m *testing.M) {
	runtime.GOMAXPROCS(1)
	os.Exit(m.Run())
}

// TestSimulation is S1 of the threats: seeds in which everything may go wrong
// but the server.
func TestSimulation(t *testing.T) {
	first, n := uint64(1), proof.Size(60, 1000, 100_000)
	if *seed != 0 {
		first, n = *seed, 1
	}
	if *seeds != 0 {
		n = *seeds
	} else if underRace() && n > 1 {
		n /= 4 // each takes ten times as long
	}
	var all stats
	begin := time.Now()
	for i := range n {
		for range *again {
			o := simulate(t, first+uint64(i), "", plant{})
			all.add(o.stats)
			if o.wrong() {
				t.Errorf("%v", &o)
			}
		}
	}
	if n >= 60 && (all.lives < 2*n || min(all.unknown, all.refused, all.repeated, all.resets, all.cut, all.returned) < n/2) {
		t.Errorf("next to nothing went wrong in %d seeds, which proves nothing: %+v", n, all)
	}
	t.Logf("%d seeds, %.1f a second: %+v", n, float64(n**again)/time.Since(begin).Seconds(), all)
}

// TestOnSQLite runs some seeds on the real store. They are slower by far.
func TestOnSQLite(t *testing.T) {
	n := proof.Size(2, 20, 1000)
	for i := range n {
		if o := simulate(t, uint64(i+1), t.TempDir(), plant{}); o.wrong() {
			t.Errorf("on SQLite: %v", &o)
		}
	}
}

// TestReplay runs seeds again, until a run is the same as an earlier one of its
// seed to the last event. On a busy machine not every run is.
func TestReplay(t *testing.T) {
	const most = 4 // runs of a seed
	n, same, runs := proof.Size(6, 30, 300), 0, 0
	for seed := range uint64(n) {
		seen := map[uint64]bool{}
		for range most {
			o := simulate(t, seed+1, "", plant{})
			runs++
			if seen[o.sum()] {
				same++
				break
			}
			seen[o.sum()] = true
		}
	}
	t.Logf("%d of %d seeds were the same again, in %d runs", same, n, runs)
	if same < n && !underRace() {
		t.Errorf("%d of %d seeds were different %d times", n-same, n, most)
	}
}

// underRace tells whether there is the race detector, which runs goroutines in
// another order each time, on purpose.
func underRace() bool {
	info, _ := debug.ReadBuildInfo()
	return info != nil && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

func (s *stats) add(o stats) {
	s.posts += o.posts
	s.unknown += o.unknown
	s.refused += o.refused
	s.repeated += o.repeated
	s.resets += o.resets
	s.lives += o.lives
	s.cut += o.cut
	s.returned += o.returned
	s.fake += o.fake
}
