// Package simulation holds the deterministic simulation of a whole server, as
// tests: hub, journal and both doors, clients that follow random scripts, and
// between them a network and a store that fail. One number, the seed, decides
// everything, and a failure names it:
//
//	go test ./internal/simulation -run TestSimulation -seed 17
//
// A run happens on the clock of a bubble of testing/synctest: time goes on when
// everybody waits, and minutes pass in milliseconds. What is random is drawn
// from streams of numbers of which each has one owner: a client, one direction
// of a connection, the store of one life of the server. So no draw depends on
// who runs first. Nearly every step has an instant of its own, for every delay
// is drawn to the nanosecond, and at most a handful of goroutines run in it.
//
// What a seed guarantees: the same clients with the same scripts, the same
// delays, and faults at the same steps. What it does not: the order in which
// goroutines run within one instant is the scheduler's, and the order of some
// walks is that of a map. One processor, which the tests are set to, makes the
// former nearly always the same, and TestReplay counts how often a run is the
// same again, to the last event. A failure that does not come back at once comes
// back within a few tries: see the flag -again.
package simulation
