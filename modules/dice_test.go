package modules_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestDice(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir(), python(t), file(t, "dice.py"))
	p.provides(t, "dice")
	again := start(t, t.TempDir(), python(t), file(t, "dice.py"))
	again.provides(t, "dice")
	for _, tt := range []struct {
		spec               []string
		count, sides, more int
	}{
		{nil, 1, 6, 0},
		{words("d6"), 1, 6, 0},
		{words("2d6"), 2, 6, 0},
		{words("d2"), 1, 2, 0},
		{words("3d20+2"), 3, 20, 2},
		{words("3d20-100"), 3, 20, -100},
		{words("100d9999+999999"), 100, 9999, 999999},
	} {
		call := append(words("dice"), tt.spec...)
		got := p.call(t, "alice", call...)
		if same := again.call(t, "", call...); !slices.Equal(got, same) {
			t.Errorf("with the same DICE_SEED %q gives %q and %q", call, got, same)
		}
		if len(got) != 3 || got[0] != "dice" {
			t.Errorf("%q gives %q", call, got)
			continue
		}
		sum, rolls := tt.more, strings.Fields(got[2])
		for _, roll := range rolls {
			n, err := strconv.Atoi(roll)
			if err != nil || n < 1 || n > tt.sides {
				t.Errorf("%q gives a die of %s", call, roll)
			}
			sum += n
		}
		if len(rolls) != tt.count || got[1] != strconv.Itoa(sum) {
			t.Errorf("%q gives %q, want %d dice and the sum %d", call, got, tt.count, sum)
		}
	}
	for _, spec := range []string{
		"", "6", "d", "d1", "d0", "0d6", "101d6", "1000000000d6", "2d10000", "-1d6", "d6+", "d6++1", "d6+1234567", "2d6 ", " 2d6", "2D6",
		"d6\n", "2d6,1", `d\6`, "d٦", "²d6", "\x00", strings.Repeat("9", 60_000) + "d6",
	} {
		p.check(t, []row{{"alice", words("dice", spec), refused("syntax")}})
	}
	p.check(t, []row{
		{"alice", words("dice", "d6", "d6"), refused("syntax")}, // by ask
		{"alice", words("sides,\\\n", "d6"), refused("syntax")}, // by ask
		{"alice", words("", "é\\,"), refused("syntax")},         // by ask
	})
	p.write(t, "send", "alice", "text", `a push, \ and more`)
	p.write(t, "unheard-of")
	if got := p.call(t, "", "dice", "d6"); got[0] != "dice" {
		t.Errorf("after pushes dice gives %q", got)
	}
	p.end(t)
	again.end(t)
}
