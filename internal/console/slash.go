package console

import (
	"errors"
	"strings"

	"github.com/parley-chat/parley/wire/textwire"
)

// slashMark begins a command of the text protocol that is typed as people type
// commands: /dice 2d6. No command of the protocol begins so.
const slashMark = "/"

var (
	errNoWord    = errors.New("there is no command behind the /")
	errOpenQuote = errors.New(`a double quote is not closed; inside quotes \" is a quote, and \\ a backslash`)
	errNoSpace   = errors.New("a space is missing behind a closing double quote")
)

// slashed makes the data of a message of what stands behind the slash: words
// with spaces between them. Double quotes at the ends of a word keep spaces in
// it, and let it be empty. Commas and, outside of quotes, backslashes are like
// any other character.
func slashed(line string) (string, error) {
	var words []string
	for rest := strings.Trim(line, " "); rest != ""; rest = strings.TrimLeft(rest, " ") {
		var word string
		var err error
		if inside, ok := strings.CutPrefix(rest, `"`); ok {
			word, rest, err = quoted(inside)
		} else {
			word, rest, _ = strings.Cut(rest, " ")
		}
		if err != nil {
			return "", err
		}
		words = append(words, word)
	}
	if len(words) == 0 || words[0] == "" {
		return "", errNoWord
	}
	return string(textwire.Append(nil, words...)), nil
}

// quoted reads a word up to its closing quote.
func quoted(s string) (word, rest string, err error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			i++
		case s[i] == '"':
			if rest = s[i+1:]; rest != "" && rest[0] != ' ' {
				return "", "", errNoSpace
			}
			return b.String(), rest, nil
		}
		b.WriteByte(s[i])
	}
	return "", "", errOpenQuote
}
