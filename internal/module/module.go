package module

import (
	"context"
	"log/slog"
	"os"
	"time"
)

// Host lets modules into the server.
type Host interface {
	// Enter lets a module speak as the user of its name over a socket, which is
	// the host's from now on, also when there is an error.
	Enter(ctx context.Context, name string, socket *os.File) (Seat, error)
}

// Seat is the session of one running module. Its methods may be called at any
// time, also when the session is over.
type Seat interface {
	// Drain lets nothing more be handed to the module.
	Drain()
	// Calls counts what was handed to it and did not come back yet.
	Calls() int
	// Commands lists what it provides.
	Commands() []string
	// Hung is closed when a call timed out and the module has said nothing since
	// it was handed over.
	Hung() <-chan struct{}
	// Close answers what the module asked, tells it that it is to end, and ends its
	// input. What it says after that is not served.
	Close()
	// Ended is closed when the connection has ended.
	Ended() <-chan struct{}
}

// Grant is what a module gets beyond what every module has.
type Grant struct {
	Env     []string // names of variables of the server's environment
	Network bool     // it may use the network, where the system could forbid it
}

// Options are what a supervisor needs.
type Options struct {
	Dir      string   // the data directory, with modules.txt and the modules' own directories
	Launcher []string // command line that runs Launch in a process of its own; empty: modules cannot be started
	Environ  []string // the server's environment, of "NAME=value"
	Host     Host
	Grants   func(name string) Grant // asked at Start and at Reload; nil: nothing is granted
	Log      *slog.Logger
	Limits   Limits

	start  starter       // nil: in a process; for tests of what takes time
	plain  bool          // without namespaces, as where the system has none
	census time.Duration // how often a module's processes are counted; 0: each second
	jitter func(time.Duration) time.Duration
}

// Limits are the bounds of supervised modules. Sizes are in bytes.
type Limits struct {
	List    int // of modules.txt
	Modules int // lines of modules.txt that are run

	Grace     time.Duration // for a module to end by itself, and once more after SIGTERM
	Handover  time.Duration // for the new program of a module to provide what the old one did
	Drain     time.Duration // for calls to come back from a module that is to end
	Pause     time.Duration // before a crashed module is started again; it doubles
	LongPause time.Duration // what it doubles up to
	Steady    time.Duration // a module that ran so long begins with Pause again
	Crashes   int           // within Steady, and the module is off

	LogLine  int // of one line that a module writes to its standard error
	LogLines int // of these lines in a second

	Files     int   // descriptors of one process of a module
	Memory    int64 // private memory of one process of a module
	FileSize  int64 // of a file that it writes
	Processes int   // of a module
}

// DefaultLimits are the limits of a server whose operator set none. Drain should
// be what a call may take.
func DefaultLimits() Limits {
	return Limits{
		List: 64 << 10, Modules: 64,
		Grace: 2 * time.Second, Handover: 5 * time.Second, Drain: 5 * time.Second,
		Pause: 100 * time.Millisecond, LongPause: 30 * time.Second, Steady: time.Minute, Crashes: 3,
		LogLine: 1 << 10, LogLines: 100,
		Files: 64, Memory: 512 << 20, FileSize: 1 << 30, Processes: 64,
	}
}

// State is how a listed module is.
type State struct {
	Name  string
	State string // starting, running, draining, waiting, off or stopped (1.4.12)
}

// The states of 1.4.12.
const (
	starting = "starting" // it has provided nothing yet
	running  = "running"
	draining = "draining" // it gets no more calls, and ends when it has answered those it has
	waiting  = "waiting"  // it crashed, and is started again
	off      = "off"      // it crashed too often
	stopped  = "stopped"
)

// starter starts a program that speaks over a socket, which stays the caller's.
type starter func(m *module, socket *os.File) (process, error)

// process is a started program.
type process interface {
	// terminate asks all of the module to end; kill ends it.
	terminate()
	kill()
	// gone is closed when the program has ended, and what it started; how tells how then.
	gone() <-chan struct{}
	how() string
}
