package command

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-chat/parley"
)

var update = flag.Bool("update", false, "rewrite docs/commands.md to what the code says")

// repository is the root of the module, seen from this package.
const repository = "../.."

// TestReference compares docs/commands.md with the table of commands, and with
// the codes and limits of the root, whose meanings are their comments there.
func TestReference(t *testing.T) {
	page := filepath.Join(repository, "docs", "commands.md")
	want := reference(t)
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(got), want); diff != "" {
		t.Errorf("docs/commands.md is not what the code says; run\n"+
			"\tgo test ./internal/command -run TestReference -update\n(-page +code)\n%s", diff)
	}
}

func reference(t *testing.T) string {
	var b strings.Builder
	b.WriteString("# Commands, errors and limits of the text protocol\n\n" +
		"Generated from the code by `go test ./internal/command -run TestReference -update`.\n" +
		"What the commands answer and push stands in [protocol-text.md](protocol-text.md).\n")
	rows := NewTable().Rows()
	commandTable(&b, "Commands of the Text-server protocol", rows[:6])
	commandTable(&b, "Extensions", rows[6:])
	errorTables(t, &b)
	limitTable(t, &b)
	return b.String()
}

func commandTable(b *strings.Builder, heading string, rows []*Command) {
	fmt.Fprintf(b, "\n## %s\n\n| command | arguments | who | what it does |\n| --- | --- | --- | --- |\n", heading)
	who := map[Need]string{Anybody: "anybody", Named: "with a name", Account: "with an account"}
	for _, c := range rows {
		args := ""
		if c.Args != "" {
			args = "`" + c.Args + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", c.Name, args, who[c.Needs], c.Help)
	}
}

// errorTables has a table for each group of constants in error.go.
func errorTables(t *testing.T, b *strings.Builder) {
	documented := map[parley.Code]bool{}
	b.WriteString("\n## Error types\n")
	for _, decl := range parse(t, "error.go").Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		fmt.Fprintf(b, "\n%s\n| type | meaning |\n| --- | --- |\n", group.Doc.Text())
		for _, spec := range group.Specs {
			value := spec.(*ast.ValueSpec)
			code, err := strconv.Unquote(value.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			documented[parley.Code(code)] = true
			fmt.Fprintf(b, "| `%s` | %s |\n", Types[parley.Code(code)], comment(t, value.Names[0], value.Comment))
		}
	}
	for _, code := range parley.Codes() {
		if !documented[code] || Types[code] == "" {
			t.Errorf("code %s: got no meaning in error.go or no type in Types, want both", code)
		}
	}
}

// settings are the limits that an operator may move.
var settings = map[string]string{"Frame": "`limits.frame`", "Request": "`timeouts.request`", "Session": "`timeouts.session`", "Call": "`timeouts.call`"}

func limitTable(t *testing.T, b *strings.Builder) {
	b.WriteString("\n## Limits\n\nSizes are in bytes unless said otherwise.\n\n" +
		"| limit | default | what it bounds | setting |\n| --- | --- | --- | --- |\n")
	defaults := reflect.ValueOf(parley.DefaultLimits())
	ast.Inspect(parse(t, "limits.go"), func(n ast.Node) bool {
		fields, ok := n.(*ast.StructType)
		if !ok {
			return true
		}
		for _, field := range fields.Fields.List {
			name := field.Names[0]
			fmt.Fprintf(b, "| %s | %v | %s | %s |\n", name, defaults.FieldByName(name.Name), comment(t, name, field.Comment), settings[name.Name])
		}
		return false
	})
}

func parse(t *testing.T, name string) *ast.File {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(repository, name), nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// comment gives the comment behind a name as one line.
func comment(t *testing.T, of *ast.Ident, group *ast.CommentGroup) string {
	text := strings.Join(strings.Fields(group.Text()), " ")
	if text == "" {
		t.Errorf("%s has no comment on its line, which would say here what it means", of)
	}
	return text
}
