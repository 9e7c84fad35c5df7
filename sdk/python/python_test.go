package python_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestPython builds the program and runs test_parley.py, whose tests start it.
func TestPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3 here: sdk/python was NOT tested")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	program := filepath.Join(t.TempDir(), "parley.exe") // Windows wants the suffix, others do not mind
	build := exec.CommandContext(ctx, "go", "build", "-o", program, "../../cmd/parley")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", build, err, out)
	}
	tests := exec.CommandContext(ctx, python, "-B", "-W", "error::SyntaxWarning", "-m", "unittest", "test_parley")
	tests.Env = append(os.Environ(), "PARLEY_BIN="+program)
	if out, err := tests.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", tests, err, out)
	}
}
