package parley

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/secure/bidirule"
	"golang.org/x/text/secure/precis"
	"golang.org/x/text/unicode/bidi"
	"golang.org/x/text/unicode/norm"
)

// The lengths of names, in code points after NFC.
const (
	MaxUserName    = 20 // of users and guests
	MinAccountName = 2  // of accounts; guests may have one character
	MaxRoomName    = 50
)

// Name is the name of a user or of a room. The zero Name is no name; every
// other one passed the rule for names of all doors (§1.5 of the protocol page):
//
//  1. It is in NFC, and no character is in it but letters with at most two combining
//     marks each, decimal digits, and _ - | [ ] { } ^ `. So it has no space, comma, dot,
//     backslash, control or format character, and cannot become syntax on any door.
//  2. Its key passed the same test, and the key of the key is the key.
//  3. Its scripts go together (UTS 39 §5.2) and its digits are of one system (§5.3).
//
// Two Names are one when their keys are equal; the operator == tells
// spellings apart.
type Name struct{ shown, key string }

// ParseUserName makes the name of a user or a guest out of what somebody typed:
// 1 to MaxUserName characters, not reserved and not the look-alike of a
// reserved name. An account's name needs MinAccountName characters besides:
// compare Len. Any refusal is an *Error with CodeInvalidName that says which
// rule was broken.
//
// The clauses: RFC 8265 §3.3 (PRECIS UsernameCaseMapped), UTS 39 §4 and §5.
func ParseUserName(s string) (Name, error) {
	n, err := parseName(s, MaxUserName)
	if err != nil {
		return Name{}, err
	}
	if isReserved(n) {
		return Name{}, badName("this name, or one that looks like it, is reserved; take another")
	}
	return n, nil
}

// ParseRoomName makes the name of a room out of what somebody typed: the rule is
// that of ParseUserName, but for 1 to MaxRoomName characters, and reserved
// names are allowed. Any refusal is an *Error with CodeInvalidName.
func ParseRoomName(s string) (Name, error) { return parseName(s, MaxRoomName) }

// StoredName makes a Name out of what String and Key gave earlier. It checks
// nothing: it is for names from our own database, which stay valid when a
// later version of Unicode would refuse them.
func StoredName(shown, key string) Name { return Name{shown: shown, key: key} }

// String gives the name as it is shown: as it was typed, in NFC.
func (n Name) String() string { return n.shown }

// Key gives the form by which names are compared: width folded, in lower case,
// in NFC (RFC 8265 §3.3, UsernameCaseMapped). Equal keys mean one name.
func (n Name) Key() string { return n.key }

// Len counts the characters of the name as shown, in code points.
func (n Name) Len() int { return utf8.RuneCountInString(n.shown) }

// IsZero says whether n is no name.
func (n Name) IsZero() bool { return n == Name{} }

// reserved are the names that no user may have: those of the server and its
// services, and the head words of the line protocol: a user called by one could
// say what its clients take for an answer of the server. They are keys.
var reserved = [...]string{
	"server", "system", "parley", "nickserv", "chanserv", "operserv", "everyone",
	"nameerror", "verified", "error", "joined", "left",
	"created", "rooms", "members", "clients", "welcome", "you",
}

// parseName is the rule of §1.5, but for the reserved names. The steps of RFC 8265
// §3.3 (enforcement) are in foldName; NFC comes first here, as lengths and
// marks are counted after it.
func parseName(s string, most int) (Name, error) {
	if !utf8.ValidString(s) {
		return Name{}, badName("the name is not UTF-8; send it in UTF-8")
	}
	// A code point in NFC comes from at most four others (UAX 15), of four bytes
	// each. Whatever is longer need not be normalised to be refused.
	if len(s) > most*4*utf8.UTFMax {
		return Name{}, badName("the name is far too long; use at most %d characters", most)
	}
	shown := norm.NFC.String(s)
	switch n := utf8.RuneCountInString(shown); {
	case n == 0:
		return Name{}, badName("the name is empty; use 1 to %d characters", most)
	case n > most:
		return Name{}, badName("the name has %d characters; use at most %d", n, most)
	case shown == "-":
		// On the line door it parts the rooms from the text.
		return Name{}, badName("a name cannot be - alone; add a letter or a digit")
	}
	if err := checkAlphabet(shown); err != nil {
		return Name{}, err
	}
	if err := checkMixing(shown); err != nil {
		return Name{}, err
	}
	key, err := foldName(shown)
	if err != nil {
		return Name{}, err
	}
	return Name{shown: shown, key: key}, nil
}

// checkAlphabet refuses a name in NFC with a character that names cannot hold, or
// with too many marks on a letter.
func checkAlphabet(s string) error {
	const maxMarks = 2
	marks := maxMarks // that the character before this one has; only a letter has room for more
	for _, r := range s {
		switch {
		case unicode.IsLetter(r):
			marks = 0
		case unicode.In(r, unicode.Mn, unicode.Mc):
			if marks++; marks > maxMarks {
				return badName("%U is a combining mark with no letter before it, or the third on one letter; leave it out", r)
			}
		case unicode.Is(unicode.Nd, r), strings.ContainsRune("_-|[]{}^`", r):
			marks = maxMarks
		default:
			return badName("a name cannot hold %s; use letters, digits and _ - | [ ] { } ^ `", describe(r))
		}
	}
	return nil
}

// identifier is the profile UsernameCaseMapped of RFC 8265 §3.3 without its
// directionality rule: x/text applies that rule to every name outside ASCII, and
// refuses josé_ and 1é, where the RFC wants it for right-to-left names only.
// foldName applies it as the RFC says. A profile keeps no state and may be shared.
var identifier = precis.NewIdentifier(precis.FoldWidth, precis.LowerCase(), precis.Norm(norm.NFC))

// foldName gives the key of a name in NFC, or refuses it.
func foldName(shown string) (string, error) {
	if isASCII(shown) {
		return strings.ToLower(shown), nil // all that the profile does to it
	}
	key, err := identifier.String(shown)
	if err != nil {
		return "", badName("a name cannot hold %s; use ordinary letters and digits", describe(firstRefused(shown)))
	}
	if bidirule.DirectionString(key) == bidi.RightToLeft && !bidirule.ValidString(key) {
		return "", badName("a name with right-to-left letters must begin with one and end with one or a digit, " +
			"and cannot have left-to-right letters")
	}
	// Folding may bring new marks: the halfwidth sound marks of Katakana are letters.
	if err := checkAlphabet(key); err != nil {
		return "", err
	}
	return key, nil
}

// isASCII tells whether a string holds ASCII only.
func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// firstRefused finds the character for which the profile refuses s. Without
// one, the fault is in how characters stand together, and any of them is shown.
func firstRefused(s string) rune {
	var last rune
	for _, r := range s {
		if last = r; r >= utf8.RuneSelf {
			if _, err := identifier.String(string(r)); err != nil {
				return r
			}
		}
	}
	return last
}

// describe names a character without showing what could drive a terminal.
func describe(r rune) string {
	if r == ' ' {
		return "a space"
	}
	if r > ' ' && r < 0x7F {
		return fmt.Sprintf("%c (%U)", r, r)
	}
	return fmt.Sprintf("%U", r)
}

// badName refuses a name.
func badName(format string, args ...any) error { return Errorf(CodeInvalidName, format, args...) }
