package command_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/command"
	"github.com/parley-chat/parley/internal/hub"
)

func TestEveryCodeHasAType(t *testing.T) {
	types := map[string]bool{}
	for _, code := range parley.Codes() {
		typ := command.Types[code]
		if typ == "" || types[typ] {
			t.Errorf("code %s has the type %q: missing, or another code's", code, typ)
		}
		types[typ] = true
	}
	if len(command.Types) != len(parley.Codes()) {
		t.Errorf("%d types for %d codes", len(command.Types), len(parley.Codes()))
	}
}

func TestRowsAreWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range command.NewTable().Rows() {
		ways := 0
		for _, way := range []bool{c.Now != nil, c.Work != nil, c.Post != nil, c.Call != nil, c.Take != nil} {
			if way {
				ways++
			}
		}
		switch {
		case seen[c.Name]:
			t.Errorf("%s is there twice", c.Name)
		case ways != 1 && c.Name != "req":
			t.Errorf("%s has %d handlers, want one", c.Name, ways)
		case c.Help == "" || strings.HasSuffix(c.Help, "."):
			t.Errorf("%s: the help %q is no line of help", c.Name, c.Help)
		case c.Most >= 0 && c.Least > c.Most:
			t.Errorf("%s takes %d to %d arguments", c.Name, c.Least, c.Most)
		}
		seen[c.Name] = true
	}
}

func TestEveryEventIsKnown(t *testing.T) {
	silentWithoutCopies := map[string]bool{"ToldCopy": true}
	for _, e := range parley.Events() {
		name := strings.TrimPrefix(typeName(e), "parley.")
		if fields := command.Push(e, false); (len(fields) == 0) != silentWithoutCopies[name] {
			t.Errorf("%s is pushed as %q", name, fields)
		}
		if fields := command.Push(e, true); len(fields) == 0 {
			t.Errorf("with copies %s is silent", name)
		}
	}
}

func TestErrorFields(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"a refusal", parley.Errorf(parley.CodeSyntax, "usage: nop"), "error nonfatal syntax usage: nop"},
		{"a fault shows nothing", errUnexpected, "error nonfatal unhandled " + parley.ErrUnhandled.Message},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := strings.Join(command.ErrorFields("nonfatal", tt.err), " "); got != tt.want {
				t.Errorf("ErrorFields(%v) = %q, want %q", tt.err, got, tt.want)
			}
		})
	}
}

// Another login may take a guest's name from the session at any moment, also
// between the judgement of its rights and the answer.
func TestWhoamiOfNobody(t *testing.T) {
	for _, c := range command.NewTable().Rows() {
		if c.Name != "whoami" {
			continue
		}
		if got, err := c.Now(&command.Request{Session: &hub.Session{}}); !errors.Is(err, parley.ErrNotLoggedIn) {
			t.Errorf("whoami of a session without a name: %q, %v; want a refusal", got, err)
		}
	}
}
