package linewire

import (
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Pieces splits a text, as it was said, into what can be shown of it on a
// terminal: CRLF, CR, LF, VT, FF, NEL, LS and PS end a piece, empty pieces are
// dropped, TAB stays, and any other control character becomes U+FFFD.
func Pieces(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for text != "" {
			end, skip := len(text), 0
			if plain(text) {
				yield(text)
				return
			}
			if at := strings.IndexFunc(text, isBreak); at >= 0 {
				_, size := utf8.DecodeRuneInString(text[at:])
				end, skip = at, size
			}
			if end > 0 && !yield(Clean(text[:end])) {
				return
			}
			text = text[end+skip:]
		}
	}
}

// Clean makes a string safe to show in one line: every control character but
// TAB, line breaks included, becomes U+FFFD, and so does every byte that is not
// UTF-8.
func Clean(s string) string {
	if plain(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r != '\t' && (unicode.IsControl(r) || isBreak(r)) {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(s, string(utf8.RuneError)))
}

// HasText tells whether a text holds anything but line breaks, so that every
// door has something to show of it.
func HasText(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return !isBreak(r) })
}

// isBreak tells whether a character ends a line somewhere.
func isBreak(r rune) bool {
	switch r {
	case '\n', '\v', '\f', '\r', '\u0085', '\u2028', '\u2029':
		return true
	}
	return false
}

// plain tells that a string is UTF-8 without control characters and breaks, so
// that it needs no work. It is false for a true U+FFFD too, which costs a copy.
func plain(s string) bool {
	for _, r := range s {
		if r == utf8.RuneError || r != '\t' && unicode.IsControl(r) || isBreak(r) {
			return false
		}
	}
	return true
}
