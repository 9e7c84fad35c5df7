package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The exit codes of Run.
const (
	ExitOK          = 0   // everything was answered; at a terminal: ended by the person
	ExitError       = 1   // an answer was an error, or something was refused before it was sent
	ExitUsage       = 2   // the options make no sense
	ExitUnreachable = 5   // not reachable, or the server went before all was answered
	ExitTimeout     = 124 // not answered in time
	ExitInterrupted = 130 // the context was cancelled
)

// Options say what to connect to and how. In and Out are a terminal together
// or not at all: if either is something else, the session behaves as a pipe.
type Options struct {
	URL         string        // text://host:port or line://host:port, or text+unix:///path
	Name        string        // line: the screen name; text: who to log in as, or the guest's name
	Password    string        // proves Name; never shown
	AskPassword bool          // ask the person at the terminal for the password
	Chunks      bool          // line: send messages without LF, one write each
	Raw         bool          // text: send what is typed without req around it, show all as it came
	Timeout     time.Duration // how long an answer may take; 0: for ever

	In       io.Reader
	Out, Err io.Writer

	// Dial connects; nil means a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Run connects, and serves the person or the script until it ends. It returns
// the exit code.
func Run(ctx context.Context, o Options) int {
	to, err := parseTarget(o.URL)
	if err == nil {
		err = o.check(to)
	}
	if err != nil {
		fmt.Fprintf(o.Err, "%s%v\n", pipeMark, err)
		return ExitUsage
	}
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	front, person, err := openFront(o)
	if err != nil {
		fmt.Fprintf(o.Err, "%s%v\n", pipeMark, err)
		return ExitError
	}
	defer front.close()
	if o.AskPassword && !person {
		front.show(notice, "a password can only be asked for at a terminal; give it with --password-file or PARLEY_PASSWORD")
		return ExitUsage
	}
	return newSession(o, to, front, person).run(ctx)
}

// openFront takes the terminal, if there is one.
func openFront(o Options) (f front, person bool, err error) {
	in, out, ok := terminalOf(o.In, o.Out)
	if !ok {
		return openPipe(o.In, o.Out, o.Err), false, nil
	}
	t, err := openTerminal(in, out)
	if err != nil {
		return nil, false, fmt.Errorf("the terminal cannot be used for line editing: %w", err)
	}
	return t, true, nil
}

// check finds options that make no sense together.
func (o Options) check(to target) error {
	switch {
	case o.Timeout < 0:
		return errors.New("a timeout cannot be negative; 0 means to wait for ever")
	case o.Chunks && to.protocol != protocolLine:
		return errors.New("--chunks is for the line protocol; the text protocol has frames")
	case o.Raw && to.protocol != protocolText:
		return errors.New("--raw is for the text protocol; the line protocol is always sent as it is typed")
	case o.AskPassword && o.Name == "" && to.protocol == protocolText:
		return errors.New("a password needs a name; add --name")
	case to.protocol == protocolText:
		return nil
	}
	if strings.ContainsFunc(o.Password, unicode.IsControl) || !utf8.ValidString(o.Password) {
		return errors.New("this password cannot be sent: it is not one line of UTF-8 text")
	}
	if o.Name == "" {
		return nil
	}
	if why := nameProblem(o.Name); why != "" {
		return errors.New(why)
	}
	return nil
}
