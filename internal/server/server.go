package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alexedwards/argon2id"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/command"
	"github.com/parley-chat/parley/internal/config"
	"github.com/parley-chat/parley/internal/door"
	"github.com/parley-chat/parley/internal/door/linedoor"
	"github.com/parley-chat/parley/internal/door/textdoor"
	"github.com/parley-chat/parley/internal/hub"
	"github.com/parley-chat/parley/internal/store"
)

// ErrKilled is why a server ended that a client was allowed to stop.
var ErrKilled = errors.New("a client sent kill")

// Options are what a program or a test gives besides the configuration.
type Options struct {
	Log    *slog.Logger
	Hash   *argon2id.Params          // the cost of password hashes; nil: the usual one
	Now    func() time.Time          // the clock of messages; nil: time.Now
	Limits func(*parley.Limits)      // moves limits that have no setting; nil: none
	Store  func(hub.Store) hub.Store // wraps the store, to make it fail; nil: as it is
	// Launcher is the command line of the program that becomes a module's (see
	// module.Launch); nil: this server runs no modules.
	Launcher []string
	Environ  []string // of the process, of "NAME=value": modules get what they are granted of it
	// Open opens the store, in place of SQLite in the data directory. Shutdown closes it.
	Open func(context.Context, store.Options) (Store, error)
}

// Store is what a server keeps things in.
type Store interface {
	hub.Store
	io.Closer
}

func openSQLite(ctx context.Context, o store.Options) (Store, error) { return store.Open(ctx, o) }

// Server is a running server.
type Server struct {
	// Fixed after Start.
	log    *slog.Logger
	limits parley.Limits
	store  Store
	hub    *hub.Hub
	pool   *door.Pool
	loops  *door.Loops // nil where there are none
	runs   *modules
	doors  []*openDoor
	serve  sync.WaitGroup // the accept loops

	kill    atomic.Pointer[string] // the policy
	grants  atomic.Pointer[grants]
	ended   chan struct{} // closed when the server should be shut down
	endOnce sync.Once
	why     error // set before ended is closed

	shutOnce sync.Once
	shutErr  error
}

type openDoor struct {
	name     string
	listener *door.Listener
	from     net.Listener // nil: only connections of Drive
}

// Start opens the store and the doors. Shutdown ends what it started.
func Start(ctx context.Context, cfg config.Config, opts Options) (*Server, error) {
	limits, err := cfg.ParleyLimits()
	if err != nil {
		return nil, err
	}
	if opts.Limits != nil {
		opts.Limits(&limits)
	}
	s := &Server{log: opts.Log, limits: limits, ended: make(chan struct{}), pool: door.NewPool(limits.Workers)}
	s.kill.Store(&cfg.Kill)
	s.grants.Store(grantsByKey(cfg.Grants))
	broken := func(err error) { s.end(fmt.Errorf("the store is broken: %w", err)) }
	open := opts.Open
	if open == nil {
		open = openSQLite
	}
	s.store, err = open(ctx, store.Options{
		Dir: cfg.Data, Relaxed: cfg.Durability == "relaxed", Now: opts.Now, ClientIDs: limits.ClientIDs, Log: opts.Log, Broken: broken,
	})
	if err != nil {
		return nil, err
	}
	kept := hub.Store(s.store)
	if opts.Store != nil {
		kept = opts.Store(kept)
	}
	s.hub, err = hub.New(ctx, hub.Config{
		Store: kept, Limits: limits, Log: opts.Log, Now: opts.Now, Rooms: cfg.Rooms,
		WeakPassword: cfg.Limits.Password, Hash: opts.Hash,
		Broken: broken,
	})
	if err != nil {
		return nil, errors.Join(err, s.store.Close())
	}
	if err := s.openDoors(ctx, cfg); err != nil {
		return nil, errors.Join(err, s.Shutdown(ctx))
	}
	s.grant()
	s.runs.start(cfg.Data, opts)
	s.grant() // now that it is known who is a module
	s.warnOfGrants(ctx)
	s.serveDoors()
	return s, nil
}

// openDoors listens; serveDoors serves then, so that no door is open before all are.
func (s *Server) openDoors(ctx context.Context, cfg config.Config) error {
	table := command.NewTable()
	text := textdoor.New(s.hub, table)
	s.runs = newModules(s, text)
	table.Modules = s.runs
	for _, d := range []struct {
		name, address string
		open          func(*door.Conn) door.Protocol
	}{
		{"text", cfg.Text, text.Open},
		{"line", cfg.Line, linedoor.New(s.hub, s.killedBy).Open},
	} {
		opened := &openDoor{name: d.name, listener: &door.Listener{
			Name: d.name, Open: d.open, Limits: &s.limits, Log: s.log, Pool: s.pool,
		}}
		s.doors = append(s.doors, opened)
		if d.address == config.Off {
			continue
		}
		from, err := listen(ctx, d.address)
		if err != nil {
			return fmt.Errorf("open the %s door: %w", d.name, err)
		}
		opened.from = from
	}
	return s.startLoops()
}

// serveDoors accepts what has knocked meanwhile, and what comes.
func (s *Server) serveDoors() {
	for _, d := range s.doors {
		if d.from != nil {
			s.serve.Go(func() { d.listener.Serve(d.from) }) // ended and waited for by Shutdown
		}
	}
}

// startLoops lets loops drive what the doors accept, if any does.
func (s *Server) startLoops() (err error) {
	for _, d := range s.doors {
		if d.from != nil && s.loops == nil {
			if s.loops, err = door.NewLoops(); err != nil {
				return err
			}
		}
		d.listener.Loops = s.loops
	}
	return nil
}

// listen opens "host:port" or "unix:PATH".
func listen(ctx context.Context, address string) (net.Listener, error) {
	cfg := net.ListenConfig{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3}}
	cfg.Control = door.Inherit
	cfg.SetMultipathTCP(false) // its sockets do not hand all of that on
	path, unix := strings.CutPrefix(address, "unix:")
	if !unix {
		return cfg.Listen(ctx, "tcp", address)
	}
	// A socket that nobody listens on any more is left of a killed server.
	if conn, err := net.Dial("unix", path); err == nil {
		conn.Close()
		return nil, fmt.Errorf("another server listens on %s", path)
	} else if info, err := os.Stat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
		os.Remove(path)
	}
	return cfg.Listen(ctx, "unix", path)
}

// Addr gives the address of a door; nil when it is not open.
func (s *Server) Addr(name string) net.Addr {
	for _, d := range s.doors {
		if d.name == name && d.from != nil {
			return d.from.Addr()
		}
	}
	return nil
}

// Drive serves a connection through a door, as if the door had accepted it.
func (s *Server) Drive(name string, conn net.Conn) {
	for _, d := range s.doors {
		if d.name == name {
			d.listener.Drive(conn)
		}
	}
}

// Ended is closed when the server should be shut down: by kill, or because the
// store broke. Why tells which.
func (s *Server) Ended() <-chan struct{} { return s.ended }

// Why tells why Ended was closed.
func (s *Server) Why() error {
	<-s.ended
	return s.why
}

func (s *Server) end(why error) {
	s.endOnce.Do(func() {
		s.why = why
		close(s.ended)
	})
}

// Reload takes over the settings that can change while the server runs.
// It reads the list of modules again, too: the error is that it cannot be read.
func (s *Server) Reload(ctx context.Context, cfg config.Config) error {
	s.kill.Store(&cfg.Kill)
	s.grants.Store(grantsByKey(cfg.Grants))
	return s.runs.Reload(ctx)
}

// killedBy ends the server for a client, if the policy allows it.
func (s *Server) killedBy(by *hub.Session, from string) error {
	policy := *s.kill.Load()
	u, _ := by.User()
	allowed := policy == "anyone" || policy == "auto" && s.private() || policy != "never" && by.May(hub.Admin)
	if !allowed {
		s.log.Warn("kill was refused", "user", u.Name.String(), "from", from, "policy", policy)
		return parley.Errorf(parley.CodeForbidden, "kill is not permitted")
	}
	s.log.Warn("killed by a client", "user", u.Name.String(), "from", from, "policy", policy)
	s.end(ErrKilled)
	return nil
}

// private tells whether every open door is reached from this machine only.
func (s *Server) private() bool {
	for _, d := range s.doors {
		if d.from != nil && d.from.Addr().Network() != "unix" && !config.Private(d.from.Addr().String()) {
			return false
		}
	}
	return true
}

// Shutdown stops accepting, answers what was asked, tells every client, and
// closes the store. Connections that have not ended when ctx does are closed
// by force.
func (s *Server) Shutdown(ctx context.Context) error {
	s.shutOnce.Do(func() { s.shutErr = s.shutdown(ctx) })
	return s.shutErr
}

func (s *Server) shutdown(ctx context.Context) error {
	stop := context.AfterFunc(ctx, s.pool.Cancel)
	defer stop()
	for _, d := range s.doors {
		d.listener.StopAccepting()
		if d.from != nil {
			d.from.Close()
		}
	}
	var all sync.WaitGroup
	for _, d := range s.doors {
		all.Go(func() { d.listener.Shutdown(ctx, parley.ErrShuttingDown) })
	}
	all.Wait()
	s.serve.Wait()
	s.runs.close(ctx) // last, for they serve those who were still answered
	s.pool.Close()
	if s.loops != nil {
		s.loops.Close()
	}
	s.hub.Close()
	return s.store.Close()
}
