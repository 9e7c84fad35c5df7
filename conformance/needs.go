package conformance

import (
	"slices"
	"strings"
)

// What a server may offer beyond the published protocols. Each has a probe; a
// story that needs what the server does not offer is not played. The other
// names are those of commands of the text door.
const (
	needLines  = "lines"  // the line door takes lines and sends lines
	needChunks = "chunks" // the line door takes a write for a message
	needForms  = "forms"  // the line door words its answers as parley does
)

// needWords say it to people.
var needWords = map[string]string{
	needLines:  "messages that end with LF",
	needChunks: "messages without LF",
	needForms:  "answers worded as parley's",
}

// extensionCommands are the commands of the text door that the published
// protocol does not have.
var extensionCommands = []string{
	"ask", "copies", "guest", "help", "history", "join", "leave", "logout", "members", "modules", "myrooms",
	"new", "passwd", "post", "provide", "rooms", "say", "tell", "topic", "users", "withdraw",
}

// unanswered is a command of ours that has no answer. Nothing tells whether a
// server knows it; one that knows ask does.
const unanswered = "return"

// readings stands for our readings of the text protocol where it is silent:
// they are asked of servers that know our commands too.
const readings = "guest"

// requires tells what a story needs of a server, sorted.
func (s Story) requires() []string {
	if !s.Extension {
		return nil
	}
	if s.needs != nil {
		return s.needs
	}
	doors := map[string]string{}
	found := requiredBy(s.steps, doors)
	if slices.Contains(s.Doors, DoorText) && !slices.ContainsFunc(found, isCommand) {
		found = append(found, readings)
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func isCommand(need string) bool { return slices.Contains(extensionCommands, need) }

// requiredBy looks at what the actors open and send.
func requiredBy(steps []step, doors map[string]string) []string {
	var found []string
	for _, s := range steps {
		switch a := s.act.(type) {
		case opening:
			doors[a.actor] = a.door
			switch {
			case a.chunk:
				found = append(found, needChunks, needForms)
			case a.door == DoorLine:
				found = append(found, needLines, needForms)
			}
		case send:
			if doors[a.actor] == DoorText {
				found = append(found, commandOf(a.data)...)
			}
		case ask:
			if doors[a.actor] == DoorText {
				found = append(found, commandOf(a.question)...)
			}
		case repeat:
			found = append(found, requiredBy(a.steps, doors)...)
		}
	}
	return found
}

// commandOf finds the command of ours that a request holds, if it holds one.
func commandOf(request template) []string {
	var b strings.Builder
	for _, tok := range request {
		if tok.kind == literal {
			b.WriteString(tok.text)
		}
	}
	fields := strings.Split(b.String(), ",")
	for len(fields) > 2 && fields[0] == "req" {
		fields = fields[2:]
	}
	switch {
	case fields[0] == unanswered:
		return []string{"ask"}
	case isCommand(fields[0]):
		return fields[:1]
	}
	return nil
}
