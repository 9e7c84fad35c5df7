package proof_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"go.uber.org/goleak"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/proof"
	"github.com/parley-chat/parley/wire/textwire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// wantChecked fails the test unless the log shows what is wanted; empty: nothing wrong.
func wantChecked(t *testing.T, log *proof.Log, want proof.Kind) {
	t.Helper()
	found := log.Check()
	switch {
	case want == "" && len(found) > 0:
		t.Errorf("found, though nothing is wrong:\n%s", proof.Report(found))
	case want != "" && !has(found, want):
		t.Errorf("want %s, found:\n%s", want, proof.Report(found))
	}
}

func has(found []proof.Violation, kind proof.Kind) bool {
	for _, v := range found {
		if v.Kind == kind {
			return true
		}
	}
	return false
}

// The last words to a slow client refuse nothing: what it asked for may have
// been done.
func TestLastWordsOnTheLineAreNoAnswer(t *testing.T) {
	log := &proof.Log{}
	ours, theirs := net.Pipe()
	c := proof.NewLine(log, "bob", ours)
	go func() { // ends with the connection
		in := bufio.NewReader(theirs)
		in.ReadString('\n')
		fmt.Fprintln(theirs, "Welcome")
		in.ReadString('\n')
		fmt.Fprintln(theirs, "Error: "+parley.ErrSlowConsumer.Message)
		theirs.Close()
	}()
	if err := c.Name("bob", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Say("lobby", "a").Wait(); !errors.Is(err, proof.ErrOver) {
		t.Errorf("the post ended with %v, want %v", err, proof.ErrOver)
	}
	<-c.Over()
	log.Read("lobby", "", []proof.Message{{ID: "1", Sender: "bob", Text: "a"}})
	wantChecked(t, log, "")
}

// Many may use one client at once: the log has their posts in the order in
// which they were sent.
func TestPostsAreLoggedAsTheyAreSent(t *testing.T) {
	log := &proof.Log{}
	ours, theirs := net.Pipe()
	c := proof.NewText(log, "alice", ours)
	const posts = 200
	kept := make(chan []proof.Message)
	go func() { // keeps what it reads, in that order
		var all []proof.Message
		in := bufio.NewReader(theirs)
		for n := range posts + 1 {
			id := fmt.Sprintf("%03d", n)
			header, _ := in.Peek(textwire.HeaderSize)
			frame := make([]byte, textwire.HeaderSize+int(header[3]))
			if _, err := io.ReadFull(in, frame); err != nil {
				t.Error(err)
			}
			fields, _ := textwire.Parse(frame[textwire.HeaderSize:], 10)
			if n > 0 {
				all = append(all, proof.Message{ID: id, Sender: "alice", Text: fields[4]})
			}
			theirs.Write(textwire.AppendFrame(nil, fields[0], fields[1], "ok", id, ""))
		}
		kept <- all
	}()
	if err := c.Guest("alice"); err != nil {
		t.Fatal(err)
	}
	for hand := range 4 {
		go func() {
			for n := range posts / 4 {
				c.Say("lobby", fmt.Sprint(hand, " ", n))
			}
		}()
	}
	all := <-kept
	c.Close()
	log.Read("lobby", "", all)
	wantChecked(t, log, "")
}
