// Package config reads the settings of a server: flags over the environment
// over a file over defaults. A key of the
// file that nobody knows is an error; the environment may hold what is meant
// for clients.
package config
