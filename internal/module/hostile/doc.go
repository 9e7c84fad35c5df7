// Package hostile holds modules that behave as badly as a program can. It is
// support for tests: their own binary, started by a supervisor with the words of
// [Words], plays one of them. What could hurt a machine ends by itself, even
// where nothing contains it.
package hostile
