// Package server puts the house together: the store, the hub, and the doors,
// from a configuration. The program and the tests start the same server.
package server
