package powerloss

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// traced are the calls that are recorded: those that can change what a file
// holds or is called, those that make it durable, and those that tell others.
const traced = "open,openat,openat2,creat,write,writev,pwrite64,pwritev,pwritev2,sendto,sendmsg,sendfile,copy_file_range," +
	"fsync,fdatasync,sync_file_range,syncfs,sync,ftruncate,truncate,fallocate,rename,renameat,renameat2," +
	"link,linkat,symlink,symlinkat,unlink,unlinkat,mkdir,mkdirat,rmdir"

// Strace is the command line that runs a program, given with its arguments, and
// records it into the file to. More are arguments of strace's own.
func Strace(to string, more []string, program ...string) []string {
	args := []string{
		"strace", "--follow-forks", "--seccomp-bpf", "--decode-fds=all", "--strings-in-hex=all", "--string-limit=16777216",
		"--signal=none", "--quiet=all", "--output=" + to, "--trace=" + traced,
	}
	args = append(args, more...)
	return append(append(args, "--"), program...)
}

// Usable tells what keeps programs from being recorded here; nil: nothing.
func Usable() error {
	dir, err := os.MkdirTemp("", "parley-strace-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	args := Strace(filepath.Join(dir, "recording"), nil, "true")
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("strace cannot record here: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
