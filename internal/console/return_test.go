package console

import (
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A return has no answer. It is not waited for, and still it is served before a
// pipe ends.
func TestReturnInAPipe(t *testing.T) {
	var got []string
	done := make(chan struct{})
	f := listen(t, func(c net.Conn) {
		defer close(done)
		textServe(func(data string) { got = append(got, data) })(c)
	})
	wantPiped(t, Options{URL: f.url("text"), Name: "bob"}, "return,1,a\\,b\n/return 2 \"c d\"\nwhoami\nreq,7,return,3\n", "user,bob\n", "", ExitOK)
	<-done
	want := []string{"req,c1,guest,bob", `return,1,a\,b`, "return,2,c d", "req,c2,whoami", "req,7,return,3", "req,c3,nop"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("frames (-want +got):\n%s", diff)
	}
}

// A server that does not know return says so, and a script fails.
func TestReturnThatIsUnknown(t *testing.T) {
	for input, out := range map[string]string{
		"return,1,x\n":       "error,nonfatal,command_not_found,no such command: return\n",
		"req,7,return,1,x\n": "req,7,error,nonfatal,command_not_found,no such command: return\n",
	} {
		wantPiped(t, Options{URL: listen(t, textServe(nil)).url("text")}, input, out, "", ExitError)
	}
}

func TestManyReturnsInAPipe(t *testing.T) {
	t.Parallel()
	wantPiped(t, Options{URL: listen(t, textServe(nil)).url("text"), Name: "bob"},
		strings.Repeat("return,1\n", 1000)+"whoami\n", "user,bob\n", "", ExitOK)
}

// Who sits at a terminal sees who asks what, and how to answer. What was typed
// last is sent before the end.
func TestCallAtTerminal(t *testing.T) {
	t.Parallel()
	var got []string
	done := make(chan struct{})
	f := listen(t, func(c net.Conn) {
		defer close(done)
		textServe(func(data string) { got = append(got, data) })(c)
	})
	s := atTerminal(t, Options{URL: f.url("text"), Name: "bob"}, 24, 100)
	s.shows("-- you are bob", ">")
	s.types("ring\r")
	s.shows("> ring", `* alice asks: light,on,a\, b  (answer with return,7,ANSWER)`, "ok", ">")
	s.types("/return 7 \"it is on\"\r")
	s.shows(`> /return 7 "it is on"`, ">")
	s.types("return,8\rexit\r")
	s.ends(ExitOK)
	<-done
	want := []string{"req,c1,guest,bob", "req,c2,ring", "return,7,it is on", "return,8", "req,c3,nop"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("frames (-want +got):\n%s", diff)
	}
}
