package command

import (
	"slices"
	"strconv"
	"strings"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/wire/textwire"
)

// returnCall is "return", which is a word of Go.
var returnCall = &Command{
	Name: "return",
	Args: "n,[values]",
	Most: -1,
	Help: "ends a call that this session was handed; has no answer",
	Take: func(r *Request) {
		number, err := strconv.ParseUint(r.arg(0), 10, 64)
		if err != nil {
			return
		}
		values, refusal := returned(r.Args[1:], r.Limits)
		r.Session.Return(number, values, refusal)
	},
}

// returned gives what a program's values are for its caller, who must not be
// able to take them for anything else (1.4.8).
func returned(values []string, limits *parley.Limits) ([]string, *parley.Error) {
	switch {
	case len(values) == 0:
		return nil, nil
	case textwire.Size(values...) > limits.Return:
		return nil, parley.Errorf(parley.CodeUnhandled, "the program returned more than %d bytes", limits.Return)
	case values[0] == "error":
		return nil, returnedError(values[1:])
	case values[0] == req.Name || slices.Contains(pushes[:], values[0]):
		return nil, parley.Errorf(parley.CodeUnhandled, "the program returned what looks like something else: it begins with %s", values[0])
	}
	return values, nil
}

// returnedError makes a refusal of fatality, type and info.
func returnedError(values []string) *parley.Error {
	if len(values) < 3 || !isType(values[1]) {
		return parley.Errorf(parley.CodeUnhandled, "the program returned an error without a type and an info")
	}
	info := values[2]
	if info == "" {
		info = values[1] // there always is one
	}
	return &parley.Error{Code: parley.Code(values[1]), Message: info}
}

// isType tells whether a word can be the type of an error.
func isType(s string) bool {
	const most = 64
	return s != "" && len(s) <= most && !strings.ContainsFunc(s, func(c rune) bool {
		return (c < 'a' || 'z' < c) && (c < '0' || '9' < c) && c != '_'
	})
}
