package console

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"
)

// A terminal is a front with line editing and a history. Two goroutines feed
// it: the pump reads keys, and the editor turns them into the lines that were
// asked for. openTerminal starts both, close stops them and waits for them; of
// the pump only as far as in can be interrupted.
type terminal struct {
	in, out *os.File
	before  *term.State
	edit    *term.Terminal

	keys   chan []byte // from the pump; it holds keys typed ahead, so that Ctrl-C behind them is seen
	asks   chan asking
	lines  chan input
	done   chan struct{}
	pumped chan struct{}
	editor sync.WaitGroup

	// The loop's.
	taken chan struct{} // closed by cancel, for the line asked for last

	// The editor's.
	desk desk
}

// An asking is a request with the channel that takes it back.
type asking struct {
	request
	taken chan struct{}
}

// typedAhead is how many reads of keys may wait for the editor.
const typedAhead = 256

// terminalOf tells whether in and out are both a terminal.
func terminalOf(in io.Reader, out io.Writer) (inFile, outFile *os.File, ok bool) {
	inFile, inOK := in.(*os.File)
	outFile, outOK := out.(*os.File)
	if !inOK || !outOK {
		return nil, nil, false
	}
	for _, f := range []*os.File{inFile, outFile} {
		is := false
		if err := withFD(f, func(fd int) { is = term.IsTerminal(fd) }); err != nil || !is {
			return nil, nil, false
		}
	}
	return inFile, outFile, true
}

// withFD calls use with the descriptor of f. File.Fd would make f block for
// ever, deadline or not.
func withFD(f *os.File, use func(fd int)) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(func(fd uintptr) { use(int(fd)) })
}

func openTerminal(in, out *os.File) (*terminal, error) {
	t := &terminal{
		in: in, out: out,
		keys:   make(chan []byte, typedAhead),
		asks:   make(chan asking),
		lines:  make(chan input),
		done:   make(chan struct{}),
		pumped: make(chan struct{}),
	}
	var rawErr error
	if err := withFD(in, func(fd int) { t.before, rawErr = term.MakeRaw(fd) }); err != nil {
		return nil, err
	}
	if rawErr != nil {
		return nil, rawErr
	}
	t.desk = desk{keys: t.keys, done: t.done, resize: t.fit}
	t.edit = term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{&t.desk, out}, "")
	t.edit.History = &t.desk.history
	t.edit.AutoCompleteCallback = t.desk.notice
	t.fit()
	go t.pump()
	t.editor.Go(t.edits)
	return t, nil
}

// pump reads keys, and tells of Ctrl-C at once: the editor sees keys only while
// a line is asked for.
func (t *terminal) pump() {
	defer close(t.pumped)
	defer close(t.keys)
	const ctrlC = 3
	for {
		buf := make([]byte, 256)
		n, err := t.in.Read(buf)
		switch {
		case bytes.IndexByte(buf[:n], ctrlC) >= 0:
			select {
			case t.lines <- input{err: errInterrupt}:
			case <-t.done:
			}
		case n > 0:
			select {
			case t.keys <- buf[:n]:
			case <-t.done:
			}
		}
		if err != nil {
			return
		}
		select {
		case <-t.done:
			return
		default:
		}
	}
}

// edits serves one asking after the other.
func (t *terminal) edits() {
	for {
		var a asking
		select {
		case a = <-t.asks:
		case <-t.done:
			return
		}
		in := t.one(a)
		select {
		case t.lines <- in:
		case <-t.done:
			return
		}
	}
}

func (t *terminal) one(a asking) input {
	t.desk.begin(a)
	var in input
	if a.secret {
		in.text, in.err = t.edit.ReadPassword(a.prompt)
	} else {
		in.text, in.err = t.edit.ReadLine()
	}
	if errors.Is(in.err, term.ErrPasteIndicator) {
		in.err = nil
	}
	in.long = t.desk.long
	return in
}

// fit tells the editor how large the terminal is now. A terminal that does not
// know is left at the usual size.
func (t *terminal) fit() {
	width, height := 0, 0
	if withFD(t.out, func(fd int) { width, height, _ = term.GetSize(fd) }) == nil && width > 0 && height > 0 {
		t.edit.SetSize(width, height)
	}
}

func (t *terminal) ask(r request) {
	t.taken = make(chan struct{})
	// Not in the editor's goroutine: prompt may have to change it right away.
	t.edit.SetPrompt(r.prompt)
	select {
	case t.asks <- asking{r, t.taken}:
	case <-t.done:
	}
}

func (t *terminal) cancel()             { close(t.taken) }
func (t *terminal) typed() <-chan input { return t.lines }
func (t *terminal) prompt(p string)     { t.edit.SetPrompt(p) }

// show prints above the line being typed, which the editor then draws again.
// The editor clears that line up to its cursor, counting every character as one
// cell; to begin at the margin and to clear what is below covers the rest.
func (t *terminal) show(k kind, text string) error {
	if k == notice {
		text = terminalMark + strings.ReplaceAll(text, "\n", "\n"+terminalMark)
	}
	t.fit()
	_, err := t.edit.Write([]byte("\r\x1b[J" + text + "\n"))
	return err
}

func (t *terminal) close() {
	close(t.done)
	t.editor.Wait()
	interrupt(t.in, t.pumped)
	// The prompt, if one stands there, is wiped.
	io.WriteString(t.out, "\r\x1b[J")
	withFD(t.in, func(fd int) { term.Restore(fd, t.before) })
}
