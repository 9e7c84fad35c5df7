package module

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/parley-chat/parley"
)

// listName is the file in the data directory that lists the modules.
const listName = "modules.txt"

// module is a line of the list, with what is granted to it.
type module struct {
	name  parley.Name
	words []string // the program and its arguments
	stamp string   // of those of them that are files
	grant Grant
}

// equal tells whether a running module need not be replaced.
func (m *module) equal(other *module) bool {
	return m.name.String() == other.name.String() && slices.Equal(m.words, other.words) && m.stamp == other.stamp &&
		slices.Equal(m.grant.Env, other.grant.Env) && m.grant.Network == other.grant.Network
}

// readList reads the list of a data directory. Without one there are no modules.
func readList(dir string, limits *Limits, log *slog.Logger) ([]*module, error) {
	file, err := os.Open(filepath.Join(dir, listName))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, int64(limits.List)+1))
	if err != nil {
		return nil, err
	}
	if len(text) > limits.List {
		return nil, fmt.Errorf("%s is larger than %d bytes; shorten it", listName, limits.List)
	}
	list := parseList(string(text), limits.Modules, log)
	for _, m := range list {
		m.stamp = stampOf(dir, m)
	}
	return list, nil
}

// stampOf tells apart what a module's program and the files among its arguments
// were and are: size and time. What is found by PATH is the system's, and left out.
func stampOf(dir string, m *module) (stamp string) {
	from := dir
	for i, word := range m.words {
		path := word
		if !filepath.IsAbs(word) {
			path = filepath.Join(from, word)
		}
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			stamp += fmt.Sprintln(i, info.Size(), info.ModTime().UnixNano())
		}
		from = homeOf(dir, m.name)
	}
	return stamp
}

// homeOf gives a module's own directory.
func homeOf(dir string, name parley.Name) string { return filepath.Join(dir, "modules", name.String()) }

// parseList makes modules of the lines of a list. One that cannot be is logged
// and skipped.
func parseList(text string, most int, log *slog.Logger) []*module {
	var list []*module
	number := 0
	for line := range strings.Lines(text) {
		number++
		m, err := parseLine(strings.TrimRight(line, "\r\n"))
		if err == nil && m != nil {
			err = refuse(list, m, most)
		}
		if err != nil {
			log.Error("a line of "+listName+" is skipped", "line", number, "err", err)
		} else if m != nil {
			list = append(list, m)
		}
	}
	return list
}

// refuse tells why a module cannot stand in the list besides those before it.
func refuse(list []*module, m *module, most int) error {
	if slices.ContainsFunc(list, func(other *module) bool { return other.name.Key() == m.name.Key() }) {
		return fmt.Errorf("there is a module %s already; give this one another name", m.name)
	}
	if len(list) == most {
		return fmt.Errorf("there are %d modules already, which is the most", most)
	}
	return nil
}

// parseLine makes a module of a line; nil of one that says nothing.
func parseLine(line string) (*module, error) {
	words, err := splitWords(line)
	if err != nil || len(words) == 0 {
		return nil, err
	}
	name, err := parley.ParseUserName(words[0])
	switch {
	case err != nil:
		return nil, fmt.Errorf("%q cannot be the name of a module: %w", words[0], err)
	case name.Len() < parley.MinAccountName:
		return nil, fmt.Errorf("the name %q is too short; use at least %d characters", words[0], parley.MinAccountName)
	case len(words) == 1 || words[1] == "":
		return nil, fmt.Errorf("the module %s has no program; write it behind the name", name)
	}
	return &module{name: name, words: words[1:]}, nil
}

// Faults of a line.
var (
	errQuote     = errors.New("a quote is not closed; close it on the same line")
	errBackslash = errors.New("the line ends with a backslash; leave it out, or quote it")
	errText      = errors.New("the line is not text; write it in UTF-8, without zero bytes")
)

// splitWords splits a line into words as a shell does, without what a shell does
// besides: in '…' every character is itself; in "…" a backslash takes the meaning of
// a quote or a backslash; outside, of any character. A # that begins a word
// begins a comment.
func splitWords(line string) ([]string, error) {
	if !utf8.ValidString(line) || strings.ContainsRune(line, 0) {
		return nil, errText
	}
	var words []string
	var word strings.Builder
	inWord := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; c {
		case ' ', '\t':
			if inWord {
				words = append(words, word.String())
			}
			word.Reset()
			inWord = false
		case '\'', '"':
			inWord = true
			size, err := quoted(&word, line[i:])
			if err != nil {
				return nil, err
			}
			i += size - 1
		case '\\':
			inWord = true
			if i++; i == len(line) {
				return nil, errBackslash
			}
			word.WriteByte(line[i])
		case '#':
			if !inWord {
				return words, nil
			}
			word.WriteByte(c)
		default:
			inWord = true
			word.WriteByte(c)
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}

// quoted adds what stands in the quotes with which a text begins, and gives its
// size with them.
func quoted(word *strings.Builder, text string) (int, error) {
	quote := text[0]
	for i := 1; i < len(text); i++ {
		c := text[i]
		if c == quote {
			return i + 1, nil
		}
		if c == '\\' && quote == '"' && i+1 < len(text) && (text[i+1] == '"' || text[i+1] == '\\') {
			i++
			c = text[i]
		}
		word.WriteByte(c)
	}
	return 0, errQuote
}
