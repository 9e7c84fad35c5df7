package door

import (
	"errors"
	"testing"

	"github.com/parley-chat/parley"
)

// What is dropped is the end: nothing that comes behind the gap is said any
// more but why.
func TestNothingBehindAGap(t *testing.T) {
	var o outbox
	o.answer([]byte("an answer"))
	for range 3 {
		o.push([]byte("a push"), 10)
	}
	if why := o.cutFor(); !errors.Is(why, parley.ErrSlowConsumer) || len(o.queue) > 0 {
		t.Fatalf("with more than may wait it is cut for %v and holds %q", why, o.queue)
	}
	if start, full := o.push([]byte("a push"), 10); start || full || len(o.queue) > 0 {
		t.Errorf("push behind a gap: %v, %v; %q waits", start, full, o.queue)
	}
	if o.answer([]byte("an answer")); len(o.queue) > 0 {
		t.Errorf("behind a gap %q waits, want nothing", o.queue)
	}
	if o.cut(parley.ErrShuttingDown) {
		t.Error("it was cut a second time")
	}
	o.lastWords()
	if o.answer([]byte("why")); len(o.queue) != 1 {
		t.Errorf("the last words: %q waits", o.queue)
	}
	if o.push([]byte("a push"), 10); len(o.queue) != 1 {
		t.Errorf("behind the last words %q waits", o.queue)
	}
}

// Until the last words are said, whoever still gets answers gets the pushes
// before them, too.
func TestNoGapBeforeTheLastWords(t *testing.T) {
	var o outbox
	o.cut(parley.ErrShuttingDown)
	o.push([]byte("a push"), 10)
	o.answer([]byte("an answer"))
	if len(o.queue) != 2 {
		t.Errorf("%q waits, want the push and the answer", o.queue)
	}
	o.push([]byte("too much"), 1)
	if why := o.cutFor(); len(o.queue) > 0 || !o.hasGap() || !errors.Is(why, parley.ErrShuttingDown) {
		t.Errorf("with more than may wait it is cut for %v and holds %q", why, o.queue)
	}
}

// What lies together is one piece, unless the piece before is being written
// already; and each piece weighs something.
func TestNeighboursAreOnePiece(t *testing.T) {
	const most = 1 << 10
	var o outbox
	text := []byte("onetwothreefour")
	o.push(text[:3], most)
	o.push(text[3:6], most)
	if len(o.queue) != 1 || string(o.queue[0]) != "onetwo" || o.queued.pushes != 6+reference {
		t.Errorf("%q waits and weighs %d, want one piece", o.queue, o.queued.pushes)
	}
	o.push([]byte("other"), most)
	o.push(text[6:11], most)
	if len(o.queue) != 3 || o.queued.pushes != 16+3*reference {
		t.Errorf("%q waits and weighs %d, want three pieces", o.queue, o.queued.pushes)
	}
	taken, _ := o.takeBytes(nil)
	o.push(text[11:], most)
	if string(taken[2]) != "three" || len(o.queue) != 1 || string(o.queue[0]) != "four" {
		t.Errorf("%q was taken, and %q waits", taken, o.queue)
	}
	o.answer([]byte("answer"))
	if string(text) != "onetwothreefour" || len(o.queue) != 2 {
		t.Errorf("an answer was written into what is shared: %q waits", o.queue)
	}
}
