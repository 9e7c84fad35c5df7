package conformance

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"golang.org/x/tools/txtar"
)

//go:embed stories/*.txtar
var stories embed.FS

// The doors that a story can open.
const (
	DoorText = "text" // Base-server frames with Text-server commands
	DoorLine = "line" // CS594 IRC
)

// A Story is a sequence of steps between named actors and a server.
type Story struct {
	File      string   // where it stands: stories/text_frames.txtar
	Line      int      // the line of its name in the file
	Name      string   // what it shows
	Clause    string   // where the protocol page says so: the number of a rule, and perhaps of cases
	Extension bool     // it wants more than the published protocols say
	Heavy     bool     // it makes much work, or leaves much behind
	Granted   bool     // it wants an account that may provide commands
	Doors     []string // the doors that it opens, sorted

	needs []string // what the server must offer for it, if the steps do not show that
	steps []step
}

// String names the story, as a test would: its file and what it shows.
func (s Story) String() string {
	return strings.TrimSuffix(path.Base(s.File), ".txtar") + "/" + s.Name
}

// Load gives all stories of the package, sorted by file and as they stand there.
func Load() ([]Story, error) {
	files, err := fs.Glob(stories, "stories/*.txtar")
	if err != nil {
		return nil, err
	}
	var all []Story
	for _, file := range files {
		data, err := stories.ReadFile(file)
		if err != nil {
			return nil, err
		}
		some, err := Parse(file, data)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// Parse reads the stories of one file. The name of the file is for reports.
func Parse(file string, data []byte) ([]Story, error) {
	archive := txtar.Parse(data)
	line := 1 + strings.Count(string(archive.Comment), "\n")
	var all []Story
	for _, f := range archive.Files {
		s := Story{File: file, Line: line, Name: f.Name}
		p := &parser{story: &s, open: map[string]bool{}, line: line}
		if err := p.parse(string(f.Data)); err != nil {
			return nil, fmt.Errorf("%s:%d: story %q: %w", file, p.line, f.Name, err)
		}
		if slices.ContainsFunc(all, func(o Story) bool { return o.Name == s.Name }) {
			return nil, fmt.Errorf("%s:%d: story %q: the name is taken in this file", file, line, s.Name)
		}
		all = append(all, s)
		line += 1 + strings.Count(string(f.Data), "\n")
	}
	return all, nil
}
