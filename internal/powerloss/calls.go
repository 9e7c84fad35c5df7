package powerloss

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// A handler says what a call does, when it begins, when it has ended well, and
// when it has failed.
type handler struct {
	begin, end, failed func(*Recording, *call) error
}

// calls are all that a recording may hold.
var calls = map[string]handler{
	"open":      {end: opened(0, 1)},
	"openat":    {end: opened(1, 2)},
	"creat":     {end: unsupported},
	"openat2":   {end: unsupported},
	"write":     {begin: written, end: wrote},
	"writev":    {begin: written, end: wrote},
	"sendto":    {begin: written},
	"sendmsg":   {begin: written},
	"pwrite64":  {begin: written, end: wrote, failed: notWritten},
	"pwritev":   {begin: unsupported},
	"pwritev2":  {begin: unsupported},
	"sendfile":  {begin: unsupported},
	"ftruncate": {begin: written, end: wrote, failed: notWritten},
	"truncate":  {end: unsupported},
	"fallocate": {begin: unsupported},
	"fsync":     {end: synced, failed: synced},
	"fdatasync": {end: synced, failed: synced},
	// What these make durable, others do too: they only prove less.
	"sync": {}, "syncfs": {}, "sync_file_range": {},
	"copy_file_range": {begin: unsupported},
	"mkdir":           {end: madeDir(0)},
	"mkdirat":         {end: madeDir(1)},
	"unlink":          {end: removed(0)},
	"unlinkat":        {end: removed(1)},
	"rmdir":           {end: removed(0)},
	"rename":          {end: renamed(0, 1)},
	"renameat":        {end: renamed(1, 3)},
	"renameat2":       {end: renamed(1, 3)},
	"link":            {end: unsupported},
	"linkat":          {end: unsupported},
	"symlink":         {end: unsupported},
	"symlinkat":       {end: unsupported},
}

// unsupported refuses a call that has to do with the recorded directory.
func unsupported(r *Recording, c *call) error {
	for _, a := range c.args {
		for _, path := range []string{a.label, string(a.text)} {
			if _, ok := r.inside(path); ok && filepath.IsAbs(path) {
				return fmt.Errorf("%s in the recorded directory is not understood", c.name)
			}
		}
	}
	return nil
}

// opened makes the file that O_CREAT asks for, and empties one for O_TRUNC.
func opened(path, flags int) func(*Recording, *call) error {
	return func(r *Recording, c *call) error {
		name, err := pathOf(c, path, path > 0)
		if err != nil {
			if len(c.args) > flags && !strings.Contains(c.args[flags].word, "O_CREAT") {
				return nil // nothing was made
			}
			return err
		}
		rel, ok := r.inside(name)
		if !ok {
			return nil
		}
		if len(c.args) <= flags {
			return errSyntax
		}
		return r.open(c, rel, strings.Split(c.args[flags].word, "|"))
	}
}

func (r *Recording) open(c *call, path string, flags []string) error {
	for _, flag := range []string{"O_APPEND", "O_TMPFILE"} {
		if slices.Contains(flags, flag) {
			return fmt.Errorf("%s of %s with %s is not understood", c.name, path, flag)
		}
	}
	node, _, ok := r.live.find(path)
	switch {
	case !ok && slices.Contains(flags, "O_CREAT"):
		return r.name(c, path, r.newNode(), isFile)
	case ok && slices.Contains(flags, "O_TRUNC"):
		emptied := &change{span: span{c.begin, c.end}, file: node}
		r.change(emptied)
		r.live.apply(emptied)
	}
	return nil
}

// written sees a write, or a change of length, that begins: of a recorded file,
// or to somebody.
func written(r *Recording, c *call) error {
	if len(c.args) < 2 {
		return nil // its end brings the rest; see wrote
	}
	fd := c.args[0]
	if !fd.path {
		if fd.label != "" && c.name != "ftruncate" {
			r.sent = append(r.sent, Sent{c.begin, peerOf(fd.label), c.args[1].text})
		}
		return nil
	}
	rel, ok := r.inside(fd.label)
	if !ok || fd.gone {
		return nil
	}
	node, _, ok := r.live.find(rel)
	if !ok {
		return fmt.Errorf("%s to %s, which was never made", c.name, rel)
	}
	w := &change{span: span{c.begin, never}, file: node}
	switch c.name {
	case "pwrite64":
		if len(c.args) < 4 {
			return errSyntax
		}
		w.data, w.offset = c.args[1].text, c.args[3].number()
		if w.data == nil {
			return errSyntax
		}
	case "ftruncate":
		w.offset = c.args[1].number()
	default:
		return fmt.Errorf("%s to %s is not understood: it has no offset", c.name, rel)
	}
	if w.offset < 0 || w.offset+int64(len(w.data)) > maxFile {
		return fmt.Errorf("%s beyond all measure: %w", c.name, errSyntax)
	}
	r.change(w)
	return nil
}

// peerOf is the other end of "TCP:[here->there]".
func peerOf(label string) string {
	if _, there, ok := strings.Cut(label, "->"); ok {
		return strings.TrimSuffix(there, "]")
	}
	return label
}

// wrote ends the change that written began.
func wrote(r *Recording, c *call) error {
	for i := len(r.changes) - 1; i >= 0 && r.changes[i].begin >= c.begin; i-- {
		w := r.changes[i]
		if w.begin != c.begin {
			continue
		}
		w.end = c.end
		if w.data != nil && c.result < int64(len(w.data)) {
			w.data = w.data[:c.result]
		}
		r.live.apply(w)
	}
	return nil
}

// notWritten takes back the change that written began.
func notWritten(r *Recording, c *call) error {
	r.changes = slices.DeleteFunc(r.changes, func(w *change) bool { return w.begin == c.begin })
	return nil
}

// synced makes durable what ended before it began. After one that failed, what
// was to be made durable is so never: the system may have forgotten it, and the
// next sync then finds nothing to do.
func synced(r *Recording, c *call) error {
	if len(c.args) == 0 || !c.args[0].path {
		return nil
	}
	rel, ok := r.inside(c.args[0].label)
	if !ok || c.args[0].gone {
		return nil
	}
	node, _, ok := r.live.find(rel)
	if !ok {
		return fmt.Errorf("%s of %s, which was never made", c.name, rel)
	}
	if c.result < 0 {
		r.failed[node] = append(r.failed[node], span{c.begin, c.end})
		return nil
	}
	r.syncs[node] = append(r.syncs[node], span{c.begin, c.end})
	return nil
}

func madeDir(path int) func(*Recording, *call) error {
	return func(r *Recording, c *call) error {
		name, err := pathOf(c, path, path > 0)
		if err != nil {
			return err
		}
		if rel, ok := r.inside(name); ok && rel != "." {
			return r.name(c, rel, r.newNode(), isDir)
		}
		return nil
	}
}

func removed(path int) func(*Recording, *call) error {
	return func(r *Recording, c *call) error {
		name, err := pathOf(c, path, path > 0)
		if err != nil {
			return err
		}
		if rel, ok := r.inside(name); ok {
			return r.name(c, rel, 0, nothing)
		}
		return nil
	}
}

func renamed(from, to int) func(*Recording, *call) error {
	return func(r *Recording, c *call) error {
		old, err1 := pathOf(c, from, from > 0)
		now, err2 := pathOf(c, to, from > 0)
		if err1 != nil {
			return err1
		} else if err2 != nil {
			return err2
		}
		oldRel, wasInside := r.inside(old)
		nowRel, isInside := r.inside(now)
		switch {
		case !wasInside && !isInside, oldRel == nowRel:
			return nil
		case !wasInside || !isInside || len(c.args) > 4 && c.args[4].word != "" && c.args[4].word != "0":
			return fmt.Errorf("%s of %s to %s is not understood", c.name, oldRel, nowRel)
		}
		node, kind, ok := r.live.find(oldRel)
		if !ok {
			return fmt.Errorf("%s of %s, which was never made", c.name, oldRel)
		}
		return r.name(c, nowRel, node, kind, oldRel)
	}
}

// name records that a call gave a name to a file, and took others away.
func (r *Recording) name(c *call, path string, node int, kind nodeKind, without ...string) error {
	w := &change{span: span{c.begin, c.end}}
	for i, p := range append([]string{path}, without...) {
		dir, dirKind, ok := r.live.find(filepath.Dir(p))
		if !ok || dirKind != isDir {
			return fmt.Errorf("%s of %s, whose directory was never made", c.name, p)
		}
		n := naming{dir: dir, name: filepath.Base(p), to: node, kind: kind}
		if i > 0 {
			n.to, n.kind = 0, nothing
		}
		w.names = append(w.names, n)
	}
	r.change(w)
	r.live.apply(w)
	return nil
}

// change adds a change where it began.
func (r *Recording) change(c *change) {
	at := len(r.changes)
	for at > 0 && r.changes[at-1].begin > c.begin {
		at--
	}
	r.changes = append(r.changes, nil)
	copy(r.changes[at+1:], r.changes[at:])
	r.changes[at] = c
}

func (r *Recording) newNode() int {
	r.files++
	return r.files
}
