package server

import (
	"context"
	"os"
	"slices"
	"sync"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/command"
	"github.com/parley-chat/parley/internal/door"
	"github.com/parley-chat/parley/internal/door/textdoor"
	"github.com/parley-chat/parley/internal/module"
)

// modules lets the programs in that the server runs: it is the host of their
// supervisor, and what the command "modules" asks.
type modules struct {
	// Fixed before the first module is started.
	server     *Server
	door       *textdoor.Door
	limits     parley.Limits // a module may be silent for ever
	supervisor *module.Supervisor
	started    chan struct{} // closed when it is set

	seats sync.WaitGroup
}

// newModules makes the host of a server's modules. Start begins to run them.
func newModules(s *Server, d *textdoor.Door) *modules {
	m := &modules{server: s, door: d, limits: s.limits, started: make(chan struct{})}
	m.limits.Session = 0
	return m
}

// start runs what is listed in the data directory. Close ends that.
func (m *modules) start(dir string, opts Options) {
	limits := module.DefaultLimits()
	limits.Drain = m.limits.Call
	m.supervisor = module.Start(module.Options{
		Dir: dir, Launcher: opts.Launcher, Environ: opts.Environ, Host: m, Grants: m.grant, Log: opts.Log, Limits: limits,
	})
	close(m.started)
}

// grant tells what a module gets of its process.
func (m *modules) grant(name string) module.Grant {
	grant := m.server.grants.Load().of(name)
	return module.Grant{Env: grant.Env, Network: slices.Contains(grant.Rights, "network")}
}

// Enter lets a module speak as its own user; see module.Host.
func (m *modules) Enter(ctx context.Context, name string, socket *os.File) (module.Seat, error) {
	<-m.started // or the module could ask for what is not there yet
	user, err := m.server.hub.Module(ctx, name)
	if err != nil {
		socket.Close()
		return nil, err
	}
	one := newSeat()
	one.listener = &door.Listener{
		Name: "module", Limits: &m.limits, Log: m.server.log, Pool: m.server.pool, Loops: m.server.loops,
		Open: func(c *door.Conn) door.Protocol { return one.open(m.door, c, user) },
	}
	if err := one.listener.DriveSocket(socket); err != nil {
		return nil, err
	}
	m.seats.Go(func() { // ends when the module has left, for which the supervisor sees
		<-one.left
		one.listener.Shutdown(ctx, errStopped) // its driver is about to let go
		close(one.ended)
	})
	if <-one.opened; one.session == nil {
		return nil, parley.Errorf(parley.CodeUnavailable, "the module could not come in")
	}
	return one, nil
}

// close ends all modules, those that do not end by themselves when ctx does by
// force, and waits for them.
func (m *modules) close(ctx context.Context) {
	if m.supervisor != nil {
		m.supervisor.Close(ctx)
	}
	m.seats.Wait()
}

// States tells how each module is; see command.Modules.
func (m *modules) States() (list []command.ModuleState) {
	for _, s := range m.supervisor.States() {
		if name, err := parley.ParseUserName(s.Name); err == nil {
			list = append(list, command.ModuleState{Name: name, State: s.State})
		}
	}
	return list
}

// lists tells whether a module has the name of this key. None has before start.
func (m *modules) lists(key string) bool {
	return m.supervisor != nil && slices.ContainsFunc(m.States(), func(s command.ModuleState) bool { return s.Name.Key() == key })
}

// Reload reads the list again; see command.Modules.
func (m *modules) Reload(ctx context.Context) error {
	err := m.supervisor.Reload(ctx)
	m.server.grant() // who is a module may have changed
	m.server.warnOfGrants(ctx)
	return err
}
