// Command lookalike writes the table behind parley's Name.Skeleton from
// Unicode's confusables.txt (UTS 39 §4, "Confusable Detection"). The file is in
// the directory security/<version> of the Unicode data; its version should be
// the one of Go's package unicode. From the module's root:
//
//	go -C tools run ./lookalike -o ../lookalike_table.go /path/to/confusables.txt
//
// The table leaves out every character that cannot be in a name, and reads
// the data more leniently in one way: see lenient.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"go/format"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

func main() {
	out := flag.String("o", "../lookalike_table.go", "the file to write")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: lookalike [-o lookalike_table.go] confusables.txt")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(flag.Arg(0), *out); err != nil {
		fmt.Fprintln(os.Stderr, "lookalike:", err)
		os.Exit(1)
	}
}

// run reads the file in and writes the file out.
func run(in, out string) error {
	f, err := os.Open(in)
	if err != nil {
		return err
	}
	defer f.Close()
	d, err := parse(f)
	if err != nil {
		return fmt.Errorf("%s: %w", in, err)
	}
	lenient(d.targets)
	maps.DeleteFunc(d.targets, func(source rune, _ string) bool { return !occurs(source) })
	source, err := render(d)
	if err != nil {
		return err
	}
	return os.WriteFile(out, source, 0o644)
}

// data is what we use of confusables.txt.
type data struct {
	version string          // of Unicode
	notice  string          // the copyright line, which has to go with the data
	targets map[rune]string // a character, and what stands for all that look like it
}

// parse reads lines of the form "source ; target target … ; MA # comment".
// Source and targets are hexadecimal; the version and the copyright are in comments.
func parse(r io.Reader) (data, error) {
	d := data{targets: make(map[rune]string)}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimPrefix(lines.Text(), "\ufeff")
		fields, comment, _ := strings.Cut(line, "#")
		if v, ok := strings.CutPrefix(comment, " Version: "); ok {
			d.version = strings.TrimSpace(v)
		} else if strings.HasPrefix(comment, " ©") {
			d.notice = strings.TrimSpace(comment)
		}
		if strings.TrimSpace(fields) == "" {
			continue
		}
		field := strings.Split(fields, ";")
		if len(field) != 3 {
			return d, fmt.Errorf("line %d: %d fields, want 3", n, len(field))
		}
		source, err := characters(field[0])
		if err != nil || utf8.RuneCountInString(source) != 1 {
			return d, fmt.Errorf("line %d: source %q is not one character", n, field[0])
		}
		target, err := characters(field[1])
		if err != nil || target == "" {
			return d, fmt.Errorf("line %d: target %q is not a list of characters", n, field[1])
		}
		first, _ := utf8.DecodeRuneInString(source)
		d.targets[first] = target
	}
	if d.version == "" || d.notice == "" || len(d.targets) == 0 {
		return d, errors.New("no version, no copyright or no data: is this confusables.txt?")
	}
	return d, lines.Err()
}

// characters turns "0072 006E" into "rn".
func characters(hex string) (string, error) {
	var s strings.Builder
	for _, h := range strings.Fields(hex) {
		r, err := strconv.ParseUint(h, 16, 32)
		if err != nil {
			return "", err
		}
		s.WriteRune(rune(r))
	}
	return s.String(), nil
}

// lenient takes out the ASCII characters that stand for several, as m for rn:
// to refuse "marna" because somebody is called "mama" would annoy more people than it
// protects. What looks like the ASCII character is then mapped to it, so that
// a foreign m still looks like an m.
func lenient(targets map[rune]string) {
	for _, source := range slices.Sorted(maps.Keys(targets)) {
		target := targets[source]
		if source >= utf8.RuneSelf || utf8.RuneCountInString(target) == 1 {
			continue
		}
		delete(targets, source)
		for s, t := range targets {
			targets[s] = strings.ReplaceAll(t, target, string(source))
		}
	}
}

// unused lists blocks without a character that gets as far as the table. All of
// them hold other forms of characters: RFC 8264 refuses those as "HasCompat",
// or Name.Skeleton has decomposed them or folded their width before.
var unused = [...]struct{ first, last rune }{
	{0x3131, 0x318E},   // Hangul Compatibility Jamo
	{0xF900, 0xFAFF},   // CJK Compatibility Ideographs
	{0xFB00, 0xFDFF},   // Alphabetic Presentation Forms, Arabic Presentation Forms-A
	{0xFE70, 0xFEFF},   // Arabic Presentation Forms-B
	{0xFF00, 0xFFEF},   // Halfwidth and Fullwidth Forms
	{0x1D400, 0x1D7FF}, // Mathematical Alphanumeric Symbols
	{0x1EE00, 0x1EEFF}, // Arabic Mathematical Alphabetic Symbols
	{0x2F800, 0x2FA1F}, // CJK Compatibility Ideographs Supplement
}

// occurs says whether a character can be in a name, as far as package unicode
// can tell. A few that cannot remain, and cost only their place.
func occurs(r rune) bool {
	for _, block := range unused {
		if block.first <= r && r <= block.last {
			return false
		}
	}
	return unicode.In(r, unicode.L, unicode.Nd, unicode.Mn, unicode.Mc) || strings.ContainsRune("_-|[]{}^`", r)
}

// render writes the table as Go source, sorted by source. Everything outside ASCII is
// escaped: the table is full of what an editor shows in the wrong order or not at all.
func render(d data) ([]byte, error) {
	const perLine = 6
	var b bytes.Buffer
	fmt.Fprintf(&b, "// Code generated by tools/lookalike from confusables.txt of Unicode %s. DO NOT EDIT.\n//\n", d.version)
	fmt.Fprintf(&b, "// %s\n// For terms of use, see https://www.unicode.org/terms_of_use.html\n\n", d.notice)
	b.WriteString("package parley\n\n")
	fmt.Fprintf(&b, "// lookalikes maps a character to what stands for all that look like it, sorted by\n// from. The data is that of Unicode %s.\n", d.version)
	b.WriteString("var lookalikes = [...]lookalike{")
	for i, source := range slices.Sorted(maps.Keys(d.targets)) {
		if i%perLine == 0 {
			b.WriteString("\n\t")
		} else {
			b.WriteString(" ")
		}
		fmt.Fprintf(&b, "{0x%X, %s},", source, strconv.QuoteToASCII(d.targets[source]))
	}
	b.WriteString("\n}\n")
	return format.Source(b.Bytes())
}
