// Package config reads the settings of a server: flags over the environment
// over a file over defaults. A key that nobody knows is an error.
package config
