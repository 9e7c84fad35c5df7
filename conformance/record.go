package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"
)

// An Edit is a line of a file of stories that has to change.
type Edit struct {
	File string // as in Story.File
	Line int
	Text string
}

// Apply makes the changes in the files under dir, the folder of this package.
// Of two changes to one line, as a repetition can make, the first counts.
func Apply(dir string, edits []Edit) error {
	files := map[string]map[int]string{}
	for _, e := range edits {
		if files[e.File] == nil {
			files[e.File] = map[int]string{}
		}
		if _, ok := files[e.File][e.Line]; !ok {
			files[e.File][e.Line] = e.Text
		}
	}
	for name, changes := range files {
		if err := rewrite(filepath.Join(dir, filepath.FromSlash(name)), changes); err != nil {
			return err
		}
	}
	return nil
}

func rewrite(file string, changes map[int]string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	lines := strings.Split(string(data), "\n")
	for number, text := range changes {
		if number < 1 || number > len(lines) {
			return fmt.Errorf("%s has no line %d", file, number)
		}
		lines[number-1] = text
	}
	return os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o644)
}

var (
	timeSeen  = regexp.MustCompile(`(^|[^\\])\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`)
	errorInfo = regexp.MustCompile(`(error,(?:non)?fatal,[a-z_]+),[^*].*`)
)

// literal writes what arrived as a pattern: fresh names become $name again,
// bound values {name}, other times and the words of an error for people a star.
func (p *player) literal(got string) string {
	var b strings.Builder
	for i, r := range got {
		_, size := utf8.DecodeRuneInString(got[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `{\x%02x}`, got[i])
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `{\x%02x}`, r)
		case 0x80 <= r && r < 0xa0, r == '\u2028', r == '\u2029':
			fmt.Fprintf(&b, `{\u%04x}`, r)
		case r == ' ' && i+1 == len(got):
			b.WriteString(`{\x20}`)
		case r == '*':
			b.WriteString(`\*`)
		case r == '$' || r == '{':
			b.WriteRune(r)
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	text := timeSeen.ReplaceAllString(b.String(), "$1*")
	text = errorInfo.ReplaceAllString(text, "$1,*")
	for name, known := range p.world.values {
		if len(known) > 3 { // shorter ones may be there by chance
			text = strings.ReplaceAll(text, known, "{"+name+"}")
		}
	}
	names := regexp.MustCompile(`([A-Za-z][A-Za-z0-9]*)` + regexp.QuoteMeta(p.world.unique) + `\b`)
	return names.ReplaceAllString(text, "$$$1")
}
