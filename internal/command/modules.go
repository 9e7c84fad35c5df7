package command

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
	"github.com/parley-chat/parley/wire/textwire"
)

// Modules is what runs the modules of the server.
type Modules interface {
	// States tells how each module is, by its name.
	States() map[string]string
	// Reload reads the list of modules again.
	Reload(ctx context.Context) error
}

// noModules is of a server that runs none.
type noModules struct{}

func (noModules) States() map[string]string { return map[string]string{} }

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
	states := r.Table.Modules.States()
	values, size := []string{"modules"}, 0
	add := func(p hub.Program, state string) {
		median := ""
		if p.Median > 0 {
			median = strconv.FormatInt(max(p.Median.Microseconds(), 1), 10)
		}
		row := []string{p.Name.String(), state, strings.Join(p.Commands, " "), strconv.Itoa(p.Calls), strconv.Itoa(p.Errors), median}
		if size += textwire.Size(row...) + 1; size+len(values[0]) <= r.pageBytes() {
			values = append(values, row...)
		}
	}
	for _, p := range r.Hub.Programs() {
		state, supervised := states[p.Name.String()]
		delete(states, p.Name.String())
		if supervised || len(p.Commands) > 0 {
			if !supervised {
				state = "connected"
			}
			add(p, state)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(states)) {
		add(hub.Program{Name: parley.StoredName(name, name)}, states[name])
	}
	return values, nil
}
