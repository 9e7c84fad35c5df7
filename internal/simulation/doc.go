// Package simulation holds the deterministic simulation of a whole server, as
// tests: hub, journal and both doors, clients that follow random scripts, and
// between them a network and a store that fail. One number, the seed, decides
// everything, and a failure names it:
//
//	go test ./internal/simulation -run TestSimulation -seed 17
//
// With -whole it prints all that happened, with -seeds 500 it runs so many from
// that one on, with -again 5 each so many times.
//
// A world has three to eight clients on both doors. The network cuts what they
// say and hear into pieces, down to single bytes, delays them, stands still for
// longer than a server waits, and resets connections. Commits and readings take
// their time; the disk is full for a while. The server lives up to five times: it
// is shut down, dies before, after or beside a commit, or cannot trust its store
// any more. What may not have been said is said again under its client id. In the
// end all histories are read, and package proof judges; the rest is judged here:
// what the server logs, one writer for each connection, peers that take nothing
// are given up in time, a half-closed client is answered, a shutdown ends, and a
// client that goes on where it ended misses nothing.
//
// A run happens on the clock of a bubble of testing/synctest: time goes on when
// everybody waits, and an hour passes in milliseconds. What is random is drawn
// from streams of numbers of which each has one owner: a client, one direction
// of a connection, the store of one life of the server. So no draw depends on
// who runs first. Nearly every step has an instant of its own, for every delay
// is drawn to the nanosecond, and at most a handful of goroutines run in it.
//
// What a seed guarantees: the same clients with the same scripts, the same
// delays, and faults at the same steps. What it does not: the order in which
// goroutines run within one instant is the scheduler's, and the order of some
// walks is that of a map. One processor, which the tests are set to, makes a run
// nearly always the same to the last event, which TestReplay holds; a busy
// machine, which takes the processor away in the middle, and the race detector,
// which shuffles goroutines on purpose, do not. A failure that does not come back
// at once comes back within a few tries.
//
// Clients ask each other, and return, in time or not.
//
// What is not simulated: commands that programs provide, the line protocol in chunk mode, sessions that change
// their user, passwords that change, rooms of guests, and kill.
package simulation
