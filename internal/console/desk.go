package console

import (
	"io"
	"regexp"
	"unicode"
)

// A desk is what the editor reads its keys from. Beside the person's keys it
// gives it what the session wants typed: the beginning of a line, and the keys
// that end a line which was taken back. The editor's goroutine alone uses it.
type desk struct {
	keys   <-chan []byte
	done   <-chan struct{}
	resize func()

	taken   <-chan struct{} // closed when the line is taken back
	script  [][]byte        // typed by the session, one read each
	rest    []byte          // of a read that was longer than asked for
	long    bool            // keys were lost, for the line is full
	history history
}

// begin prepares for one line.
func (d *desk) begin(a asking) {
	d.taken, d.long = a.taken, false
	d.history.off = a.secret || !a.command
	if a.prefill != "" {
		d.script = append(d.script, []byte(a.prefill))
	}
}

// Read gives the next keys.
func (d *desk) Read(p []byte) (int, error) {
	if len(d.rest) == 0 {
		if !d.next() {
			return 0, io.EOF
		}
		d.resize()
	}
	n := copy(p, d.rest)
	d.rest = d.rest[n:]
	return n, nil
}

// next waits for keys.
func (d *desk) next() bool {
	if len(d.script) == 0 {
		select {
		case keys, ok := <-d.keys:
			d.rest = keys
			return ok
		case <-d.taken:
			d.taken, d.history.off = nil, true
			d.script = endOfLine()
		case <-d.done:
			return false
		}
	}
	d.rest, d.script = d.script[0], d.script[1:]
	return true
}

// endOfLine is typed to get a half-typed line out of the editor: an unknown
// key, which ends any unfinished one, the end of the line, and Enter. They are
// separate reads, since the editor puts off what follows a broken character
// until the next one.
func endOfLine() [][]byte {
	return [][]byte{[]byte("\x1b[~"), {5}, []byte("\r")}
}

// lineCells is the length from which on the editor silently drops keys.
const lineCells = 4096

// notice sees every key before the editor takes it, and marks a line that
// loses some. It has the form of term.Terminal's AutoCompleteCallback.
func (d *desk) notice(line string, _ int, key rune) (string, int, bool) {
	if unicode.IsPrint(key) && len(line) >= lineCells && len([]rune(line)) >= lineCells {
		d.long = true
	}
	return "", 0, false
}

// historyEntries is how many lines a history keeps.
const historyEntries = 500

// secrets matches commands of the text protocol that carry a password. Behind a
// slash it matches more than those, for quotes are not looked at.
var secrets = regexp.MustCompile(`^(req,[^,]*,)*(login|register|passwd),|^/.*\b(login|register|passwd)\b`)

// A history remembers commands, latest first, but none with a password in it.
// It is a term.History.
type history struct {
	off     bool
	entries []string // oldest first
}

// Add remembers a line.
func (h *history) Add(line string) {
	last := len(h.entries) - 1
	if h.off || line == "" || secrets.MatchString(line) || last >= 0 && h.entries[last] == line {
		return
	}
	if len(h.entries) == historyEntries {
		h.entries = append(h.entries[:0], h.entries[1:]...)
	}
	h.entries = append(h.entries, line)
}

// Len is the number of lines.
func (h *history) Len() int { return len(h.entries) }

// At gives a line; 0 is the latest.
func (h *history) At(i int) string { return h.entries[len(h.entries)-1-i] }
