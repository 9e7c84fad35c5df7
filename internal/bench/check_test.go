package bench

import "testing"

func TestFlow(t *testing.T) {
	for _, tt := range []struct {
		name    string
		numbers []uint32
		fresh   int
		want    Tally
	}{
		{name: "in order", numbers: []uint32{1, 2, 3}, fresh: 3},
		{name: "the first is lost", numbers: []uint32{2, 3}, fresh: 2, want: Tally{Lost: 1}},
		{name: "three are lost", numbers: []uint32{1, 5}, fresh: 2, want: Tally{Lost: 3}},
		{name: "two change places", numbers: []uint32{1, 3, 2, 4}, fresh: 4, want: Tally{Reordered: 1}},
		{name: "one comes late, one never", numbers: []uint32{4, 2, 3}, fresh: 3, want: Tally{Lost: 1, Reordered: 2}},
		{name: "one comes again", numbers: []uint32{1, 2, 2}, fresh: 2, want: Tally{Repeated: 1}},
		{name: "one comes again later", numbers: []uint32{1, 2, 1, 3}, fresh: 3, want: Tally{Repeated: 1}},
		{name: "a late one comes again", numbers: []uint32{1, 3, 2, 2}, fresh: 3, want: Tally{Reordered: 1, Repeated: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var f flow
			var got Tally
			fresh := 0
			for _, n := range tt.numbers {
				if f.see(n, &got) {
					fresh++
				}
			}
			if got != tt.want || fresh != tt.fresh || got.bad() != (tt.want != Tally{}) {
				t.Errorf("see %v: %d fresh, %v; want %d, %v", tt.numbers, fresh, got, tt.fresh, tt.want)
			}
		})
	}
}

func TestStampRefuses(t *testing.T) {
	good := make([]byte, stampSize)
	stamp{stream: 1, number: 2, at: 3}.put(good)
	for i := range good {
		bad := append([]byte(nil), good...)
		bad[i] = 'w' // the first letter that is no digit
		if s, ok := readStamp(bad); ok {
			t.Errorf("readStamp(%q) = %+v, want none", bad, s)
		}
	}
	if s, ok := readStamp(good[:stampSize-1]); ok {
		t.Errorf("a stamp cut short is read as %+v", s)
	}
	if s, ok := readStamp([]byte("~000001vvvvvvv000000000003")); ok {
		t.Errorf("a number above 32 bits is read as %+v", s)
	}
}

func FuzzStamp(f *testing.F) {
	f.Add(uint32(0), uint32(0), int64(0))
	f.Add(uint32(1<<30-1), uint32(1<<32-1), int64(1<<60-1))
	f.Fuzz(func(t *testing.T, stream, number uint32, at int64) {
		want := stamp{stream & (1<<30 - 1), number, at & (1<<60 - 1)}
		payload := make([]byte, stampSize)
		want.put(payload)
		if got, ok := readStamp(payload); !ok || got != want {
			t.Errorf("%q is read as %+v, %v; want %+v", payload, got, ok, want)
		}
	})
}
