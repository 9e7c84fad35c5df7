package console

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/parley-chat/parley/wire/linewire"
	"github.com/parley-chat/parley/wire/textwire"
)

// Escaped writes the fields as the data of a frame, in one line: a control
// character, a line break, and a byte that is not UTF-8 are written as in Go or
// C. That is not ambiguous, since the encoding itself writes a backslash only
// before a comma or a backslash.
func Escaped(fields []string) string {
	return escapeControls(string(textwire.Append(nil, fields...)))
}

func escapeControls(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case unicode.IsControl(r), r == '\u2028', r == '\u2029':
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteString(s[:size])
		}
		s = s[size:]
	}
	return b.String()
}

// answerLines shows an answer to a person: as it came, but lists that nobody
// could read in one line in several.
func answerLines(fields []string) string {
	if len(fields) == 0 || len(fields) == 1 && fields[0] == "" {
		return "(empty)"
	}
	switch {
	case fields[0] == "help" && len(fields) > 2:
		lines := []string{"help"}
		for _, usage := range fields[1:] {
			lines = append(lines, "  "+shown(usage))
		}
		return strings.Join(lines, "\n")
	case fields[0] == "history" && len(fields) > 1 && len(fields)%4 == 1:
		lines := []string{"history"}
		for m := fields[1:]; len(m) > 0; m = m[4:] {
			prefix := fmt.Sprintf("  %s %s <%s> ", shown(m[0]), shown(m[1]), shown(m[2]))
			lines = append(lines, pieces(prefix, m[3])...)
		}
		return strings.Join(lines, "\n")
	}
	return Escaped(fields)
}

// pushLines shows to a person what others caused.
func pushLines(fields []string) string {
	if isCall(fields) {
		return callLine(fields)
	}
	prefix, text, ok := pushWords(fields)
	if !ok {
		return "* " + Escaped(fields)
	}
	lines := pieces("* "+prefix, text)
	if len(lines) == 0 {
		return strings.TrimRight("* "+prefix, " ")
	}
	return strings.Join(lines, "\n")
}

// isCall tells whether a push wants an answer: somebody asks for a command.
func isCall(fields []string) bool { return fields[0] == "call" && len(fields) >= 4 }

// callLine says who asks what, and how to answer.
func callLine(f []string) string {
	caller := shown(f[3])
	if caller == "" {
		caller = "somebody without a name"
	}
	asked := Escaped(append([]string{f[2]}, f[4:]...))
	return fmt.Sprintf("* %s asks: %s  (answer with return,%s,ANSWER)", caller, asked, Escaped(f[1:2]))
}

// pushWords puts the pushes of our server into words: a prefix of one line, and
// the text that somebody wrote.
func pushWords(f []string) (prefix, text string, ok bool) {
	// A row fits if head and number of fields do; %[n] is a field, and the last
	// is the text.
	for _, row := range []struct {
		head   string
		fields int
		third  string // of send, which carries other commands too
		prefix string
	}{
		{"room", 6, "", "room %[2]s <%[3]s> "},
		{"send", 4, "text", "%[2]s whispers: "},
		{"told", 6, "", "%[2]s tells %[3]s: "},
		{"joined", 3, "", "%[3]s joined %[2]s"},
		{"left", 3, "", "%[3]s left %[2]s"},
		{"left", 4, "", "%[3]s left %[2]s: "},
		{"topic", 4, "", "%[3]s set the topic of %[2]s: "},
		{"deleted", 3, "", "%[3]s deleted the room %[2]s"},
	} {
		if f[0] != row.head || len(f) != row.fields || row.third != "" && f[2] != row.third {
			continue
		}
		clean := make([]any, len(f))
		for i, field := range f {
			clean[i] = shown(field)
		}
		if row.fields > 3 {
			text = f[len(f)-1]
		}
		return fmt.Sprintf(row.prefix+"%.0[1]s", clean...), text, true
	}
	return "", "", false
}

// pieces gives each line of a text with the prefix, so that no text can look
// like something else.
func pieces(prefix, text string) []string {
	var lines []string
	for piece := range linewire.Pieces(text) {
		lines = append(lines, prefix+piece)
	}
	return lines
}
