package textdoor

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/command"
	"github.com/parley-chat/parley/wire/textwire"
)

// Every event becomes one frame, or none if it is silent here: see the table of
// the protocol page, §1.6, and command.Push, which decides.
func TestEveryEventIsOneFrameOrNone(t *testing.T) {
	for _, tt := range []struct {
		dialect string
		copies  bool
		silent  []string
	}{
		{dialect: "text", silent: []string{"parley.ToldCopy"}},
		{dialect: "text+copies", copies: true},
	} {
		d := dialect(tt.dialect, tt.copies)
		for _, e := range parley.Events() {
			kind, before := fmt.Sprintf("%T", e), []byte("before")
			got := d.Append(before, e)[len(before):]
			if slices.Contains(tt.silent, kind) {
				if len(got) > 0 {
					t.Errorf("%s: %s is shown as %q, want nothing", tt.dialect, kind, got)
				}
				continue
			}
			data, size, err := textwire.Next(got, 65536)
			if err != nil || size != len(got) || len(data) == 0 {
				t.Errorf("%s: %s is shown as %q, want one frame that says something", tt.dialect, kind, got)
			}
		}
	}
}

// The largest of each push fits into a frame, however it is escaped.
func TestLargestPushFits(t *testing.T) {
	limits := parley.DefaultLimits()
	name := parley.StoredName(strings.Repeat("𐐷", parley.MaxRoomName), "key")
	m := parley.Message{
		Conversation: 1 << 62, Seq: 1 << 62, Time: time.Unix(1<<32, 0), SenderName: strings.Repeat("𐐷", parley.MaxUserName),
		Text: strings.Repeat(",", limits.Text),
	}
	for _, e := range []parley.Event{
		parley.Said{Room: name, Message: m},
		parley.Told{To: name, Message: m},
		parley.ToldCopy{To: name, Message: m},
		parley.TopicSet{Room: name, Message: m},
		parley.Left{Room: name, User: name, Reason: m.Text},
	} {
		data, size, err := textwire.Next(dialect("text", true).Append(nil, e), 16<<10) // the least limit that an operator can set
		if err != nil || size == 0 {
			t.Errorf("%T: no frame within 16 KiB: %v", e, err)
		}
		if fields, err := textwire.Parse(data, limits.Fields); err != nil || fields[len(fields)-1] != m.Text {
			t.Errorf("%T: the text does not come through: %v", e, err)
		}
	}
}

// The errors that end a connection have a type, too.
func TestBrokenStreamHasAType(t *testing.T) {
	limits := parley.DefaultLimits()
	for err, want := range map[error]string{textwire.ErrTooLong: "request_too_long", textwire.ErrHeader: "syntax"} {
		why := broken(err, &limits)
		if got := command.ErrorFields("fatal", why); got[2] != want || got[3] == "" {
			t.Errorf("broken(%v) is told as %q, want the type %s", err, got, want)
		}
	}
}
