package command

import (
	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/wire/textwire"
)

// page gives the head word and as many of the names as one answer holds; the
// client asks for the rest with the last one it got.
func (r *Request) page(head string, names []parley.Name) ([]string, error) {
	size, most := len(head), r.pageBytes()
	values := append(make([]string, 0, 1+min(len(names), r.Limits.Page)), head)
	for _, name := range names {
		size += 1 + textwire.Size(name.String())
		if len(values) > r.Limits.Page || size > most {
			break
		}
		values = append(values, name.String())
	}
	if len(values) == 1 && len(names) > 0 {
		return nil, errNothingFits
	}
	return values, nil
}

// errNothingFits refuses a list of which the request IDs leave no room for even
// one entry: an empty answer would mean that there is none.
var errNothingFits = parley.Errorf(parley.CodeRequestTooLong, "the request IDs leave no room for an answer")

// pageBytes is the most that a list takes in one answer.
func (r *Request) pageBytes() int { return min(r.Limits.PageBytes, r.Room) }
