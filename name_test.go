package parley

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"
	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

// nameRow is a row of testdata/names.txt, which explains the columns.
type nameRow struct {
	line                        int
	input, verdict, group, look string
}

// nameRows reads testdata/names.txt.
func nameRows(t testing.TB) []nameRow {
	t.Helper()
	f, err := os.Open("testdata/names.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var rows []nameRow
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		quoted, err := strconv.QuotedPrefix(line)
		if err != nil {
			t.Fatalf("names.txt:%d: %v", n, err)
		}
		row := nameRow{line: n, group: "-", look: "-"}
		if row.input, err = strconv.Unquote(quoted); err != nil {
			t.Fatalf("names.txt:%d: %v", n, err)
		}
		columns := strings.Fields(line[len(quoted):])
		for i, to := range []*string{&row.verdict, &row.group, &row.look} {
			if i < len(columns) {
				*to = columns[i]
			}
		}
		rows = append(rows, row)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return rows
}

// verdictOf parses s in both ways and gives the word of names.txt for what came of it.
func verdictOf(s string) (Name, string) {
	room, roomErr := ParseRoomName(s)
	user, userErr := ParseUserName(s)
	switch {
	case roomErr == nil && userErr == nil && room == user:
		return room, "ok"
	case roomErr == nil && userErr != nil:
		return room, "room"
	case roomErr != nil && userErr != nil:
		return Name{}, "invalid_name"
	}
	return Name{}, fmt.Sprintf("room %v (%v) but user %v (%v)", room, roomErr, user, userErr)
}

// TestNames drives ParseUserName, ParseRoomName, Key and Skeleton with the table.
func TestNames(t *testing.T) {
	keys, skeletons := newClasses(), newClasses()
	for _, row := range nameRows(t) {
		name, got := verdictOf(row.input)
		if got != row.verdict {
			_, err := ParseUserName(row.input)
			t.Errorf("names.txt:%d: parse %+q: got %s, want %s (ParseUserName: %v)", row.line, row.input, got, row.verdict, err)
			continue
		}
		if problem := keys.add(row.group, name.Key()); problem != "" {
			t.Errorf("names.txt:%d: Key of %+q: %s", row.line, row.input, problem)
		}
		if problem := skeletons.add(row.look, name.Skeleton()); problem != "" {
			t.Errorf("names.txt:%d: Skeleton of %+q: %s", row.line, row.input, problem)
		}
	}
}

// classes tells whether labels and values go one to one.
type classes struct{ byLabel, byValue map[string]string }

func newClasses() classes {
	return classes{byLabel: make(map[string]string), byValue: make(map[string]string)}
}

// add says what is wrong with this value under this label, after all before.
func (c classes) add(label, value string) string {
	if label == "-" {
		return ""
	}
	if want, ok := c.byLabel[label]; ok && want != value {
		return fmt.Sprintf("got %+q, want %+q as others of %s", value, want, label)
	}
	if other, ok := c.byValue[value]; ok && other != label {
		return fmt.Sprintf("got %+q, want another than that of %s", value, other)
	}
	c.byLabel[label], c.byValue[value] = value, label
	return ""
}

// TestNameRefusal looks at the sentences: they say which rule and show nothing raw.
func TestNameRefusal(t *testing.T) {
	tests := []struct{ input, want string }{
		{"", "the name is empty"},
		{"\xff", "not UTF-8"},
		{"abcdefghijklmnopqrstu", "has 21 characters; use at most 20"},
		{strings.Repeat("a", 5000), "far too long"},
		{"-", "- alone"},
		{"al ice", "a space"},
		{"#x", "# (U+0023)"},
		{"a\u202eb", "U+202E"},
		{"a\x1b[2J", "U+001B"},
		{"x\u0301\u0302\u0303", "U+0303 is a combining mark"},
		{"\u0301", "U+0301 is a combining mark"},
		{"\u00aa", "U+00AA"},
		{"serv\u0435r", "U+0435 is of another script"},
		{"1\u0967", "U+0967 belongs to another system"},
		{"\u05d0\u05d1_", "right-to-left"},
		{"NickServ", "reserved"},
		{"1eft", "reserved"},
	}
	for _, tt := range tests {
		_, err := ParseUserName(tt.input)
		var refusal *Error
		if !errors.As(err, &refusal) || refusal.Code != CodeInvalidName {
			t.Errorf("ParseUserName(%+q): got error %v, want an *Error with %s", tt.input, err, CodeInvalidName)
			continue
		}
		if !strings.Contains(refusal.Message, tt.want) {
			t.Errorf("ParseUserName(%+q): got %q, want it to hold %q", tt.input, refusal.Message, tt.want)
		}
		checkRefusal(t, tt.input, err)
	}
}

// TestNameAccessors is about what is left of the API.
func TestNameAccessors(t *testing.T) {
	if n := (Name{}); !n.IsZero() || n.String() != "" || n.Key() != "" || n.Len() != 0 || n.Skeleton() != "" {
		t.Errorf("the zero Name: got %+v with skeleton %q, want everything empty", n, n.Skeleton())
	}
	n := mustUser(t, "Zoe\u0308")
	if n.IsZero() || n.Len() != 3 || n.String() != "Zo\u00eb" {
		t.Errorf("ParseUserName(Zoë): got %+q of length %d, want \"Zo\\u00eb\" of length 3", n.String(), n.Len())
	}
	if stored := StoredName(n.String(), n.Key()); stored != n {
		t.Errorf("StoredName: got %+v, want %+v", stored, n)
	}
	if got := StoredName("server", "server"); got.IsZero() {
		t.Error("StoredName(server): got no name, want one: it trusts its caller")
	}
}

// TestNamesAtOnce gives the race detector something to look at: profile and
// tables are shared.
func TestNamesAtOnce(t *testing.T) {
	rows := nameRows(t)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for _, row := range rows {
				if _, got := verdictOf(row.input); got != row.verdict {
					t.Errorf("parse %+q beside others: got %s, want %s", row.input, got, row.verdict)
				}
			}
		})
	}
	all.Wait()
}

// TestLookalikeTable keeps what skeleton relies on.
func TestLookalikeTable(t *testing.T) {
	for i, row := range lookalikes {
		if i > 0 && row.from <= lookalikes[i-1].from {
			t.Errorf("lookalikes[%d]: got %U after %U, want them sorted", i, row.from, lookalikes[i-1].from)
		}
		if row.from < utf8.RuneSelf && utf8.RuneCountInString(row.to) != 1 {
			t.Errorf("lookalikes[%d]: %q is like %q, want one character for an ASCII one", i, row.from, row.to)
		}
	}
}

// TestDigitSystems keeps what digitZero relies on: a range of decimal digits
// begins with a zero and is whole.
func TestDigitSystems(t *testing.T) {
	for _, d := range unicode.Nd.R16 {
		if d.Stride != 1 || (d.Hi-d.Lo+1)%10 != 0 {
			t.Errorf("unicode.Nd: got range %U to %U by %d, want tens by 1", d.Lo, d.Hi, d.Stride)
		}
	}
	for _, d := range unicode.Nd.R32 {
		if d.Stride != 1 || (d.Hi-d.Lo+1)%10 != 0 {
			t.Errorf("unicode.Nd: got range %U to %U by %d, want tens by 1", d.Lo, d.Hi, d.Stride)
		}
	}
}

// TestEveryCharacterAsName checks the properties of each character on its own,
// and of each mark after a letter. The characters of the largest scripts are all of a
// kind, as are symbols and those that mean nothing: one in 97 of them will do.
func TestEveryCharacterAsName(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if r%97 != 0 && (!unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.Z, unicode.Cc, unicode.Cf) ||
			unicode.In(r, unicode.Han, unicode.Hangul, unicode.Tangut, unicode.Yi, unicode.Egyptian_Hieroglyphs, unicode.Cuneiform)) {
			continue
		}
		checkName(t, string(r))
		if unicode.IsMark(r) {
			checkName(t, "x"+string(r))
		}
	}
}

// TestNameProperties feeds made-up names.
func TestNameProperties(t *testing.T) {
	names := rapid.SliceOfN(madeNames(), 40, 40)
	rapid.Check(t, func(t *rapid.T) {
		for _, s := range names.Draw(t, "names") {
			checkName(t, s)
		}
	})
}

// madeNames are pieces that alone would often pass, side by side, and any text.
func madeNames() *rapid.Generator[string] {
	scripts := []*unicode.RangeTable{
		unicode.Latin, unicode.Cyrillic, unicode.Greek, unicode.Hebrew, unicode.Arabic, unicode.Han, unicode.Hiragana,
		unicode.Katakana, unicode.Hangul, unicode.Devanagari, unicode.Thai, unicode.Cherokee, unicode.Georgian, unicode.Armenian,
	}
	piece := rapid.OneOf(
		rapid.StringMatching("[A-Za-z0-9_|{}^`\\[\\]-]{1,6}"),
		rapid.StringOfN(rapid.RuneFrom([]rune("ａＺｱﾀﾟﾞ１")), 1, 4, -1),
		rapid.StringOfN(rapid.RuneFrom(nil, unicode.Mn, unicode.Mc), 1, 3, -1),
		rapid.Custom(func(t *rapid.T) string {
			letters := rapid.RuneFrom(nil, rapid.SampledFrom(scripts).Draw(t, "script"))
			return rapid.StringOfN(letters, 1, 6, -1).Draw(t, "letters")
		}),
	)
	together := func(pieces []string) string { return strings.Join(pieces, "") }
	return rapid.OneOf(rapid.Map(rapid.SliceOfN(piece, 1, 4), together), rapid.String())
}

// FuzzParseUserName looks for a name that breaks a property. The rows of
// names.txt are seeds besides the corpus.
func FuzzParseUserName(f *testing.F) {
	for _, row := range nameRows(f) {
		f.Add(row.input)
	}
	f.Fuzz(func(t *testing.T, s string) { checkName(t, s) })
}

// tester is what checkName needs of testing.T and rapid.T.
type tester interface {
	Helper()
	Errorf(format string, args ...any)
}

// checkName checks what holds for every string, whether a name or not.
func checkName(t tester, s string) {
	t.Helper()
	user, err := ParseUserName(s)
	if err != nil {
		checkRefusal(t, s, err)
	}
	room, roomErr := ParseRoomName(s)
	if roomErr != nil {
		checkRefusal(t, s, roomErr)
		if err == nil {
			t.Errorf("ParseRoomName(%+q): got %v, want a room where a user is allowed", s, roomErr)
		}
		return
	}
	if err == nil && user != room {
		t.Errorf("ParseUserName(%+q): got %+v, want %+v as ParseRoomName", s, user, room)
	}
	checkAccepted(t, s, room)
	if again, againErr := ParseRoomName(room.String()); againErr != nil || again != room {
		t.Errorf("ParseRoomName(String() of %+q): got %+v and %v, want %+v", s, again, againErr, room)
	}
	if again, againErr := ParseUserName(room.String()); err == nil && (againErr != nil || again != user) {
		t.Errorf("ParseUserName(String() of %+q): got %+v and %v, want %+v", s, again, againErr, user)
	}
}

// TestASCIINames holds the short way of ASCII names against the long one.
func TestASCIINames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`[A-Za-z0-9_\-|\[\]{}^`+"`"+`]{1,20}`).Draw(t, "name")
		if got, want := skeleton(s), fullSkeleton(s); got != want {
			t.Errorf("skeleton(%q): got %q, want %q", s, got, want)
		}
		key, err := foldName(s)
		if want, _ := identifier.String(s); key != want || err != nil {
			t.Errorf("foldName(%q): got %q and %v, want %q", s, key, err, want)
		}
	})
}

// checkAccepted checks an accepted name by itself.
func checkAccepted(t tester, s string, n Name) {
	t.Helper()
	if key, err := foldName(n.Key()); err != nil || key != n.Key() {
		t.Errorf("foldName(Key() of %+q): got %+q and %v, want %+q", s, key, err, n.Key())
	}
	// Where x/text's own profile accepts a name, ours gives the same key.
	if key, err := precis.UsernameCaseMapped.String(n.String()); err == nil && key != n.Key() {
		t.Errorf("Key of %+q: got %+q, want %+q as UsernameCaseMapped", s, n.Key(), key)
	}
	if n.Len() < 1 || n.Len() > MaxRoomName {
		t.Errorf("Len of %+q: got %d, want 1 to %d", s, n.Len(), MaxRoomName)
	}
	if n.Skeleton() == "" || !norm.NFD.IsNormalString(n.Skeleton()) {
		t.Errorf("Skeleton of %+q: got %+q, want something in NFD", s, n.Skeleton())
	}
	for _, form := range []string{n.String(), n.Key()} {
		if !utf8.ValidString(form) || !norm.NFC.IsNormalString(form) {
			t.Errorf("parse %+q: got %+q, want UTF-8 in NFC", s, form)
		}
		for _, r := range form {
			if unicode.IsControl(r) || unicode.IsSpace(r) || unicode.In(r, unicode.C, unicode.Z) || strings.ContainsRune(`,.\#&+!@:*?$~%<>"'/;=()`, r) {
				t.Errorf("parse %+q: got %+q, want a refusal for %U", s, form, r)
			}
		}
	}
}

// checkRefusal checks that a refusal is ours and safe to print.
func checkRefusal(t tester, s string, err error) {
	t.Helper()
	var refusal *Error
	if !errors.As(err, &refusal) || refusal.Code != CodeInvalidName {
		t.Errorf("parse %+q: got error %v, want an *Error with %s", s, err, CodeInvalidName)
	} else if strings.ContainsFunc(refusal.Message, func(r rune) bool { return r < ' ' || r > '~' }) {
		t.Errorf("parse %+q: got message %+q, want printable ASCII", s, refusal.Message)
	}
}

// mustUser parses a name that a test relies on.
func mustUser(t *testing.T, s string) Name {
	t.Helper()
	n, err := ParseUserName(s)
	if err != nil {
		t.Fatalf("ParseUserName(%+q): got %v, want a name", s, err)
	}
	return n
}

// BenchmarkParseRoomName is the price of a name in every command.
func BenchmarkParseRoomName(b *testing.B) {
	for _, s := range []string{"lobby", "Алиса", "田中太郎"} {
		b.Run(s, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseRoomName(s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
