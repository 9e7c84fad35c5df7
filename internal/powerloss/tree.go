package powerloss

import (
	"bytes"
	"maps"
	"path/filepath"
	"strings"
)

// maxFile bounds a file: a recording that was made up must not fill the memory.
const maxFile = 1 << 30

// A tree is a directory with all that is in it.
type tree struct {
	names map[int]map[string]naming // of directories
	files map[int][]byte
}

func newTree() tree {
	return tree{names: map[int]map[string]naming{}, files: map[int][]byte{}}
}

// clone copies a tree: the bytes of files are written in place.
func (t *tree) clone() tree {
	c := newTree()
	for dir, names := range t.names {
		c.names[dir] = maps.Clone(names)
	}
	for file, content := range t.files {
		c.files[file] = bytes.Clone(content)
	}
	return c
}

// find gives what has a path.
func (t *tree) find(path string) (node int, kind nodeKind, ok bool) {
	node, kind = rootDir, isDir
	if path == "." {
		return node, kind, true
	}
	for _, name := range strings.Split(path, "/") {
		n, ok := t.names[node][name]
		if !ok || kind != isDir {
			return 0, nothing, false
		}
		node, kind = n.to, n.kind
	}
	return node, kind, true
}

// apply makes a change wholly.
func (t *tree) apply(c *change) {
	for _, n := range c.names {
		if n.kind == nothing {
			delete(t.names[n.dir], n.name)
			continue
		}
		if t.names[n.dir] == nil {
			t.names[n.dir] = map[string]naming{}
		}
		t.names[n.dir][n.name] = n
	}
	switch {
	case c.names != nil:
	case c.data == nil:
		t.resize(c.file, c.offset)
	default:
		t.write(c.file, c.offset, c.data)
	}
}

func (t *tree) write(file int, offset int64, data []byte) {
	if end := offset + int64(len(data)); end > int64(len(t.files[file])) {
		t.resize(file, end)
	}
	copy(t.files[file][offset:], data)
}

func (t *tree) resize(file int, size int64) {
	old := t.files[file]
	if size <= int64(len(old)) {
		t.files[file] = old[:size:size]
		return
	}
	if size <= int64(cap(old)) {
		clear(old[len(old):size])
		t.files[file] = old[:size]
		return
	}
	grown := make([]byte, size, size+size/2)
	copy(grown, old)
	t.files[file] = grown
}

// disk lists what has a name.
func (t *tree) disk() Disk {
	d := Disk{}
	var walk func(dir int, path string)
	walk = func(dir int, path string) {
		for name, n := range t.names[dir] {
			full := filepath.Join(path, name)
			if n.kind == isDir {
				d[full+"/"] = nil
				walk(n.to, full)
			} else {
				d[full] = t.files[n.to]
			}
		}
	}
	walk(rootDir, "")
	return d
}
