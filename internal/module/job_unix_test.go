//go:build linux || darwin

package module

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	dir, bin := t.TempDir(), t.TempDir()
	for path, mode := range map[string]os.FileMode{
		filepath.Join(dir, "mine"): 0o700, filepath.Join(dir, "both"): 0o700, filepath.Join(bin, "both"): 0o700,
		filepath.Join(bin, "theirs"): 0o700, filepath.Join(dir, "text"): 0o600, filepath.Join(dir, "sub", "deep"): 0o700,
		filepath.Join(bin, "sub", "else"): 0o700,
	} {
		os.MkdirAll(filepath.Dir(path), 0o700)
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct{ program, want, err string }{
		{program: "mine", want: dir + "/mine"},
		{program: "./mine", want: dir + "/mine"},
		{program: "both", want: dir + "/both"},
		{program: "theirs", want: bin + "/theirs"},
		{program: "sub/deep", want: dir + "/sub/deep"},
		{program: bin + "/theirs", want: bin + "/theirs"},
		{program: "sub/else", err: "not in the data directory"},
		{program: "./theirs", err: "not in the data directory"},
		{program: "sub", err: "neither"},
		{program: "none", err: "neither"},
		{program: "text", err: "chmod +x"},
		{program: "/none/such", err: "no such file"},
	} {
		got, err := find(tt.program, dir, "relative:"+bin)
		if got != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("find(%q) = %q, %v; want %q, %q", tt.program, got, err, tt.want, tt.err)
		}
	}
}
