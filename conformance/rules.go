package conformance

import (
	"slices"
	"strings"
)

// A ruleText names a clause of the protocol pages in a few words.
type ruleText struct {
	clause string
	seed   string // what the published protocol wants of it, if anything
	ours   string // what parley's page wants beyond that, if anything
}

// ruleTexts are the rules, in the order of the pages. Every story belongs to one
// by the number of its clause, and a test compares the numbers with the pages.
var ruleTexts = []ruleText{
	{clause: "1.1.1", seed: "a frame is a length of four bytes, a null byte, and the data"},
	{clause: "1.1.2", ours: "frames of up to 65,536 bytes are served, and no longer ones are sent"},
	{clause: "1.1.3", seed: "a length that no server can take is refused: request_too_long", ours: "a frame over the limit is refused by its length alone"},
	{clause: "1.1.4", ours: "a fifth byte that is not null is an error and ends the connection"},
	{clause: "1.1.7", seed: "data that is not UTF-8 is answered with an error", ours: "empty data and every kind of broken UTF-8 are syntax, and the connection goes on"},
	{clause: "1.1.8", seed: "packets mean nothing, and answers come in the order of the requests"},
	{clause: "1.1.9", ours: "before a fatal error all is answered, behind it nothing is served"},
	{clause: "1.1.10", seed: "a client that vanishes disturbs nobody", ours: "a client that stops sending still gets its answers"},
	{clause: "1.2.2", seed: `\, is a comma and \\ a backslash inside a field`, ours: "a backslash makes any character literal"},
	{clause: "1.2.3", ours: "a backslash at the very end is syntax"},
	{clause: "1.2.4", seed: "fields arrive as they were sent", ours: "commas and backslashes are escaped, and nothing else"},
	{clause: "1.2.5", seed: "spaces are part of a field", ours: "control characters and byte order marks are data"},
	{clause: "1.2.6", ours: "a field may be empty"},
	{clause: "1.2.7", ours: "a message has at most 1,024 fields"},
	{clause: "1.2.8", ours: "upper and lower case of a command differ"},
	{clause: "1.3.2", ours: "every error has words for people"},
	{clause: "1.3.3", seed: "after a nonfatal error the session goes on", ours: "a session outlives every mistake"},
	{clause: "1.3.4", seed: "an argument that is missing is syntax", ours: "an argument too many is syntax, whoever asks"},
	{clause: "1.3.7", seed: "req: the answer, or the error, stands behind the ID", ours: "req: the ID is any text"},
	{clause: "1.3.8", seed: "req without an ID is syntax", ours: "req with an ID and no command is syntax behind the ID"},
	{clause: "1.3.9", ours: "req inside req, eight deep"},
	{clause: "1.3.11", seed: "register makes an account, once, that lasts", ours: "register: names, passwords, and no login"},
	{clause: "1.3.12", seed: "login wants the right user and password", ours: "login: a failed one changes nothing, a second one moves the session"},
	{clause: "1.3.13", seed: "whoami tells the user, or not_logged_in", ours: "whoami shows the name as it was registered"},
	{clause: "1.3.14", ours: "every byte of a password counts"},
	{clause: "1.3.16", seed: "send: every session of the user gets the command with the sender's name", ours: "send: to oneself, as a guest, to nobody"},
	{clause: "1.3.18", ours: "send of a text is a private message"},
	{clause: "1.3.19", seed: "nop answers an empty message"},
	{clause: "1.3.20", seed: "an unknown command is command_not_found", ours: "an unknown command is command_not_found, however long and odd"},
	{clause: "1.4.1", ours: "provide offers a command to everyone, until its session withdraws it, ends, or is another"},
	{clause: "1.4.2", ours: "who may not provide, and what cannot be provided"},
	{clause: "1.4.3", ours: "those who provide one command share its calls"},
	{clause: "1.4.4", ours: "a command that nobody provides is not found"},
	{clause: "1.4.5", ours: "a call has a number, the command, its caller and the arguments"},
	{clause: "1.4.6", ours: "what is returned is the caller's answer; return has none"},
	{clause: "1.4.7", ours: "a return overtakes what its session waits for"},
	{clause: "1.4.8", ours: "a program can neither forge what others say nor leave its caller without an answer"},
	{clause: "1.4.9", ours: "several calls under way are answered in the order of the requests"},
	{clause: "1.4.10", ours: "ask: the newest session of a user answers"},
	{clause: "1.4.12", ours: "modules lists the programs"},
	{clause: "1.4.13", ours: "modules,reload wants a right"},
	{clause: "1.5.1", ours: "names: how long"},
	{clause: "1.5.2", ours: "names: of which characters"},
	{clause: "1.5.3", ours: "names: no mixed scripts"},
	{clause: "1.5.4", ours: "names: spellings of one name"},
	{clause: "1.5.5", ours: "names: look-alikes"},
	{clause: "1.5.6", ours: "names: reserved ones"},
	{clause: "1.6.1", ours: "which commands want a name, and which an account"},
	{clause: "1.6.2", ours: "help"},
	{clause: "1.6.3", ours: "guest: a name for one session"},
	{clause: "1.6.4", ours: "logout"},
	{clause: "1.6.5", ours: "passwd"},
	{clause: "1.6.6", ours: "users, rooms, members and myrooms list who and what is there"},
	{clause: "1.6.7", ours: "lists are sorted and come in pages"},
	{clause: "1.6.8", ours: "new makes a room"},
	{clause: "1.6.9", ours: "join"},
	{clause: "1.6.10", ours: "leave"},
	{clause: "1.6.11", ours: "topic"},
	{clause: "1.6.12", ours: "what a text is"},
	{clause: "1.6.13", ours: "say"},
	{clause: "1.6.14", ours: "tell"},
	{clause: "1.6.15", ours: "post"},
	{clause: "1.6.16", ours: "copies"},
	{clause: "1.7.1", ours: "who is told what happens in a room"},
	{clause: "1.7.2", ours: "how private messages are pushed with copies on"},
	{clause: "1.8.3", ours: "history: four fields for each message"},
	{clause: "1.8.4", ours: "history: before and after a message"},
	{clause: "1.8.5", ours: "history: limits of a page"},
	{clause: "1.8.6", ours: "history: an id of another conversation"},
	{clause: "1.8.7", ours: "history: who may read what"},
	{clause: "1.8.8", ours: "history: from page to page nothing is missed or comes twice"},
	{clause: "1.9.1", ours: "what a client id is"},
	{clause: "1.9.2", ours: "a message posted again is not said again"},
	{clause: "1.9.3", ours: "a client id is for one message"},
	{clause: "1.9.4", ours: "guests' client ids are not remembered"},
	{clause: "1.10.2", ours: "a conversation has one order"},
	{clause: "2.1.2", ours: "line mode: messages end with LF"},
	{clause: "2.1.3", ours: "chunk mode: one write is one message"},
	{clause: "2.1.5", ours: "what the server sends ends with LF, all but a bare NAMEERROR"},
	{clause: "2.1.6", seed: "messages of up to 4,096 bytes arrive whole, and longer ones stop nobody", ours: "a message over 4,096 bytes is refused, once"},
	{clause: "2.1.7", ours: "what is too long for one message comes in several"},
	{clause: "2.1.8", seed: "messages are UTF-8, and bytes that are not harm nobody else", ours: "a message that is not UTF-8 is an error"},
	{clause: "2.1.9", ours: "an empty message is Verified"},
	{clause: "2.1.10", ours: "spaces separate the parts; a text is kept byte for byte"},
	{clause: "2.2.1", seed: "the first message is the screen name, of up to twenty characters", ours: "who enters is welcomed"},
	{clause: "2.2.2", seed: "a name in use, or over twenty characters, is not given again: NAMEERROR", ours: "NAMEERROR: everything that is no name here, or somebody's"},
	{clause: "2.2.3", ours: "screen names follow the rule for names"},
	{clause: "2.2.4", ours: "a password proves a registered name"},
	{clause: "2.2.6", seed: "exit frees the name"},
	{clause: "2.3.1", seed: "an unknown word is answered Verified", ours: "a command in another case, or with something behind it, is an unknown word"},
	{clause: "2.3.2", ours: "sixteen rooms in one message"},
	{clause: "2.3.3", seed: "new makes rooms, each once, and says what is missing", ours: "new: what became of each room"},
	{clause: "2.3.4", seed: "rooms lists the rooms", ours: "rooms: sorted"},
	{clause: "2.3.5", seed: "join enters all of the rooms, or none: Joined", ours: "join: what became of each room"},
	{clause: "2.3.6", seed: "leave leaves what can be left: Left", ours: "leave: what became of each room"},
	{clause: "2.3.7", seed: "members lists who is in a room", ours: "members: sorted, and one room at a time"},
	{clause: "2.3.8", seed: "send: everybody in the rooms gets the text, the sender included", ours: "send: markers, outsiders, unknown rooms"},
	{clause: "2.3.9", seed: "tell: the two get the text, nobody gets one to nobody", ours: "tell: names in any case, the absent, oneself"},
	{clause: "2.3.10", seed: "clients lists who is there", ours: "clients: of every door, sorted"},
	{clause: "2.3.11", seed: "exit ends the connection", ours: "exit: what came before it is served, what comes behind is not"},
	{clause: "2.3.13", ours: "a text can neither forge a line nor drive a terminal"},
	{clause: "2.3.16", ours: "the words that begin an answer are nobody's name"},
	{clause: "2.4.1", seed: "a client that goes without exit frees its name and disturbs nobody", ours: "a client that vanishes leaves its rooms"},
	{clause: "3.1.1", ours: "who is in a room"},
	{clause: "3.1.2", ours: "joined and left tell of users, not of sessions"},
	{clause: "3.1.3", ours: "who is a member of a room"},
	{clause: "3.1.4", ours: "rooms last"},
	{clause: "3.1.5", ours: "there is an open lobby"},
	{clause: "3.1.6", ours: "a room has one name on every door"},
	{clause: "3.2.1", seed: "a user may have several sessions", ours: "a name belongs to a session until it ends"},
	{clause: "3.2.2", ours: "a new identity begins in no room"},
	{clause: "3.2.3", ours: "a guest may register its own name"},
	{clause: "3.2.4", ours: "a name that somebody holds cannot be registered"},
	{clause: "3.3.1", ours: "private messages between accounts are kept"},
	{clause: "3.3.2", ours: "private messages with a guest are not kept"},
	{clause: "3.3.3", ours: "private messages to nobody and to oneself"},
	{clause: "3.4", ours: "the same event on every door"},
	{clause: "3.4.1", ours: "the text door passes a text on as it was said"},
}

// sections are the headings of the pages, by how the clauses under them begin.
var sections = []struct{ clause, title string }{
	{"1.1", "Frames"},
	{"1.2", "Fields"},
	{"1.3", "Requests and answers"},
	{"1.4", "Commands of programs"},
	{"1.5", "Names"},
	{"1.6", "Further commands"},
	{"1.7", "Pushes"},
	{"1.8", "History"},
	{"1.9", "Client ids"},
	{"1.10", "What a client can rely on"},
	{"2.1", "Messages"},
	{"2.2", "Screen names"},
	{"2.3", "Commands"},
	{"2.4", "Endings"},
	{"3.1", "Rooms"},
	{"3.2", "Who a session is"},
	{"3.3", "Private messages"},
	{"3.4", "The same event on each door"},
}

// section gives the heading under which a clause stands.
func section(clause string) string {
	for _, s := range sections {
		if clause == s.clause || strings.HasPrefix(clause, s.clause+".") {
			return s.clause + " " + s.title
		}
	}
	return ""
}

// ruleOf tells to which rule a story belongs: its place in ruleTexts.
func ruleOf(s Story) (int, bool) {
	clause, _, _ := strings.Cut(s.Clause, " ")
	i := slices.IndexFunc(ruleTexts, func(r ruleText) bool { return r.clause == clause })
	return i, i >= 0
}

// title is what the rule asks for, as published or beyond that.
func (r ruleText) title(extension bool) string {
	if extension {
		return r.ours
	}
	return r.seed
}
