package textwire

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// The ways in which the data of a frame can be wrong. The stream goes on.
var (
	ErrNotUTF8       = errors.New("the message is not UTF-8")
	ErrLoneBackslash = errors.New("the message ends with a backslash that escapes nothing; write \\\\ for a backslash")
	ErrTooManyFields = errors.New("the message has too many arguments")
)

// Parse splits the data of a frame into fields: the command and its arguments.
// Empty data is one empty field. More than most fields are refused before they
// are allocated. The fields do not alias data.
func Parse(data []byte, most int) ([]string, error) {
	if !utf8.Valid(data) {
		return nil, ErrNotUTF8
	}
	text := string(data)
	fields := make([]string, 0, min(strings.Count(text, ",")+1, most))
	for {
		field, rest, more, err := cut(text)
		if err != nil {
			return nil, err
		}
		if len(fields) == most {
			return nil, ErrTooManyFields
		}
		fields = append(fields, field)
		if !more {
			return fields, nil
		}
		text = rest
	}
}

// cut takes the first field off text and unescapes it.
func cut(text string) (field, rest string, more bool, err error) {
	at := indexSyntax(text)
	if at < 0 {
		return text, "", false, nil
	}
	if text[at] == ',' {
		return text[:at], text[at+1:], true, nil
	}
	var b strings.Builder
	for at >= 0 && text[at] == '\\' {
		if at+1 == len(text) {
			return "", "", false, ErrLoneBackslash
		}
		// The escaped character may be of several bytes; its first byte is
		// enough, the others are found to be plain.
		b.WriteString(text[:at])
		b.WriteByte(text[at+1])
		text = text[at+2:]
		at = indexSyntax(text)
	}
	if at < 0 {
		b.WriteString(text)
		return b.String(), "", false, nil
	}
	b.WriteString(text[:at])
	return b.String(), text[at+1:], true, nil
}

// indexSyntax finds the first comma or backslash, or gives -1.
func indexSyntax(s string) int {
	comma := strings.IndexByte(s, ',')
	if comma >= 0 {
		s = s[:comma]
	}
	if backslash := strings.IndexByte(s, '\\'); backslash >= 0 {
		return backslash
	}
	return comma
}

// Append appends the fields as the data of a frame, escaping commas and
// backslashes and nothing else.
func Append(dst []byte, fields ...string) []byte {
	for i, field := range fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendEscaped(dst, field)
	}
	return dst
}

func appendEscaped(dst []byte, field string) []byte {
	for {
		at := indexSyntax(field)
		if at < 0 {
			return append(dst, field...)
		}
		dst = append(dst, field[:at]...)
		dst = append(dst, '\\', field[at])
		field = field[at+1:]
	}
}

// Size tells how many bytes of data the fields make when they are encoded.
func Size(fields ...string) int {
	size := max(len(fields)-1, 0)
	for _, field := range fields {
		size += len(field) + strings.Count(field, ",") + strings.Count(field, `\`)
	}
	return size
}
