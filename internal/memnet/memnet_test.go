package memnet

import (
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// TestPipe holds the double against what the doors rely on.
func TestPipe(t *testing.T) {
	a, b := Pipe(4)
	for _, want := range []string{"ab", "cd"} {
		if n, err := a.Write([]byte(want)); n != 2 || err != nil {
			t.Fatalf("Write(%q) = %d, %v", want, n, err)
		}
	}
	a.SetWriteDeadline(time.Unix(1, 0))
	if n, err := a.Write([]byte("e")); n != 0 || !os.IsTimeout(err) {
		t.Errorf("Write into a full buffer = %d, %v; want 0 and a timeout", n, err)
	}
	a.CloseWrite()
	if got, err := io.ReadAll(b); string(got) != "abcd" || err != nil {
		t.Errorf("read %q, %v; want abcd and the end", got, err)
	}
	if _, err := b.Write([]byte("f")); err != nil {
		t.Errorf("Write against a half-closed end: %v", err)
	}
	a.Reset()
	if _, err := b.Write([]byte("g")); err == nil {
		t.Error("Write after a reset: no error")
	}
}

// TestDeadlines holds that a deadline wakes who waits already, and that one
// which was put off does not.
func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := Pipe(4)
		begin := time.Now()
		a.SetReadDeadline(begin.Add(time.Second))
		time.AfterFunc(time.Second/2, func() { a.SetReadDeadline(begin.Add(3 * time.Second)) })
		if n, err := a.Read(make([]byte, 1)); n != 0 || !os.IsTimeout(err) || time.Since(begin) != 3*time.Second {
			t.Errorf("Read = %d, %v after %v; want a timeout after 3s", n, err, time.Since(begin))
		}
		time.AfterFunc(time.Second, func() { a.SetWriteDeadline(time.Unix(1, 0)) })
		if n, err := a.Write([]byte("abcdef")); n != 4 || !os.IsTimeout(err) || time.Since(begin) != 4*time.Second {
			t.Errorf("Write = %d, %v after %v; want 4 bytes and a timeout after 4s", n, err, time.Since(begin))
		}
	})
}
