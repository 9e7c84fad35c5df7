//go:build linux || darwin

package module

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/parley-chat/parley/internal/module/hostile"
)

// launchWord as its only argument makes the test binary the launcher.
const launchWord = "launch"

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == launchWord {
		fmt.Fprintln(os.Stderr, Launch())
		os.Exit(1)
	}
	hostile.Main()
	goleak.VerifyTestMain(m)
}
