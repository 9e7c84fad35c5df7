package console

import (
	"errors"
	"io"
	"time"
)

// A front is where lines come from and where text goes: a terminal or a pipe.
// The session's loop alone calls its methods.
type front interface {
	// ask wants one more line. It comes from typed. At most one is asked for
	// at a time.
	ask(request)
	// cancel takes back what was asked for. The line comes all the same, as
	// far as it was typed.
	cancel()
	// typed gives the lines that were asked for, and interruptions.
	typed() <-chan input
	// prompt changes what stands before the line being typed, from the next
	// show on.
	prompt(string)
	// show prints text, one line or several, that is already safe.
	show(kind, string) error
	// close stops the goroutines and gives the terminal back.
	close()
}

// A kind of shown text.
type kind int

const (
	answer kind = iota // what was asked for: the server's words, and the menu
	notice             // what the console itself has to say
)

// How notices begin.
const (
	pipeMark     = "parley console: "
	terminalMark = "-- "
)

// A request is for one line.
type request struct {
	prompt  string
	prefill string // typed already
	secret  bool   // shown nowhere
	command bool   // remembered in the history
}

// An input is one line, or why there is none.
type input struct {
	text string
	long bool  // the terminal could not hold all of it
	err  error // io.EOF at the end; errInterrupt comes without being asked for
}

var (
	errInterrupt   = errors.New("interrupted")
	errLongLine    = errors.New("a line of the input is longer than 1 MiB; what follows was not read")
	errCannotPrint = errors.New("the answers cannot be written")
)

// interrupt makes the goroutine that reads in return, and waits until it has.
// A read that has no deadline (a terminal or file that the program inherited)
// cannot be interrupted: that goroutine ends with the program.
func interrupt(in io.Reader, ended <-chan struct{}) {
	file, ok := in.(interface{ SetReadDeadline(time.Time) error })
	if !ok || file.SetReadDeadline(time.Unix(1, 0)) != nil {
		return
	}
	<-ended
	file.SetReadDeadline(time.Time{})
}
