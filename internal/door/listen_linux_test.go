package door_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// TestLoopForEachCore holds that there is a loop for each core that the program
// may use: the tests with -cpu would test nothing else.
func TestLoopForEachCore(t *testing.T) {
	before := polls(t)
	startLoops(t)
	if got, want := polls(t)-before, runtime.GOMAXPROCS(0); got != want {
		t.Errorf("%d loops were started, want %d", got, want)
	}
}

// polls counts the sets of descriptors that this process waits for.
func polls(t *testing.T) (n int) {
	t.Helper()
	files, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if of, err := os.Readlink(file); err == nil && of == "anon_inode:[eventpoll]" {
			n++
		}
	}
	return n
}
