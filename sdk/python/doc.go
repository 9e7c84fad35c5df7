// Package python holds the library for programs in Python: parley.py, one file
// that needs nothing but the standard library. README.md says how it is used.
// Here is only the test that runs its tests.
package python
