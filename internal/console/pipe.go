package console

import (
	"bufio"
	"errors"
	"io"
	"strings"
)

// longestInput is the longest line that a pipe may hold.
const longestInput = 1 << 20

// A pipe reads lines as they are asked for. Answers go to out, notices to err,
// and prompts nowhere.
type pipe struct {
	in       io.Reader
	out, err io.Writer
	asks     chan struct{} // size 1: ask never blocks, since one is asked for at a time
	lines    chan input
	done     chan struct{}
	ended    chan struct{}
}

// openPipe starts the reader. close stops it and waits for it as far as in can
// be interrupted.
func openPipe(in io.Reader, out, err io.Writer) *pipe {
	p := &pipe{
		in: in, out: out, err: err,
		asks:  make(chan struct{}, 1),
		lines: make(chan input),
		done:  make(chan struct{}),
		ended: make(chan struct{}),
	}
	go p.read()
	return p
}

func (p *pipe) read() {
	defer close(p.ended)
	lines := bufio.NewScanner(p.in)
	lines.Buffer(nil, longestInput)
	for {
		select {
		case <-p.asks:
		case <-p.done:
			return
		}
		in := input{err: io.EOF}
		if lines.Scan() {
			in = input{text: lines.Text()}
		} else if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
			in.err = errLongLine
		} else if err != nil {
			in.err = err
		}
		select {
		case p.lines <- in:
		case <-p.done:
			return
		}
	}
}

func (p *pipe) ask(request)         { p.asks <- struct{}{} }
func (p *pipe) cancel()             {}
func (p *pipe) typed() <-chan input { return p.lines }
func (p *pipe) prompt(string)       {}

func (p *pipe) show(k kind, text string) error {
	if k == answer {
		_, err := io.WriteString(p.out, text+"\n")
		return err
	}
	for line := range strings.SplitSeq(text, "\n") {
		io.WriteString(p.err, pipeMark+line+"\n")
	}
	return nil
}

func (p *pipe) close() {
	close(p.done)
	select {
	case <-p.ended:
	default:
		interrupt(p.in, p.ended)
	}
}
