package client

import (
	"errors"

	"github.com/parley-chat/parley"
)

// ErrClosed is the error of a client that ended in good order: its program called Close,
// or the server that runs it as a module told it to finish.
var ErrClosed = errors.New("client: closed")

// ErrAddress is inside the errors of Dial and Open for an address that is none of a text
// door.
var ErrAddress = errors.New("write text://host:port, texts://host:port or text+unix:///path")

var (
	errSilent  = errors.New("the server does not answer")
	errEndless = errors.New("the server gives the same page again and again")
)

// A ConnError tells that a connection ended, and so what was asked on it and not
// answered may have been done or not. It is not a refusal: errors.Is never finds a
// *parley.Error in it, whatever Reason says.
type ConnError struct {
	Reason *parley.Error // what the server said last: its fatal error, or why we may not log in again; nil: nothing
	Err    error         // what else ended it: io.EOF for a server that closed without a word; nil with a Reason
}

// Error says why the connection ended.
func (e *ConnError) Error() string {
	if e.Reason != nil {
		return "client: the connection has ended, and the server says why: " + e.Reason.Error()
	}
	return "client: the connection is lost: " + e.Err.Error()
}

// Unwrap gives Err.
func (e *ConnError) Unwrap() error { return e.Err }

// answerError gives the refusal that an answer is, or nil.
func answerError(values []string) error {
	if len(values) == 0 || values[0] != "error" {
		return nil
	}
	return refusal(values)
}

// refusal reads error,<fatality>,<type>,<info>, of which a server that is not ours may
// leave out the end.
func refusal(fields []string) *parley.Error {
	e := &parley.Error{Code: parley.CodeUnhandled}
	if len(fields) > 2 {
		e.Code = parley.Code(fields[2])
	}
	if len(fields) > 3 {
		e.Message = fields[3]
	}
	return e
}
