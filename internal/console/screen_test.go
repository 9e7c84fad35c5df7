package console

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/term"
)

// A screen is a person at a pseudo-terminal, with the little of a VT100 that
// tells what stands on its screen.
type screen struct {
	t       *testing.T
	master  *os.File
	slave   *os.File
	before  string // state of the terminal
	code    chan int
	reading sync.WaitGroup

	mu      sync.Mutex
	raw     []byte
	changed chan struct{} // closed and made anew with every read
}

// atTerminal starts the console at a terminal of the given size.
func atTerminal(t *testing.T, o Options, rows, cols uint16) *screen {
	t.Helper()
	master, slave, err := pty.Open()
	if errors.Is(err, pty.ErrUnsupported) {
		t.Skip("no pseudo-terminals on this system")
	} else if err != nil {
		t.Fatal(err)
	}
	if err := pty.Setsize(master, &pty.Winsize{Rows: rows, Cols: cols}); err != nil {
		t.Fatal(err)
	}
	s := &screen{t: t, master: master, slave: slave, code: make(chan int, 1), changed: make(chan struct{})}
	s.before = s.state()
	s.reading.Go(s.read)
	o.In, o.Out, o.Err = slave, slave, slave
	if o.Timeout == 0 {
		o.Timeout = patience
	}
	s.reading.Go(func() { s.code <- Run(t.Context(), o) })
	t.Cleanup(func() {
		master.Close()
		slave.Close()
		s.reading.Wait()
	})
	return s
}

func (s *screen) read() {
	buf := make([]byte, 4096)
	for {
		n, err := s.master.Read(buf)
		s.mu.Lock()
		s.raw = append(s.raw, buf[:n]...)
		close(s.changed)
		s.changed = make(chan struct{})
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// state tells the terminal's modes.
func (s *screen) state() string {
	state := ""
	err := withFD(s.slave, func(fd int) {
		st, err := term.GetState(fd)
		if err != nil {
			s.t.Error(err)
			return
		}
		// The fields are not exported; their words are enough to compare.
		state = strings.TrimSpace(strings.Join(strings.Fields(sprint(*st)), " "))
	})
	if err != nil {
		s.t.Error(err)
	}
	return state
}

// types presses keys.
func (s *screen) types(keys string) {
	s.t.Helper()
	if _, err := s.master.WriteString(keys); err != nil {
		s.t.Fatal(err)
	}
}

// shows waits until the last lines of the screen are these.
func (s *screen) shows(lines ...string) {
	s.t.Helper()
	s.await(strings.Join(lines, "\n"), func(all []string) bool {
		return len(all) >= len(lines) && strings.Join(all[len(all)-len(lines):], "\n") == strings.Join(lines, "\n")
	})
}

func (s *screen) await(what string, ok func(all []string) bool) {
	s.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		s.mu.Lock()
		raw, changed := string(s.raw), s.changed
		s.mu.Unlock()
		_, cols, err := pty.Getsize(s.master)
		if err != nil {
			s.t.Fatal(err)
		}
		if ok(render(raw, cols)) {
			return
		}
		select {
		case <-changed:
		case <-deadline.C:
			all := render(raw, cols)
			s.t.Fatalf("the screen ends with\n%s\n(after %q), want\n%s",
				strings.Join(all[max(0, len(all)-12):], "\n"), raw[max(0, len(raw)-500):], what)
		}
	}
}

// ends waits for the end, and checks that the terminal is as it was.
func (s *screen) ends(code int) {
	s.t.Helper()
	select {
	case got := <-s.code:
		if got != code {
			s.t.Errorf("exit code %d, want %d", got, code)
		}
	case <-time.After(patience):
		s.mu.Lock()
		defer s.mu.Unlock()
		s.t.Fatalf("it does not end; the screen got %q", s.raw[max(0, len(s.raw)-500):])
	}
	if after := s.state(); after != s.before {
		s.t.Errorf("the terminal is left as %s, it was %s", after, s.before)
	}
}

// render tells what stands on a screen of a width after it got some output:
// its lines without trailing spaces, up to the last that holds something or
// the cursor. It panics on an escape sequence that the console has no business
// to write.
func render(raw string, width int) []string {
	cells := [][]rune{{}}
	x, y := 0, 0
	put := func(r rune) {
		if x == width {
			x, y = 0, y+1
		}
		for len(cells) <= y {
			cells = append(cells, nil)
		}
		for len(cells[y]) <= x {
			cells[y] = append(cells[y], ' ')
		}
		cells[y][x] = r
		x++
	}
	runes := []rune(raw)
	for i := 0; i < len(runes); i++ {
		switch r := runes[i]; {
		case r == '\r':
			x = 0
		case r == '\n':
			y++
		case r == '\x1b' && i+2 < len(runes) && runes[i+1] == '[':
			end := i + 2
			for end < len(runes) && runes[end] >= '0' && runes[end] <= '9' {
				end++
			}
			if end == len(runes) {
				return nil // the rest is still to come
			}
			n, err := strconv.Atoi(string(runes[i+2 : end]))
			if err != nil {
				n = 1
			}
			switch runes[end] {
			case 'A':
				y = max(0, y-n)
			case 'B':
				y += n
			case 'C':
				x = min(width-1, x+n)
			case 'D':
				x = max(0, min(x, width-1)-n)
			case 'J', 'K':
				if y < len(cells) {
					cells[y] = cells[y][:min(x, len(cells[y]))]
				}
				if runes[end] == 'J' {
					cells = cells[:min(y+1, len(cells))]
				}
			default:
				panic("escape sequence " + strconv.Quote(string(runes[i:end+1])))
			}
			i = end
		case r == '\x1b':
			if i+2 < len(runes) {
				panic("escape sequence " + strconv.Quote(string(runes[i:i+3])))
			}
			return nil
		case r < ' ':
			panic("control character " + strconv.QuoteRune(r))
		default:
			put(r)
		}
	}
	lines := make([]string, max(len(cells), y+1))
	for i, line := range cells {
		lines[i] = strings.TrimRight(string(line), " ")
	}
	for last := len(lines) - 1; last > y && lines[last] == ""; last-- {
		lines = lines[:last]
	}
	return lines
}
