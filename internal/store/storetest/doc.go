// Package storetest holds the tests that every hub.Store must pass. It is used
// by tests only. A Store that passes keeps the promises of storage: messages
// numbered without gaps, dates that never run back, a retry that is not a
// second message, and no trace of what was not committed.
package storetest
