package powerloss

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// program in the environment makes the test binary the program that is
// recorded: its value says what that forgets.
const program = "PARLEY_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if forgets, ok := os.LookupEnv(program); ok {
		if err := keep(os.Args[1], forgets); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// records is how many pieces the program writes, each of two sectors and a half.
const records, recordSize = 6, 1280

func record(n int) []byte { return bytes.Repeat([]byte{byte('a' + n)}, recordSize) }

// keep writes records to a file and says after each that it is kept, which is
// true unless it forgets to sync the file, or the name that this has.
func keep(dir, forgets string) error {
	f, err := os.Create(filepath.Join(dir, "new"))
	if err != nil {
		return err
	}
	defer f.Close()
	for n := range records {
		if _, err := f.WriteAt(record(n), int64(n)*recordSize); err != nil {
			return err
		}
		if forgets != "data" {
			if err := f.Sync(); err != nil {
				return err
			}
		}
		if n == 0 {
			if err := os.Rename(f.Name(), filepath.Join(dir, "kept")); err != nil {
				return err
			}
			if forgets != "name" {
				d, err := os.Open(dir)
				if err != nil {
					return err
				}
				if err := d.Sync(); err != nil {
					return err
				}
				d.Close()
			}
		}
		fmt.Printf("kept %d\n", n)
	}
	return nil
}

// lost counts the disks that lack what the program had said was kept.
func lost(t *testing.T, r *Recording, disks int) (lost int) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	turns := r.Turns()
	for range disks {
		moment := turns[random.IntN(len(turns))]
		said := 0
		for _, s := range r.Sent() {
			if s.Moment < moment {
				said += bytes.Count(s.Bytes, []byte("kept"))
			}
		}
		content := r.Disk(moment, random)["kept"]
		for n := range said {
			if len(content) < (n+1)*recordSize || !bytes.Equal(content[n*recordSize:(n+1)*recordSize], record(n)) {
				lost++
				break
			}
		}
	}
	return lost
}

// TestRealPrograms records programs that forget something, and one that does
// not: only that one loses nothing.
func TestRealPrograms(t *testing.T) {
	if err := Usable(); err != nil {
		t.Skip(err)
	}
	for forgets, want := range map[string]bool{"nothing": false, "data": true, "name": true} {
		t.Run(forgets, func(t *testing.T) {
			dir, trace := t.TempDir(), filepath.Join(t.TempDir(), "trace")
			args := Strace(trace, nil, os.Args[0], dir)
			cmd := exec.Command(args[0], args[1:]...)
			cmd.Env = append(os.Environ(), program+"="+forgets)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			r := mustNew(t, dir)
			f, err := os.Open(trace)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			found, err := r.ReadDisk()
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Read(f, found); err != nil {
				t.Fatal(err)
			}
			const disks = 1000
			got := lost(t, r, disks)
			t.Logf("%d of %d disks lack what was kept", got, disks)
			if got > 0 != want {
				t.Errorf("what was kept is lost on %d disks, want some: %t", got, want)
			}
		})
	}
}

func mustNew(t testing.TB, dir string) *Recording {
	t.Helper()
	r, err := New(dir, "-shm")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// script writes a recording as strace does. "/" at the beginning of a word is
// the recorded directory.
type script struct {
	root  string
	lines strings.Builder
}

func quoted(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		fmt.Fprintf(&b, `\x%02x`, c)
	}
	return b.String()
}

func (s *script) add(thread int, format string, args ...any) *script {
	fmt.Fprintf(&s.lines, "%d %s\n", thread, fmt.Sprintf(format, args...))
	return s
}

func (s *script) fd(n int, path string) string { return fmt.Sprintf("%d<%s>", n, quoted(s.root+path)) }

func (s *script) path(path string) string { return `"` + quoted(s.root+path) + `"` }

func (s *script) create(path string) *script {
	return s.add(1, `openat(AT_FDCWD<%s>, %s, O_RDWR|O_CREAT|O_CLOEXEC, 0600) = %s`, quoted("/tmp"), s.path(path), s.fd(5, path))
}

func (s *script) write(path, text string, at int) *script {
	return s.add(1, `pwrite64(%s, "%s", %d, %d) = %d`, s.fd(5, path), quoted(text), len(text), at, len(text))
}

func (s *script) sync(path string) *script { return s.add(1, `fsync(%s) = 0`, s.fd(5, path)) }

func (s *script) recording(t testing.TB) *Recording {
	t.Helper()
	r := mustNew(t, s.root)
	if err := r.Read(strings.NewReader(s.lines.String()), nil); err != nil {
		t.Fatalf("%v in\n%s", err, s.lines.String())
	}
	return r
}

func newScript(t testing.TB) *script { return &script{root: mustNew(t, t.TempDir()).root} }

// possible lists the different disks of a moment: a file is its name and what
// it holds.
func possible(r *Recording, moment int) []string {
	seen := map[string]bool{}
	random := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		d := r.Disk(moment, random)
		var files []string
		for path, content := range d {
			files = append(files, path+"="+strings.ReplaceAll(string(content), "\x00", "0"))
		}
		slices.Sort(files)
		seen[strings.Join(files, " ")] = true
	}
	var all []string
	for d := range seen {
		all = append(all, d)
	}
	slices.Sort(all)
	return all
}

func TestDisks(t *testing.T) {
	for _, tt := range []struct {
		name string
		play func(s *script)
		want []string // all that may be there at the end
	}{
		{"everything is synced", func(s *script) {
			s.create("/f").write("/f", "ab", 0).sync("/f").sync("")
		}, []string{"f=ab"}},
		{"the data is not", func(s *script) {
			s.create("/f").sync("").write("/f", "ab", 0)
		}, []string{"f=", "f=00", "f=ab"}},
		{"the name is not", func(s *script) {
			s.create("/f").write("/f", "ab", 0).sync("/f")
		}, []string{"", "f=ab"}},
		{"a second write is not", func(s *script) {
			s.create("/f").sync("").write("/f", "ab", 0).sync("/f").write("/f", "c", 1)
		}, []string{"f=ab", "f=ac"}},
		{"a sector carries all earlier writes to it", func(s *script) {
			s.create("/f").sync("").write("/f", "..", 0).sync("/f").write("/f", "a", 0).write("/f", "b", 1)
		}, []string{"f=..", "f=a.", "f=ab"}},
		{"another file is synced", func(s *script) {
			s.create("/f").create("/g").sync("").write("/f", "a", 0).sync("/g")
		}, []string{"f= g=", "f=0 g=", "f=a g="}},
		{"a sync fails", func(s *script) {
			s.create("/f").sync("").write("/f", "a", 0)
			s.add(1, "fsync(%s) = -1 EIO (Input/output error) (INJECTED)", s.fd(5, "/f"))
		}, []string{"f=", "f=0", "f=a"}},
		{"a sync fails, and the next one does not", func(s *script) {
			s.create("/f").sync("").write("/f", "-", 0).sync("/f").write("/f", "a", 0)
			s.add(1, "fsync(%s) = -1 EIO (Input/output error) (INJECTED)", s.fd(5, "/f")).sync("/f")
		}, []string{"f=-", "f=a"}},
		{"a write that overlaps the sync", func(s *script) {
			s.create("/f").sync("")
			s.add(2, `pwrite64(%s, "%s", 1, 0 <unfinished ...>`, s.fd(6, "/f"), quoted("a")).sync("/f")
			s.add(2, `<... pwrite64 resumed>) = 1`)
		}, []string{"f=", "f=0", "f=a"}},
		{"a sync that overlaps the write", func(s *script) {
			s.create("/f").sync("")
			s.add(2, `fdatasync(%s <unfinished ...>`, s.fd(6, "/f")).write("/f", "a", 0)
			s.add(2, `<... fdatasync resumed>) = 0`)
		}, []string{"f=", "f=0", "f=a"}},
		{"a write that was cut short", func(s *script) {
			s.create("/f").sync("")
			s.add(1, `pwrite64(%s, "%s", 2, 0) = 1`, s.fd(5, "/f"), quoted("ab")).sync("/f")
		}, []string{"f=a"}},
		{"a file is cut", func(s *script) {
			s.create("/f").sync("").write("/f", "abc", 0).sync("/f")
			s.add(1, `ftruncate(%s, 1) = 0`, s.fd(5, "/f"))
		}, []string{"f=a", "f=abc"}},
		{"a file is renamed", func(s *script) {
			s.create("/f").write("/f", "a", 0).sync("/f").sync("")
			s.add(1, `renameat(AT_FDCWD<%s>, %s, AT_FDCWD<%s>, %s) = 0`, quoted("/tmp"), s.path("/f"), quoted("/tmp"), s.path("/g"))
		}, []string{"f=a", "g=a"}},
		{"a file replaces another", func(s *script) {
			s.create("/f").create("/g").write("/f", "a", 0).sync("/f").write("/g", "b", 0).sync("/g").sync("")
			s.add(1, `rename(%s, %s) = 0`, s.path("/f"), s.path("/g"))
		}, []string{"f=a g=b", "g=a"}},
		{"a file is removed", func(s *script) {
			s.create("/f").write("/f", "a", 0).sync("/f").sync("")
			s.add(1, `unlink(%s) = 0`, s.path("/f"))
		}, []string{"", "f=a"}},
		{"a directory whose name is not synced", func(s *script) {
			s.add(1, `mkdirat(AT_FDCWD<%s>, %s, 0700) = 0`, quoted("/tmp"), s.path("/d"))
			s.create("/d/f").write("/d/f", "a", 0).sync("/d/f").sync("/d")
		}, []string{"", "d/= d/f=a"}},
		{"shared memory and what lies elsewhere", func(s *script) {
			s.create("/f-shm").write("/f-shm", "a", 0).create("x/f").write("x/f", "a", 0)
			s.add(1, `ftruncate(%s(deleted), 3) = 0`, s.fd(5, "/f"))
		}, []string{""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newScript(t)
			tt.play(s)
			r := s.recording(t)
			if got := possible(r, r.Moments()-1); !slices.Equal(got, tt.want) {
				t.Errorf("after\n%sthe disk may be %q, want %q", s.lines.String(), got, tt.want)
			}
			if got := possible(r, 0); !slices.Equal(got, []string{""}) {
				t.Errorf("before everything the disk may be %q, want it empty", got)
			}
		})
	}
}

// A write is torn between sectors, and never inside one.
func TestTornWrites(t *testing.T) {
	s := newScript(t)
	text := strings.Repeat("a", 2*sector)
	s.create("/f").sync("").write("/f", strings.Repeat("-", 3*sector), 0).sync("/f").write("/f", text, sector/2)
	r := s.recording(t)
	if got := possible(r, r.Moments()-1); len(got) != 8 { // each of the three sectors or not
		t.Errorf("%d disks are possible, want 8", len(got))
	}
}

// The same random numbers give the same disk.
func TestDisksCanBeMadeAgain(t *testing.T) {
	s := newScript(t)
	s.create("/f").write("/f", strings.Repeat("a", 20*sector), 0).create("/g")
	r := s.recording(t)
	for seed := range uint64(50) {
		one := r.Disk(r.Moments()-1, rand.New(rand.NewPCG(seed, 0)))
		two := r.Disk(r.Moments()-1, rand.New(rand.NewPCG(seed, 0)))
		if at := one.Differs(two); at != "" {
			t.Fatalf("seed %d gives two disks, which differ in %s", seed, at)
		}
	}
}

func TestSent(t *testing.T) {
	s := newScript(t)
	s.add(1, `writev(9<TCP:[127.0.0.1:1->127.0.0.1:2]>, [{iov_base="%s", iov_len=1}, {iov_base="%s", iov_len=1}], 2 <unfinished ...>`, quoted("a"), quoted("b"))
	s.add(2, `write(1<pipe:[17]>, "%s", 1) = 1`, quoted("c"))
	s.add(1, `<... writev resumed>) = 2`)
	s.add(1, `write(9<TCPv6:[[::1]:1->[::1]:2]>, "%s", 1) = -1 EPIPE (Broken pipe)`, quoted("d"))
	s.add(3, `???( <detached ...>`)
	s.add(2, `write(1<pipe:[17]>, "%s", 1 <detached ...>`, quoted("e"))
	s.add(1, `+++ exited with 0 +++`)
	want := []Sent{{0, "127.0.0.1:2", []byte("ab")}, {1, "pipe:[17]", []byte("c")}, {3, "[::1]:2", []byte("d")}, {5, "pipe:[17]", []byte("e")}}
	if got := s.recording(t).Sent(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("Sent() = %v, want %v", got, want)
	}
}

// What had not ended when the program was killed is found on the disk, or not.
func TestKilled(t *testing.T) {
	for i, end := range []string{"+++ killed by SIGKILL +++", "<... pwrite64 resumed> <unfinished ...>) = ?", ""} {
		made := i%2 == 0
		s := newScript(t)
		s.create("/f").sync("").write("/f", "-", 0).sync("/f")
		if end != "" {
			s.add(1, `pwrite64(%s, "%s", 1, 0 <unfinished ...>`, s.fd(5, "/f"), quoted("a")).add(1, "%s", end)
		} else {
			s.add(1, `pwrite64(%s, "%s", 1, 0 <unfinished ...>) = ?`, s.fd(5, "/f"), quoted("a"))
		}
		found := Disk{"f": []byte("-")}
		if made {
			found["f"] = []byte("a")
		}
		r := mustNew(t, s.root)
		if err := r.Read(strings.NewReader(s.lines.String()), Disk{"f": []byte("b")}); err == nil {
			t.Error("a recording that does not give what was found is taken")
		}
		r = mustNew(t, s.root)
		if err := r.Read(strings.NewReader(s.lines.String()), found); err != nil {
			t.Fatal(err)
		}
		// The next program makes it durable, if it is there.
		next := &script{root: s.root}
		next.sync("/f")
		if err := r.Read(strings.NewReader(next.lines.String()), found); err != nil {
			t.Fatal(err)
		}
		if got, want := possible(r, r.Moments()-1), []string{"f=" + string(found["f"])}; !slices.Equal(got, want) {
			t.Errorf("made %t: the disk may be %q, want %q", made, got, want)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	for name, play := range map[string]func(s *script){
		"rubbish":                  func(s *script) { s.lines.WriteString("hello\n") },
		"half a line":              func(s *script) { s.lines.WriteString("1 fsync(") },
		"half a call":              func(s *script) { s.lines.WriteString("1 fsync(\n") },
		"no result":                func(s *script) { s.add(1, "fsync(%s)", s.fd(5, "")) },
		"an unknown call":          func(s *script) { s.add(1, "frobnicate(1) = 0") },
		"resumed without a begin":  func(s *script) { s.add(1, "<... fsync resumed>) = 0") },
		"a file that was not made": func(s *script) { s.write("/f", "a", 0) },
		"a string cut short":       func(s *script) { s.create("/f").add(1, `pwrite64(%s, "\x61"..., 9, 0) = 9`, s.fd(5, "/f")) },
		"a string not in hex":      func(s *script) { s.create("/f").add(1, `pwrite64(%s, "a", 1, 0) = 1`, s.fd(5, "/f")) },
		"a write without offset":   func(s *script) { s.create("/f").add(1, `write(%s, "\x61", 1) = 1`, s.fd(5, "/f")) },
		"a hard link":              func(s *script) { s.create("/f").add(1, `link(%s, %s) = 0`, s.path("/f"), s.path("/g")) },
		"appending": func(s *script) {
			s.add(1, `open(%s, O_WRONLY|O_CREAT|O_APPEND, 0600) = 5`, s.path("/f"))
		},
		"killed in the middle": func(s *script) {
			s.create("/f").add(1, `pwrite64(%s, "\x61", 1, 0 <unfinished ...>`, s.fd(5, "/f"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t)
			play(s)
			if err := mustNew(t, s.root).Read(strings.NewReader(s.lines.String()), nil); err == nil {
				t.Errorf("no error for\n%s", s.lines.String())
			}
		})
	}
}

func TestWriteAndReadDisk(t *testing.T) {
	want := Disk{"a/": nil, "a/b/": nil, "a/b/f": []byte("x"), "g": []byte{}}
	r := mustNew(t, t.TempDir())
	if err := want.Write(r.root); err != nil {
		t.Fatal(err)
	}
	got, err := r.ReadDisk()
	if err != nil {
		t.Fatal(err)
	}
	if at := got.Differs(want); at != "" {
		t.Errorf("what was written is read with another %s", at)
	}
}

func FuzzRead(f *testing.F) {
	s := newScript(f)
	s.root = "/r"
	s.create("/f").write("/f", "ab", 0).sync("/f").sync("")
	s.add(1, `rename(%s, %s) = 0`, s.path("/f"), s.path("/g"))
	s.add(1, `writev(9<TCP:[127.0.0.1:1->127.0.0.1:2]>, [{iov_base="\x61", iov_len=1}], 1) = 1`)
	s.add(2, `pwrite64(%s, "\x61", 1, 0 <unfinished ...>`, s.fd(6, "/g"))
	s.add(2, `<... pwrite64 resumed>) = 1`)
	for _, line := range strings.SplitAfter(s.lines.String(), "\n") {
		f.Add(line)
	}
	f.Add(s.lines.String())
	f.Fuzz(func(t *testing.T, recording string) {
		r := &Recording{root: "/r", live: newTree(), syncs: map[int][]span{}, failed: map[int][]span{}}
		if err := r.Read(strings.NewReader(recording), nil); err != nil {
			return
		}
		random := rand.New(rand.NewPCG(1, 1))
		for _, moment := range r.Turns() {
			if r.Disk(moment, random) == nil {
				t.Error("no disk")
			}
		}
		if at := r.Live().Differs(r.live.disk()); at != "" {
			t.Errorf("two looks at one disk differ in %s", at)
		}
	})
}
