package module

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// job tells a launcher what to run, and what it may do.
type job struct {
	Dir     string   // the data directory
	Home    string   // the module's own directory in it
	Program string   // a path
	Words   []string // the program as it was written, and its arguments
	Env     []string
	Network bool
	Limits  Limits
}

// newJob finds the program of a module and makes its directory.
func newJob(opts *Options, m *module) (*job, error) {
	dir, err := filepath.Abs(opts.Dir)
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, err
	}
	j := &job{Dir: dir, Home: homeOf(dir, m.name), Words: m.words, Network: m.grant.Network, Limits: opts.Limits}
	if err := os.MkdirAll(j.Home, 0o700); err != nil {
		return nil, err
	}
	path := variable(opts.Environ, "PATH", "/usr/local/bin:/usr/bin:/bin")
	j.Env = []string{
		"PATH=" + path, "HOME=" + j.Home, "LANG=" + variable(opts.Environ, "LANG", "C.UTF-8"), "PARLEY_MODULE=" + m.name.String(),
	}
	for _, name := range m.grant.Env {
		set := func(entry string) bool { return strings.HasPrefix(entry, name+"=") }
		if at := slices.IndexFunc(opts.Environ, set); at >= 0 && !slices.ContainsFunc(j.Env, set) {
			j.Env = append(j.Env, opts.Environ[at])
		}
	}
	j.Program, err = find(m.words[0], dir, path)
	return j, err
}

// variable gives the value of a variable of an environment, or another if it has none.
func variable(environ []string, name, otherwise string) string {
	for _, entry := range environ {
		if value, ok := strings.CutPrefix(entry, name+"="); ok && value != "" {
			return value
		}
	}
	return otherwise
}

// find gives the path of a program: one that is not absolute is looked for in the
// data directory, and then, if it is a bare name, in PATH.
func find(program, dir, path string) (string, error) {
	places := []string{filepath.Join(dir, program)}
	err := errors.New("it is not in the data directory")
	switch {
	case filepath.IsAbs(program):
		places[0] = program
		err = errors.New("there is no such file")
	case !strings.ContainsRune(program, '/'):
		err = errors.New("it is neither in the data directory nor in PATH")
		for _, place := range filepath.SplitList(path) {
			if filepath.IsAbs(place) {
				places = append(places, filepath.Join(place, program))
			}
		}
	}
	for n, place := range places {
		info, e := os.Stat(place)
		switch runs := e == nil && info.Mode().IsRegular(); {
		case runs && info.Mode()&0o111 != 0:
			return place, nil
		case n > 0: // in PATH, nobody minds what is not a program
		case runs:
			err = fmt.Errorf("%s is no program: allow its execution with chmod +x", place)
		case e != nil && !errors.Is(e, os.ErrNotExist):
			err = e
		}
	}
	return "", fmt.Errorf("the program %q cannot be run: %w", program, err)
}
