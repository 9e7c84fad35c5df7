package house_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	module       = "github.com/parley-chat/parley"
	root         = "parley" // what the tables call the package in the module's root
	repository   = "../.."  // seen from this package, where go test runs
	architecture = "docs/architecture.md"

	maxFuncLines = 100
	maxFileLines = 800
)

// A row gives a package, by its path inside the module, its floor.
type row struct {
	floor int
	path  string
}

// table is the plan of the house. A package imports lower floors only.
var table = []row{
	{0, root},
	{0, "wire/linewire"},
	{0, "wire/textwire"},
	{1, "client"},
	{1, "internal/config"},
	{1, "internal/hub"},
	{1, "internal/store"},
	{2, "internal/command"},
	{2, "internal/door"},
	{2, "internal/module"},
	{2, "internal/store/storetest"},
	{3, "internal/door/linedoor"},
	{3, "internal/door/textdoor"},
	{4, "internal/server"},
	{5, "client/parleytest"},
	{5, "cmd/parley"},
	{5, "conformance"},
	{5, "internal/bench"},
	{5, "internal/bench/figures"},
	{5, "internal/console"},
	{5, "internal/house"},
	{5, "internal/memnet"},
	{5, "internal/module/hostile"},
	{5, "internal/powerloss"},
	{5, "internal/proof"},
	{5, "internal/simulation"},
	{5, "modules"},
	{5, "modules/reminder"},
	{5, "sdk/python"},
}

// sameFloor lists the imports between neighbours that are meant.
var sameFloor = map[[2]string]string{
	{"internal/store", "internal/hub"}: "the store implements the interface that the hub declares",
	{"cmd/parley", "conformance"}:      "parley check plays the stories",
	{"cmd/parley", "internal/bench"}:   "a subcommand is a package of its own",
	{"cmd/parley", "internal/console"}: "a subcommand is a package of its own",

	{"internal/bench/figures", "internal/bench"}: "it runs the load tool",
}

// A pkg is a package as go list tells it: imports of tests are not among them.
type pkg struct {
	ImportPath string
	Imports    []string
}

// A file is a text file of the repository, by its slash-separated path.
type file struct {
	path string
	src  []byte
}

func TestFloors(t *testing.T) {
	report(t, floorProblems(table, listPackages(t)))
}

func TestArchitecturePageShowsTheFloors(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(repository, architecture))
	if err != nil {
		t.Fatal(err)
	}
	report(t, pageProblems(table, string(page)))
}

func TestSizes(t *testing.T) {
	for _, f := range readRepository(t) {
		report(t, sizeProblems(f))
	}
}

func TestEverythingExportedIsDocumented(t *testing.T) {
	report(t, docProblems(readRepository(t)))
}

func TestWords(t *testing.T) {
	for _, f := range readRepository(t) {
		report(t, wordProblems(f))
	}
}

func report(t *testing.T, problems []string) {
	t.Helper()
	for _, p := range problems {
		t.Error(p)
	}
}

// listPackages asks go list on every system parley is built for, since files
// of one system may import what the others do not.
func listPackages(t *testing.T) []pkg {
	t.Helper()
	imports := map[string][]string{}
	for _, goos := range []string{"linux", "darwin", "windows"} {
		cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Imports", "./...")
		cmd.Dir = repository
		cmd.Env = append(os.Environ(), "GOOS="+goos, "CGO_ENABLED=0")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v for %s: %v", cmd.Args, goos, err)
		}
		for dec := json.NewDecoder(bytes.NewReader(out)); ; {
			var p pkg
			if err := dec.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%v for %s: %v", cmd.Args, goos, err)
			}
			imports[p.ImportPath] = append(imports[p.ImportPath], p.Imports...)
		}
	}
	var pkgs []pkg
	for _, p := range slices.Sorted(maps.Keys(imports)) {
		slices.Sort(imports[p])
		pkgs = append(pkgs, pkg{p, slices.Compact(imports[p])})
	}
	return pkgs
}

// floorProblems compares what packages import with the table.
func floorProblems(table []row, pkgs []pkg) []string {
	floors := map[string]int{}
	for _, r := range table {
		floors[r.path] = r.floor
	}
	var problems []string
	exists := map[string]bool{}
	for _, p := range pkgs {
		from, _ := insideModule(p.ImportPath)
		exists[from] = true
		if _, ok := floors[from]; !ok {
			problems = append(problems, fmt.Sprintf("package %s has no floor: "+
				"add it to the table in internal/house/house_test.go and to the one in %s", from, architecture))
			continue
		}
		for _, imported := range p.Imports {
			if why := importProblem(floors, from, imported); why != "" {
				problems = append(problems, fmt.Sprintf("package %s imports %s: %s", from, imported, why))
			}
		}
	}
	for _, r := range table {
		if !exists[r.path] {
			problems = append(problems, fmt.Sprintf("package %s is in the floor table and does not exist: "+
				"remove its row in internal/house/house_test.go and in %s", r.path, architecture))
		}
	}
	return problems
}

// importProblem says why from must not import imported, or nothing.
func importProblem(floors map[string]int, from, imported string) string {
	to, inside := insideModule(imported)
	switch {
	case !inside && strings.HasPrefix(from, "wire/") && !isStd(imported):
		return "wire imports the standard library only"
	case !inside && from == root && !isStd(imported) && !isUnder(imported, "golang.org/x/text"):
		return "the root imports the standard library and golang.org/x/text only"
	case !inside:
		return ""
	case sameFloor[[2]string{from, to}] != "":
		return ""
	case floors[to] >= floors[from]:
		return fmt.Sprintf("floor %d may import only lower floors, got %d", floors[from], floors[to])
	case from == "conformance" && floors[to] > 0:
		return "the conformance runner imports only the root and wire: it must run against any server"
	}
	return ""
}

// insideModule returns the path of a package inside the module, and whether
// it belongs to it.
func insideModule(importPath string) (string, bool) {
	if importPath == module {
		return root, true
	}
	return strings.CutPrefix(importPath, module+"/")
}

func isStd(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".")
}

func isUnder(importPath, parent string) bool {
	return importPath == parent || strings.HasPrefix(importPath, parent+"/")
}

var (
	rowLine  = regexp.MustCompile(`^([0-9])  (\S.*)$`)
	inParens = regexp.MustCompile(`\([^)]*\)`)
)

// pageRows reads the floor table of the architecture page: the first fenced
// block with lines like "1  internal/hub internal/store    what they are".
// Two spaces end the packages; words in parentheses are not packages.
func pageRows(page string) []row {
	var rows []row
	fenced := false
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
			if len(rows) > 0 {
				break
			}
			continue
		}
		m := rowLine.FindStringSubmatch(strings.TrimRight(line, " \r\n"))
		if !fenced || m == nil {
			continue
		}
		floor, _ := strconv.Atoi(m[1]) // one digit
		paths, _, _ := strings.Cut(m[2], "  ")
		for _, p := range strings.Fields(inParens.ReplaceAllString(paths, "")) {
			rows = append(rows, row{floor, strings.TrimRight(p, ",")})
		}
	}
	return rows
}

// pageProblems compares the table with the one on the architecture page.
func pageProblems(table []row, page string) []string {
	const how = "a line of the page's fenced floor table is a digit, two spaces, whole package paths " +
		"with one space between them, then two spaces and the explanation"
	rows := pageRows(page)
	var problems []string
	for _, r := range table {
		if !slices.Contains(rows, r) {
			problems = append(problems, fmt.Sprintf("%s: package %s is not on floor %d; add it (%s)",
				architecture, r.path, r.floor, how))
		}
	}
	for _, r := range rows {
		if !slices.Contains(table, r) {
			problems = append(problems, fmt.Sprintf("%s: has %s on floor %d, "+
				"the table in internal/house/house_test.go has not; make them agree (%s)",
				architecture, r.path, r.floor, how))
		}
	}
	return problems
}

// readRepository returns every text file. Reading the whole tree also makes go
// test notice any change, so that its cache never hides one.
func readRepository(t *testing.T) []file {
	t.Helper()
	var files []file
	err := filepath.WalkDir(repository, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name != repository && isLocal(d) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		src, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(repository, name)
		if err != nil {
			return err
		}
		if !bytes.Contains(src, []byte{0}) { // a zero byte: not a text
			files = append(files, file{filepath.ToSlash(rel), src})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	isThis := func(f file) bool { return f.path == "internal/house/house_test.go" }
	if !slices.ContainsFunc(files, isThis) {
		t.Fatalf("read %d files, not even this one among them", len(files))
	}
	return files
}

// isLocal tells what a working copy holds beside the repository's own files:
// the version control, editors, built tools, data of a server.
func isLocal(d fs.DirEntry) bool {
	if d.Name() == ".git" { // a file in a linked working tree
		return true
	}
	hidden := strings.HasPrefix(d.Name(), ".") && d.Name() != ".ci"
	return d.IsDir() && (hidden || d.Name() == "parley-data")
}

// sizeProblems finds a file or functions of it that are too long. Functions
// inside others count as part of them.
func sizeProblems(f file) []string {
	if !strings.HasSuffix(f.path, ".go") {
		return nil
	}
	fset := token.NewFileSet()
	parsed, err := parse(fset, f)
	if err != nil {
		return []string{err.Error()}
	}
	if ast.IsGenerated(parsed) {
		return nil
	}
	var problems []string
	if got := fset.File(parsed.FileStart).LineCount(); got > maxFileLines {
		problems = append(problems, fmt.Sprintf("%s:1: file %s has %d lines, want at most %d",
			f.path, path.Base(f.path), got, maxFileLines))
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		name := "function literal"
		switch fn := n.(type) {
		case *ast.FuncDecl:
			name = fn.Name.Name
		case *ast.FuncLit:
		default:
			return true
		}
		first := fset.Position(n.Pos()).Line
		if got := fset.Position(n.End()).Line - first + 1; got > maxFuncLines {
			problems = append(problems, fmt.Sprintf("%s:%d: %s has %d lines, want at most %d",
				f.path, first, name, got, maxFuncLines))
		}
		return false
	})
	return problems
}

func parse(fset *token.FileSet, f file) (*ast.File, error) {
	return parser.ParseFile(fset, f.path, f.src, parser.ParseComments|parser.SkipObjectResolution)
}

// docProblems finds packages without a package comment, and exported names
// without a comment in packages that others import.
func docProblems(files []file) []string {
	var problems []string
	hasComment := map[string]bool{} // by folder and package
	for _, f := range files {
		if !strings.HasSuffix(f.path, ".go") || strings.Contains(f.path, "testdata/") {
			continue
		}
		fset := token.NewFileSet()
		parsed, err := parse(fset, f)
		if err != nil {
			problems = append(problems, err.Error())
			continue
		}
		isTest := strings.HasSuffix(f.path, "_test.go")
		folder, name := path.Dir(f.path), parsed.Name.Name
		if isTest {
			name = strings.TrimSuffix(name, "_test")
		}
		key := folder + ": package " + name
		hasComment[key] = hasComment[key] || !isTest && says(parsed.Doc)
		if isTest || name == "main" || folder == "internal/house" || ast.IsGenerated(parsed) {
			continue
		}
		for _, decl := range parsed.Decls {
			for _, id := range undocumented(decl) {
				problems = append(problems, fmt.Sprintf("%s:%d: exported %s has no comment",
					f.path, fset.Position(id.Pos()).Line, id.Name))
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(hasComment)) {
		if !hasComment[key] {
			problems = append(problems, key+" has no package comment: say in its doc.go what it is for")
		}
	}
	return problems
}

// undocumented returns the exported names of a declaration that have no
// comment: functions, types, methods of exported types, and constants and
// variables, for which the comment of their group is enough.
func undocumented(decl ast.Decl) []*ast.Ident {
	var ids []*ast.Ident
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if hasExportedReceiver(d) && !says(d.Doc) {
			ids = append(ids, d.Name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				if !says(s.Doc, s.Comment) && (d.Lparen.IsValid() || !says(d.Doc)) {
					ids = append(ids, s.Name)
				}
			case *ast.ValueSpec:
				if !says(d.Doc, s.Doc, s.Comment) {
					ids = append(ids, s.Names...)
				}
			}
		}
	}
	return slices.DeleteFunc(ids, func(id *ast.Ident) bool { return !id.IsExported() })
}

// says tells whether one of the comments has words, directives aside.
func says(comments ...*ast.CommentGroup) bool {
	return slices.ContainsFunc(comments, func(c *ast.CommentGroup) bool { return c.Text() != "" })
}

// hasExportedReceiver is also true of a function that is no method.
func hasExportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	for typ := d.Recv.List[0].Type; ; {
		switch t := typ.(type) {
		case *ast.StarExpr:
			typ = t.X
		case *ast.IndexExpr: // one type parameter
			typ = t.X
		case *ast.IndexListExpr: // several
			typ = t.X
		case *ast.Ident:
			return t.IsExported()
		default:
			return true
		}
	}
}

// Written in two parts each, so that this file does not hold them.
var (
	machinePaths = []string{"/wo" + "rk/", "/ro" + "ot/"}
	sleep        = "time.Sl" + "eep("
)

// wordProblems finds what no file of the repository, or no test, may say.
func wordProblems(f file) []string {
	var problems []string
	n := 0
	for line := range strings.Lines(string(f.src)) {
		n++
		for _, p := range machinePaths {
			if strings.Contains(line, p) {
				problems = append(problems, fmt.Sprintf("%s:%d: names %s, a path of somebody's machine", f.path, n, p))
			}
		}
		if strings.HasSuffix(f.path, "_test.go") && strings.Contains(line, sleep) {
			problems = append(problems, fmt.Sprintf("%s:%d: a test sleeps: "+
				"end its phase with a round trip, or run it in testing/synctest", f.path, n))
		}
	}
	return problems
}

// The tests below feed each check what it is there to refuse.

func TestFloorsRefuse(t *testing.T) {
	tests := []struct {
		name, from, imported string
		want                 string // part of the problem, nothing if it is fine
	}{
		{"lower floor", "internal/server", module + "/internal/door", ""},
		{"the root", "wire/textwire", module, "floor 0 may import only lower floors, got 0"},
		{"higher floor", "internal/hub", module + "/internal/server", "floor 1 may import only lower floors, got 4"},
		{"neighbour", "internal/door/textdoor", module + "/internal/door/linedoor", "got 3"},
		{"neighbour that is meant", "internal/store", module + "/internal/hub", ""},
		{"the same the other way round", "internal/hub", module + "/internal/store", "got 1"},
		{"subcommand", "cmd/parley", module + "/internal/console", ""},
		{"root, std", root, "unicode/utf8", ""},
		{"root, text", root, "golang.org/x/text/secure/precis", ""},
		{"root, a name that only begins alike", root, "golang.org/x/textile", "the root imports"},
		{"root, library", root, "github.com/oklog/ulid/v2", "the root imports"},
		{"root, package of the module", root, module + "/wire/linewire", "got 0"},
		{"wire, text", "wire/linewire", "golang.org/x/text/width", "wire imports the standard library only"},
		{"library above the root", "internal/store", "modernc.org/sqlite", ""},
		{"conformance, codec", "conformance", module + "/wire/linewire", ""},
		{"conformance, server", "conformance", module + "/internal/server", "any server"},
		{"package without a floor", "internal/util", "fmt", "internal/util has no floor: add it"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var pkgs []pkg
			for _, r := range table { // all exist, and import nothing
				pkgs = append(pkgs, pkg{ImportPath: importPath(r.path)})
			}
			pkgs = append(pkgs, pkg{importPath(tt.from), []string{tt.imported}})
			wantProblem(t, floorProblems(table, pkgs), tt.want)
		})
	}
	t.Run("row without a package", func(t *testing.T) {
		wantProblem(t, floorProblems([]row{{1, "internal/gone"}}, nil), "internal/gone is in the floor table and does not exist")
	})
}

func importPath(name string) string {
	if name == root {
		return module
	}
	return module + "/" + name
}

// wantProblem wants one problem that says want, or none if want is empty.
func wantProblem(t *testing.T, got []string, want string) {
	t.Helper()
	switch {
	case want == "" && len(got) > 0:
		t.Errorf("got problems %q, want none", got)
	case want != "" && (len(got) != 1 || !strings.Contains(got[0], want)):
		t.Errorf("got problems %q, want one with %q", got, want)
	}
}

func TestArchitecturePageRefuses(t *testing.T) {
	rows := []row{{0, root}, {1, "internal/hub"}, {1, "internal/store"}}
	const fence = "```\n"
	tests := []struct{ name, page, want string }{
		{"agrees", fence + "0  parley (the root)    words\n1  internal/hub, internal/store  state\n" + fence, ""},
		{"no explanation", fence + "0  parley\n1  internal/hub internal/store\n" + fence, ""},
		{"later blocks do not count", fence + "0  parley\n1  internal/hub internal/store\n" + fence + fence + "1  read\n" + fence, ""},
		{"package missing", fence + "0  parley\n1  internal/hub  state\n" + fence, "internal/store is not on floor 1"},
		{"package too many", fence + "0  parley\n1  internal/hub internal/store\n2  internal/x\n" + fence, "has internal/x on floor 2"},
		{"not in a fenced block", "0  parley\n" + fence + "1  internal/hub internal/store\n" + fence, "parley is not on floor 0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wantProblem(t, pageProblems(rows, tt.page), tt.want)
		})
	}
}

func TestSizesRefuse(t *testing.T) {
	lines := func(n int) string { return strings.Repeat("\n", n) }
	tests := []struct{ name, src, want string }{
		{"function of 100", "package p\nfunc f() {" + lines(99) + "}\n", ""},
		{"function of 101", "package p\nfunc f() {" + lines(100) + "}\n", "a.go:2: f has 101 lines, want at most 100"},
		{"literal of 101", "package p\nvar f = func() {" + lines(100) + "}\n", "a.go:2: function literal has 101 lines"},
		{"literal inside counts once", "package p\nfunc f() { _ = func() {" + lines(100) + "} }\n", "a.go:2: f has 101 lines"},
		{"file of 800", "package p" + lines(800), ""},
		{"file of 801", "package p" + lines(801), "a.go:1: file a.go has 801 lines, want at most 800"},
		{"generated", "// Code generated by a tool. DO NOT EDIT.\n\npackage p" + lines(900), ""},
		{"broken", "package", "a.go:1:8: expected 'IDENT'"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wantProblem(t, sizeProblems(file{"a.go", []byte(tt.src)}), tt.want)
		})
	}
}

func TestDocsRefuse(t *testing.T) {
	const p = "// Package p is documented.\npackage p\n\n"
	tests := []struct{ name, path, src, want string }{
		{"package", "p/a.go", "package p\n", "p: package p has no package comment"},
		{"package, directive only", "p/a.go", "//go:generate x\npackage p\n", "p: package p has no package comment"},
		{"package of tests only", "p/a_test.go", "package p_test\n", "p: package p has no package comment"},
		{"function", "p/a.go", p + "func F() {}\n", "p/a.go:4: exported F has no comment"},
		{"function with a comment", "p/a.go", p + "// F is.\nfunc F() {}\n", ""},
		{"function, unexported", "p/a.go", p + "func f() {}\n", ""},
		{"method", "p/a.go", p + "type t int\n// T is.\ntype T t\nfunc (*T) M() {}\n", "p/a.go:7: exported M"},
		{"method of a generic type", "p/a.go", p + "type t[k, V any] int\nfunc (t[k, V]) M() {}\n", ""},
		{"type", "p/a.go", p + "type T int\n", "p/a.go:4: exported T"},
		{"type in a group", "p/a.go", p + "// Types.\ntype (\n\tT int\n)\n", "p/a.go:6: exported T"},
		{"constant", "p/a.go", p + "const a, B = 1, 2\n", "p/a.go:4: exported B"},
		{"constant in a group", "p/a.go", p + "// Group.\nconst (\n\tA = 1\n)\n", ""},
		{"variable, comment at its end", "p/a.go", p + "var V int // V is.\n", ""},
		{"main", "p/a.go", "// Command p.\npackage main\nfunc F() {}\n", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wantProblem(t, docProblems([]file{{tt.path, []byte(tt.src)}}), tt.want)
		})
	}
	t.Run("package, comment in another file", func(t *testing.T) {
		files := []file{{"p/a.go", []byte("package p\n")}, {"p/doc.go", []byte(p)}}
		wantProblem(t, docProblems(files), "")
	})
}

func TestWordsRefuse(t *testing.T) {
	tests := []struct{ name, path, text, want string }{
		{"machine path", "docs/a.md", "see\n`" + machinePaths[0] + "main`\n", "docs/a.md:2: names " + machinePaths[0]},
		{"home of an administrator", "Makefile", "ls " + machinePaths[1] + "x", "Makefile:1: names " + machinePaths[1]},
		{"sleep in a test", "a_test.go", "\t" + sleep + "1)", "a_test.go:1: a test sleeps"},
		{"sleep elsewhere", "a.go", "\t" + sleep + "1)", ""},
		{"neither", "a_test.go", "work, root", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wantProblem(t, wordProblems(file{tt.path, []byte(tt.text)}), tt.want)
		})
	}
}
