package parley

import "fmt"

// Code names one reason for which a request is refused. Each door has a table
// from Code to its own wire form. The text door sends the code itself.
type Code string

// The refusals of the Text-server protocol ("Error types").
const (
	CodeUnhandled           Code = "unhandled"              // a fault on our side, logged with its cause
	CodeRequestTooLong      Code = "request_too_long"       // a frame, a text or a topic over its limit
	CodeTimeout             Code = "timeout"                // a request or a session took too long
	CodeCommandNotFound     Code = "command_not_found"      // no such command on this server
	CodeSyntax              Code = "syntax"                 // wrong number or form of arguments
	CodeNameTooShort        Code = "name_too_short"         // an account's name needs two characters
	CodeInvalidName         Code = "invalid_name"           // against the rule for names
	CodeWrongUserOrPassword Code = "wrong_user_or_password" // never says which of the two
	CodeNotLoggedIn         Code = "not_logged_in"          // the command wants a name first
)

// The refusals that parley adds.
const (
	CodeNameTaken    Code = "name_taken"     // registered, or in use by somebody else
	CodeWeakPassword Code = "weak_password"  // shorter than the operator allows
	CodeUserNotFound Code = "user_not_found" // nobody has this name
	CodeUserOffline  Code = "user_offline"   // the user exists but cannot be reached now
	CodeRoomNotFound Code = "room_not_found" // no such room
	CodeRoomExists   Code = "room_exists"    // the room is already there
	CodeNotAMember   Code = "not_a_member"   // the user is not in the room
	CodeForbidden    Code = "forbidden"      // the user may not do this
	CodeRateLimited  Code = "rate_limited"   // too many requests of a costly kind; try later
	CodeTooMany      Code = "too_many"       // a count passed its limit
	CodeUnavailable  Code = "unavailable"    // a disk or network fault; nothing was done
	CodeSlowConsumer Code = "slow_consumer"  // the session did not read what was sent to it
)

// Codes lists every Code, so that a test can tell whether a door's table is whole.
func Codes() []Code {
	return []Code{
		CodeUnhandled, CodeRequestTooLong, CodeTimeout, CodeCommandNotFound, CodeSyntax,
		CodeNameTooShort, CodeInvalidName, CodeWrongUserOrPassword, CodeNotLoggedIn,
		CodeNameTaken, CodeWeakPassword, CodeUserNotFound, CodeUserOffline, CodeRoomNotFound,
		CodeRoomExists, CodeNotAMember, CodeForbidden, CodeRateLimited, CodeTooMany,
		CodeUnavailable, CodeSlowConsumer,
	}
}

// Error is a refusal: a code for programs and a sentence for people. The
// sentence says what happened and what to do; it never holds paths, SQL or
// addresses. Compare with errors.As, or errors.Is against the Err variables.
type Error struct {
	Code    Code
	Message string
}

// Errorf makes a refusal. The format's arguments must be safe to show to a peer.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Error gives the code and the sentence.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Is makes two refusals of one code equal to errors.Is, whatever they say.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// The refusals that rules compare against and that need no other words.
var (
	ErrNotLoggedIn         = Errorf(CodeNotLoggedIn, "log in first, or take a guest's name")
	ErrWrongUserOrPassword = Errorf(CodeWrongUserOrPassword, "the user does not exist, or the password is wrong")
	ErrUnavailable         = Errorf(CodeUnavailable, "the server cannot store this now, nothing was done; try again later")
	ErrUnhandled           = Errorf(CodeUnhandled, "an error occurred on the server; it has been logged")
	ErrOffline             = Errorf(CodeUserOffline, "the user is offline; try again later")
	ErrShuttingDown        = Errorf(CodeUnavailable, "the server is shutting down; connect again later")
	ErrDiskFailed          = Errorf(CodeUnavailable, "the disk failed; the history tells whether the last requests were kept")
	ErrSlowConsumer        = Errorf(CodeSlowConsumer, "this session did not read what was sent to it; connect again and read the history")
)
