package powerloss

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"
)

// never is the moment of what has not come.
const never = math.MaxInt

// A Recording is what programs did to one directory, and what they sent. It is
// used by one goroutine while it is read, and by any number afterwards.
type Recording struct {
	root   string
	ignore []string // suffixes of names

	moments int
	changes []*change // in the order in which they began
	sent    []Sent
	live    tree           // as the programs see it
	files   int            // nodes made so far
	syncs   map[int][]span // by node
	failed  map[int][]span // those that failed
}

// A span is from one moment to another.
type span struct{ begin, end int }

// Sent is bytes that a program sent, from Moment on.
type Sent struct {
	Moment int
	To     string // the peer's address; what strace calls it when it has none
	Bytes  []byte
}

// A change is a call that changed what a file holds, or names.
type change struct {
	span
	durableAt int // since when it is on the disk, or never

	// Of what a file holds: a write, or when data is nil, a new length.
	file   int
	offset int64
	data   []byte

	// Of names, all at once.
	names []naming
}

// A naming gives a name in a directory to a file or a directory, or to nothing.
type naming struct {
	dir  int
	name string
	to   int
	kind nodeKind
}

type nodeKind byte

const (
	nothing nodeKind = iota
	isFile
	isDir
)

// rootDir is the recorded directory.
const rootDir = 0

// New makes an empty recording of a directory, which must be empty too. Files
// whose names end in one of ignored are left out, such as shared memory.
func New(root string, ignored ...string) (*Recording, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	if root, err = filepath.EvalSymlinks(root); err != nil {
		return nil, err
	}
	return &Recording{root: root, ignore: ignored, live: newTree(), syncs: map[int][]span{}, failed: map[int][]span{}}, nil
}

// Read adds what strace wrote about one program, which has ended: the moments
// go on behind those of the programs before it. Found is what the directory
// holds now: a recording that does not give it is refused. It also tells whether
// calls that had not ended when the program was killed were made. With nil
// nothing is compared, and there must be none of these.
func (r *Recording) Read(from io.Reader, found Disk) error {
	lines := bufio.NewReaderSize(from, 1<<20)
	p := parser{unfinished: map[string]*call{}}
	for number := 1; ; number++ {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) && line == "" {
			break
		} else if err != nil {
			return fmt.Errorf("line %d: the recording ends in it: %w", number, err)
		}
		begun, ended, err := p.line(r.moments, strings.TrimSuffix(line, "\n"))
		if err == nil && begun != nil {
			err = r.begin(begun)
		}
		if err == nil && ended != nil {
			err = r.end(ended)
		}
		if err != nil {
			return fmt.Errorf("line %d, %.200q: %w", number, line, err)
		}
		r.moments++
	}
	return r.settle(found)
}

// Moments is how many there are: 0 is before everything, and the last one
// behind everything.
func (r *Recording) Moments() int { return r.moments + 1 }

// Turns are the moments at which something about the disk is about to begin or
// to end, and the last one: at each, as much as possible has been sent.
func (r *Recording) Turns() []int {
	turns := []int{r.moments}
	add := func(s span) {
		turns = append(turns, s.begin)
		if s.end != never {
			turns = append(turns, s.end)
		}
	}
	for _, c := range r.changes {
		add(c.span)
	}
	for _, spans := range r.syncs {
		for _, s := range spans {
			add(s)
		}
	}
	slices.Sort(turns)
	return slices.Compact(turns)
}

// Sent gives all that was sent, in the order in which that began.
func (r *Recording) Sent() []Sent { return r.sent }

// begin looks at a call when it begins: writes go to the file that has the name
// then, and bytes leave from then on.
func (r *Recording) begin(c *call) error {
	handle, ok := calls[c.name]
	switch {
	case !ok:
		return fmt.Errorf("%s is not known", c.name)
	case handle.begin != nil:
		return handle.begin(r, c)
	}
	return nil
}

func (r *Recording) end(c *call) error {
	handle := calls[c.name]
	if c.result < 0 {
		handle.end = handle.failed
	}
	if handle.end == nil {
		return nil
	}
	return handle.end(r, c)
}

// inside gives the path of a label or an argument below the recorded directory.
// The directory itself is ".".
func (r *Recording) inside(path string) (string, bool) {
	rel, ok := strings.CutPrefix(filepath.Clean(path), r.root)
	if !ok || rel != "" && rel[0] != '/' {
		return "", false
	}
	for _, suffix := range r.ignore {
		if strings.HasSuffix(rel, suffix) {
			return "", false
		}
	}
	return filepath.Join(".", rel), true
}

// pathOf is the argument at, which is relative to the one before it if dirfd.
func pathOf(c *call, at int, dirfd bool) (string, error) {
	if len(c.args) <= at || c.args[at].text == nil {
		return "", fmt.Errorf("%s has no path: %w", c.name, errSyntax)
	}
	path := string(c.args[at].text)
	if filepath.IsAbs(path) {
		return path, nil
	}
	if !dirfd || !c.args[at-1].path {
		return "", fmt.Errorf("%s of a relative path", c.name)
	}
	return filepath.Join(c.args[at-1].label, path), nil
}
