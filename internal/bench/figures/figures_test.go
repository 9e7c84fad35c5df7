package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSheet(t *testing.T) {
	s := newSheet()
	s.kinds = []kind{{name: "ours"}, {name: rival}, {name: "another"}}
	const w1, idle = "room of 1000, w1, CPU s/M", "resident bytes of an idle client at 10,000"
	for round, v := range []float64{6, 4, 5} {
		s.set(w1, "ours", round, v)
		s.set(w1, rival, round, 2)
	}
	s.set(idle, "another", 0, 2816.4)
	var out strings.Builder
	if err := s.print(&out, 3); err != nil {
		t.Fatal(err)
	}
	table, rest, _ := strings.Cut(out.String(), "\n\n")
	want := `| measure | ours | InspIRCd | another |
| --- | ---: | ---: | ---: |
| room of 1000, w1, CPU s/M | 5 (2.50) | 2 | – |
| resident bytes of an idle client at 10,000 | – | – | 2816 |`
	if diff := cmp.Diff(want, table); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
	for _, words := range []string{"Medians of 3 rounds", "Load average", "fsync"} {
		if !strings.Contains(rest, words) {
			t.Errorf("%q is not in %q", words, rest)
		}
	}
}

// TestBatchesFillRows finds a row that no load of its batch can fill.
func TestBatchesFillRows(t *testing.T) {
	for _, b := range batches {
		line := strings.Join(b.args, " ")
		for _, r := range b.rows {
			load := r.load
			if b.args[0] != load { // a load of a window or a rate
				load = load[1:]
			}
			if !strings.Contains(line, load) {
				t.Errorf("%q has the row %q of load %s", line, r.name, r.load)
			}
		}
	}
}

func TestUnknownFlagsAndPrograms(t *testing.T) {
	for _, args := range [][]string{{"-fast"}, {"-only", "["}, {"-servers", "["}, {"-parley", "./no-such-program"}} {
		var out, errs bytes.Buffer
		if err := run(t.Context(), args, &out, &errs); err == nil || out.Len() > 0 {
			t.Errorf("figures %q: %v, %q; want an error and no table", args, err, &out)
		}
	}
}
