package conformance

import (
	"bufio"
	"cmp"
	"iter"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

// naive starts one of the servers in testdata, and gives its address.
func naive(t *testing.T, file, fault string) string {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not there: the naive servers of the conformance kit were NOT tried")
	}
	args := []string{"-u", "testdata/" + file}
	if fault != "" {
		args = append(args, "--fault", fault)
	}
	cmd := exec.Command(python, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it never ends by itself
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	port, ok := strings.CutPrefix(strings.TrimSpace(line), "ready ")
	if err != nil || !ok {
		t.Fatalf("%s said %q: %v", file, line, err)
	}
	return "127.0.0.1:" + port
}

// found checks a server, and gives the clauses of the rules that are broken,
// those of extensions with a mark.
func found(t *testing.T, target Target, o Options) ([]string, Report) {
	t.Helper()
	target.Patience = 2 * time.Second
	o.Parallel = 8
	r, err := Check(t.Context(), target, o)
	if err != nil {
		t.Fatal(err)
	}
	broken := []string{}
	for _, rule := range r.Rules {
		if rule.Result == Broken {
			broken = append(broken, rule.Clause+extensionMark(rule))
		}
	}
	return broken, r
}

// atOnce runs a subtest for each name, several at a time however few cores there
// are: a check mostly waits.
func atOnce(t *testing.T, names iter.Seq[string], check func(t *testing.T, name string)) {
	t.Helper()
	var tests sync.WaitGroup
	free := make(chan struct{}, 6)
	for name := range names {
		tests.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			t.Run(cmp.Or(name, "none"), func(t *testing.T) { check(t, name) })
		})
	}
	tests.Wait()
}

// failures writes all failures of a report, for a test that fails.
func failures(r Report) string {
	var b strings.Builder
	p := &Printer{Out: &b}
	p.Report(r)
	return b.String()
}

// textFaults are the rules that a planted fault of naive_text.py breaks, beside
// those that it breaks by itself.
var textFaults = map[string][]string{
	"":             nil,
	"wrong-sender": {"1.3.16"},
	"one-session":  {"1.3.16"},
	"any-password": {"1.3.12"},
	"spaces":       {"1.2.5"},
}

// naiveTextBreaks are the rules that naive_text.py breaks because it checks
// nothing: it waits for four gigabytes, dies of bytes that are not UTF-8 and of
// arguments that are missing, and registers a user without a name.
var naiveTextBreaks = []string{"1.1.3", "1.1.7", "1.3.4", "1.3.11"}

func TestNaiveTextServer(t *testing.T) {
	atOnce(t, maps.Keys(textFaults), func(t *testing.T, fault string) {
		want := slices.Concat(naiveTextBreaks, textFaults[fault])
		got, r := found(t, Target{Text: naive(t, "naive_text.py", fault)}, Options{})
		slices.Sort(want)
		slices.Sort(got)
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("broken rules (-want +got):\n%s\n%s", diff, failures(r))
		}
		if len(r.Offered) != 0 || r.Kept == 0 || r.NotOffered == 0 {
			t.Errorf("offers %q, %s", r.Offered, r.Summary())
		}
	})
}

// lineFaults are the faults of naive_line.py, each with the one rule it breaks.
// Without a fault it breaks none.
var lineFaults = map[string]string{
	"":                     "",
	"name-in-use":          "2.2.2",
	"long-name":            "2.2.2",
	"two-at-once":          "2.2.2",
	"unknown":              "2.3.1",
	"prefix":               "2.3.1",
	"new-again":            "2.3.3",
	"rooms-own":            "2.3.4",
	"join-some":            "2.3.5",
	"leave-all-or-nothing": "2.3.6",
	"members-ever":         "2.3.7",
	"not-the-sender":       "2.3.8",
	"cut-at-dash":          "2.3.8",
	"tell-nobody":          "2.3.9",
	"not-oneself":          "2.3.10",
	"exit-stays":           "2.3.11",
	"exit-keeps":           "2.2.6",
	"vanished-keeps":       "2.4.1",
	"ascii":                "2.1.8",
	"half":                 "2.1.6",
}

func TestNaiveLineServer(t *testing.T) {
	atOnce(t, maps.Keys(lineFaults), func(t *testing.T, fault string) {
		want := []string{}
		if fault != "" {
			want = append(want, lineFaults[fault])
		}
		got, r := found(t, Target{Line: naive(t, "naive_line.py", fault)}, Options{})
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("broken rules (-want +got):\n%s\n%s", diff, failures(r))
		}
		if r.LineMode != "chunks" || r.NotOffered == 0 {
			t.Errorf("played in %s, %s", r.LineMode, r.Summary())
		}
	})
}

// Every fault that a naive server knows is one that the tests above try.
func TestNaiveFaultsAreAllTried(t *testing.T) {
	for file, tried := range map[string][]string{
		"naive_text.py": slices.Collect(maps.Keys(textFaults)),
		"naive_line.py": slices.Collect(maps.Keys(lineFaults)),
	} {
		naive(t, file, "") // or skip
		out, err := exec.Command("python3", "testdata/"+file, "--help").Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, fault := range tried {
			if fault != "" && !strings.Contains(string(out), fault) {
				t.Errorf("%s does not know the fault %q", file, fault)
			}
		}
		known := 1 + strings.Count(string(out[strings.Index(string(out), "{"):strings.Index(string(out), "}")]), ",")
		if known != len(tried)-1 {
			t.Errorf("%s knows %d faults, %d are tried", file, known, len(tried)-1)
		}
	}
}
