package linewire

import "strings"

// Cut takes the first part off a message: the parts are separated by spaces,
// and empty parts are ignored. The rest begins behind the one space that ends
// the part, and is otherwise untouched.
func Cut(msg string) (part, rest string) {
	msg = strings.TrimLeft(msg, " ")
	part, rest, _ = strings.Cut(msg, " ")
	return part, rest
}

// Parts splits a message into its parts.
func Parts(msg string) []string {
	return strings.FieldsFunc(msg, func(r rune) bool { return r == ' ' })
}

// CutMarker splits what follows the word "send": the names before the message
// marker, and the text behind the marker and one space. The first part that is
// exactly "-" is the marker. Without a marker, or without a space behind it,
// ok is false.
func CutMarker(rest string) (names []string, text string, ok bool) {
	for rest != "" {
		var part string
		rest = strings.TrimLeft(rest, " ")
		at := strings.IndexByte(rest, ' ')
		if at < 0 {
			return names, "", false
		}
		part, rest = rest[:at], rest[at+1:]
		if part == "-" {
			return names, rest, true
		}
		names = append(names, part)
	}
	return names, "", false
}
