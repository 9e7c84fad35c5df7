package conformance

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRequires(t *testing.T) {
	for _, tt := range []struct {
		name, story string
		want        []string
	}{
		{"published", "open a text\na> post,x", nil},
		{"our commands", "# extension\nopen a text\na> nop\na> req,1,join,x\na>? post,x\na< y", []string{"join", "post"}},
		{"a reading of ours", "# extension\nopen a text\na> nop", []string{readings}},
		{"what has no answer", "# extension\nopen a text\na> req,1,return,1,x", []string{"ask"}},
		{"lines", "# extension\nopen a line", []string{needForms, needLines}},
		{"in a repetition", "# extension\nopen a text\nrepeat 2\na> provide,{i}\nend", []string{"provide"}},
		{"as it says", "# extension: lines\nopen a text\na> post,x", []string{needLines}},
	} {
		if diff := cmp.Diff(tt.want, one(t, tt.story).requires()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// A story that wants an account with a right is played with the one that the
// target names, and without one it is no fault of the server.
func TestGranted(t *testing.T) {
	story := one(t, "# extension\n# granted\nopen a text\na> login,{granted},{password}\na< login,robot,a\\, b")
	target := pipes(t, framed(nops))
	if err := Run(t.Context(), story, target, ""); !errors.Is(err, ErrNoGrant) {
		t.Errorf("nobody is named: Run = %v, want ErrNoGrant", err)
	}
	none := &task{}
	none.add(story, &prober{target: target, offered: map[string]bool{readings: true}}, Options{})
	if r := none.result(); r.Result != NotChecked || r.Note != ErrNoGrant.Error() {
		t.Errorf("nobody is named: %+v, want it not checked", r)
	}
	target.Granted, target.Password = "robot", "a, b"
	if err := Run(t.Context(), story, target, ""); err != nil {
		t.Error(err)
	}
	some := &task{}
	some.add(story, &prober{target: target, offered: map[string]bool{readings: true}}, Options{})
	if len(some.stories) != 1 {
		t.Error("with somebody named it is not played")
	}
}
