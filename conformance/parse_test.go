package conformance

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	all, err := Parse("stories/x.txtar", []byte(`A theme.

Of two paragraphs.
-- the first --
# clause: 1.1 F09
# extension
# heavy
# A comment.
open a text
open b line chunk
a> x

-- the second --
# clause: 2
open b line
leave b
open b line
`))
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 2 {
		t.Fatalf("%d stories, want 2", len(all))
	}
	first, second := all[0], all[1]
	if first.String() != "x/the first" || first.Line != 4 || first.Clause != "1.1 F09" || !first.Extension || !first.Heavy ||
		strings.Join(first.Doors, " ") != "line text" || len(first.steps) != 3 || first.steps[2].line != 11 {
		t.Errorf("first story: %+v", first)
	}
	if second.Line != 13 || second.Clause != "2" || second.Extension || second.Heavy ||
		strings.Join(second.Doors, " ") != "line" || second.steps[0].line != 15 {
		t.Errorf("second story: %+v", second)
	}
}

func TestParseRefuses(t *testing.T) {
	const head = "# clause: 1\n"
	tests := []struct{ name, story, want string }{
		{"no clause", "open a text", "no \"# clause: \""},
		{"no steps", head, "no steps"},
		{"unknown step", head + "sleep 1", `x.txtar:3: story "s": "sleep 1" is not a step`},
		{"operator without space", head + "open a text\na>x", "is not a step"},
		{"stranger speaks", head + "a> x", "a is not connected here"},
		{"after leaving", head + "open a text\nleave a\na> x", "x.txtar:5: story \"s\": a is not connected here"},
		{"after the end", head + "open a text\nclosed a\nquiet a", "quiet wants the name of an actor"},
		{"twice", head + "open a text\nopen a text", "is connected"},
		{"unknown door", head + "open a irc", "open wants"},
		{"chunk on the text door", head + "open a text chunk", "open wants"},
		{"space at the end", head + "open a text\na> x ", "ends in a space"},
		{"CR at the end", head + "open a text\na> x\r", "ends in a space"},
		{"no quotes", head + "open a text\na>> x", "quotes of Go"},
		{"bad pattern", head + "open a text\na< {", "a brace is not closed"},
		{"bad data", head + "open a text\na> $", "write $$"},
		{"question without an answer", head + "open a text\na>? x\nquiet a", "wants a< PATTERN"},
		{"answer of another", head + "open a text\nopen b text\na>? x\nb< y", "wants a< PATTERN"},
		{"enter without a name", head + "open a line\nenter a", "enter wants the name of an actor"},
		{"a stranger enters", head + "open a line\nregain b $b", "regain wants the name of an actor"},
		{"race of one", head + "open a text\nrace a: x | y", "race wants"},
		{"race of strangers", head + "open a text\nrace a b: x | y", "b is not connected"},
		{"check without an operator", head + "check {a} {b}", "check wants"},
		{"check with another", head + "check {a} > {b}", "check wants"},
		{"repeat for ever", head + "repeat", "repeat wants a number"},
		{"repeat without end", head + "open a text\nrepeat 2\na> x", "without end"},
		{"end without repeat", head + "end", "is not a step"},
		{"the same name twice", head + "open a text\n-- s --\n" + head + "open a text", "the name is taken"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("x.txtar", []byte("-- s --\n"+tt.story+"\n"))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Parse(%q) = %v, want an error with %q", tt.story, err, tt.want)
			}
		})
	}
}

func TestCounterSorts(t *testing.T) {
	last := ""
	for i := range maxRepeat {
		now := counter(i)
		if now <= last || len(now) != 3 {
			t.Fatalf("counter(%d) = %q after %q", i, now, last)
		}
		last = now
	}
}

func TestLoad(t *testing.T) {
	all, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatal("no stories")
	}
}
