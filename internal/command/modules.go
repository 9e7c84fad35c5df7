package command

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
	"github.com/parley-chat/parley/wire/textwire"
)

// Modules is what runs the modules of the server.
type Modules interface {
	// States tells how each module is, in the order of their names.
	States() []ModuleState
	// Reload reads the list of modules again.
	Reload(ctx context.Context) error
}

// ModuleState is how a module is: one of the words of 1.4.12.
type ModuleState struct {
	Name  parley.Name
	State string
}

// noModules is of a server that runs none.
type noModules struct{}

func (noModules) States() []ModuleState { return nil }

func (noModules) Reload(context.Context) error {
	return parley.Errorf(parley.CodeUnavailable, "this server runs no modules")
}

var modules = &Command{
	Name: "modules",
	Args: "[reload]",
	Most: 1,
	Help: "lists the programs that provide commands; reload reads the list of modules again",
	Work: func(ctx context.Context, r *Request) ([]string, error) {
		switch r.arg(0) {
		case "":
			return r.listPrograms()
		case "reload":
			if !r.Session.May(hub.Admin) {
				return nil, parley.Errorf(parley.CodeForbidden, "reloading the modules needs the right admin; the operator can grant it")
			}
			return ok, r.Table.Modules.Reload(ctx)
		}
		return nil, usage(r.Table.byName["modules"])
	},
}

// listPrograms gives six values for each program: those that the server runs,
// and those that came by a socket and provide something.
func (r *Request) listPrograms() ([]string, error) {
	programs := r.Hub.Programs()
	const inRow = 6
	values, size, most := []string{"modules"}, len("modules"), r.Limits.Fields-2*r.Limits.Nesting
	add := func(p hub.Program, state string) {
		median := ""
		if p.Median > 0 {
			median = strconv.FormatInt(max(p.Median.Microseconds(), 1), 10)
		}
		row := []string{p.Name.String(), state, strings.Join(p.Commands, " "), strconv.Itoa(p.Calls), strconv.Itoa(p.Errors), median}
		if size += 1 + textwire.Size(row...); size <= r.pageBytes() && len(values)+inRow <= most {
			values = append(values, row...)
		}
	}
	for _, s := range r.Table.Modules.States() {
		is := func(p hub.Program) bool { return p.Name.Key() == s.Name.Key() }
		if at := slices.IndexFunc(programs, is); at >= 0 {
			add(programs[at], s.State)
			programs = slices.Delete(programs, at, at+1)
		} else {
			add(hub.Program{Name: s.Name}, s.State)
		}
	}
	for _, p := range programs {
		if len(p.Commands) > 0 {
			add(p, "connected")
		}
	}
	return values, nil
}
