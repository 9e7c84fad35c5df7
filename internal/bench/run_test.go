package bench

import (
	"errors"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/internal/config"
	"github.com/parley-chat/parley/internal/server"
)

// needLinux skips a test that measures.
func needLinux(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux can measure")
	}
}

// startServer runs our server on loopback.
func startServer(t *testing.T) *server.Server {
	t.Helper()
	needLinux(t)
	cfg := config.Default()
	cfg.Data, cfg.Text, cfg.Line = t.TempDir(), "127.0.0.1:0", "127.0.0.1:0"
	s, err := server.Start(t.Context(), cfg, server.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Shutdown(t.Context()) })
	return s
}

// TestOurServer plays each scenario on each door of the real server.
func TestOurServer(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	for _, door := range []string{"line", "text"} {
		target := Target{URL: door + "://" + s.Addr(door).String(), PID: os.Getpid()}
		for _, tt := range []struct {
			o     Options
			count int64 // of each load
			loads string
		}{
			{Options{Scenario: "fan-out", Clients: 21, Senders: 2, Windows: []int{1, 16}, Rates: []float64{1000}}, 400, "w1 w16 r1000"},
			{Options{Scenario: "rooms", Clients: 12, Members: 3}, 400, "w1 w256"},
			{Options{Scenario: "pairs", Clients: 4, Size: 300}, 400, "w1 w256"},
			{Options{Scenario: "posts", Windows: []int{1, 256}, Rates: []float64{1000}, Deliveries: 300}, 300, "w1 w256 r1000"},
			{Options{Scenario: "posts", Clients: 3, Windows: []int{32}}, 400, "w32"},
			{Options{Scenario: "connect", Clients: 50}, 50, "connect"},
			{Options{Scenario: "join", Clients: 30}, 30, "join"},
			{Options{Scenario: "idle", Clients: 20, Settle: time.Millisecond, For: time.Millisecond}, 20, "idle"},
		} {
			t.Run(door+" "+tt.o.Scenario, func(t *testing.T) {
				tt.o.Targets, tt.o.calm, tt.o.brief = []Target{target}, calm, brief
				if tt.o.Deliveries == 0 {
					tt.o.Deliveries = 400
				}
				report, err := Run(t.Context(), tt.o)
				if err != nil {
					t.Fatal(err)
				}
				var loads []string
				for _, r := range report.Results {
					loads = append(loads, r.Load)
					if r.Count != tt.count || r.CPU == nil || r.Seconds <= 0 {
						t.Errorf("got %+v, want a count of %d, CPU and time", r, tt.count)
					}
				}
				if got := strings.Join(loads, " "); got != tt.loads {
					t.Errorf("loads %s, want %s", got, tt.loads)
				}
				var out strings.Builder
				if err := report.Print(&out); err != nil || !strings.Contains(out.String(), "| "+report.Results[0].Load) {
					t.Errorf("Print: %v, %q", err, &out)
				}
			})
		}
	}
}

// TestTwoServers compares the two doors of one server.
func TestTwoServers(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	var lines int
	report, err := Run(t.Context(), Options{
		Targets: []Target{
			{URL: "line://" + s.Addr("line").String(), PID: os.Getpid()},
			{URL: "text://" + s.Addr("text").String(), PID: os.Getpid()},
		},
		Scenario: "fan-out", Clients: 5, Windows: []int{1, 4}, Deliveries: 400, Rounds: 3, WarmUp: time.Millisecond, calm: calm, brief: brief,
		Progress: func(string) { lines++ },
	})
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, r := range report.Results {
		door, _, _ := strings.Cut(r.Server, ":")
		order = append(order, door+" "+r.Load)
	}
	const round = "line w1, line w4, text w1, text w4"
	if got, want := strings.Join(order, ", "), strings.Join([]string{round, round, round}, ", "); got != want {
		t.Errorf("measured %s; want %s", got, want)
	}
	if len(report.Medians) != 4 || len(report.Ratios) != 2 {
		t.Fatalf("%d medians and %d ratios, want 4 and 2", len(report.Medians), len(report.Ratios))
	}
	for _, r := range report.Ratios {
		if r.CPU <= 0 || r.PerSecond <= 0 || r.P50 <= 0 || r.P99 <= 0 || r.Memory != 0 {
			t.Errorf("ratio %+v: want all but memory", r)
		}
	}
	if lines == 0 {
		t.Error("no line of progress in all that time")
	}
}

func TestMisuse(t *testing.T) {
	const here = "irc://127.0.0.1:6667"
	for _, tt := range []struct {
		name string
		o    Options
		url  string
		want string
	}{
		{name: "no scenario", o: Options{Scenario: "fanout"}, url: here, want: "fan-out, rooms"},
		{name: "no scheme", url: "127.0.0.1:6667", want: "text://host:port"},
		{name: "another scheme", url: "http://127.0.0.1:80", want: "text://host:port"},
		{name: "no port", url: "irc://127.0.0.1", want: "host and port"},
		{name: "port 0", url: "irc://127.0.0.1:0", want: "no port from 1"},
		{name: "another machine", url: "irc://192.0.2.1:6667", want: "--allow-remote"},
		{name: "rooms that do not come out even", o: Options{Scenario: "rooms", Clients: 25}, url: here, want: "whole rooms of 10"},
		{name: "members of one room", o: Options{Members: 5}, url: here, want: "--members"},
		{name: "more senders than members", o: Options{Clients: 5, Senders: 6}, url: here, want: "6 senders"},
		{name: "alone", o: Options{Clients: 1}, url: here, want: "nobody to deliver to"},
		{name: "a small payload", o: Options{Size: 8}, url: here, want: "at least 26"},
		{name: "a large payload", o: Options{Size: 500}, url: here, want: "at most 380"},
		{name: "no window", o: Options{Windows: []int{0}}, url: here, want: "a window is"},
		{name: "no rate", o: Options{Rates: []float64{-1}}, url: here, want: "a rate is"},
		{name: "a negative number", o: Options{Clients: -1}, url: here, want: "above 0"},
		{name: "loads where nobody speaks", o: Options{Scenario: "join", Windows: []int{1}}, url: here, want: "--window"},
		{name: "goodbye where nobody leaves", o: Options{Goodbye: true}, url: here, want: "--goodbye"},
		{name: "goodbye without a word for it", o: Options{Scenario: "connect", Goodbye: true}, url: "text://127.0.0.1:1", want: "goodbye"},
		{name: "posts without answers", o: Options{Scenario: "posts"}, url: here, want: "answers each message"},
		{name: "memory of nobody knows what", o: Options{Scenario: "idle"}, url: here, want: "process id"},
		{name: "rounds of idling", o: Options{Scenario: "idle", Rounds: 2}, url: here, want: "--rounds"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.o.Scenario == "" {
				tt.o.Scenario = "fan-out"
			}
			tt.o.Targets = []Target{{URL: tt.url}}
			_, err := Run(t.Context(), tt.o)
			if !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Run: %v, want ErrUsage with %q", err, tt.want)
			}
		})
	}
}

func TestParseTarget(t *testing.T) {
	for in, want := range map[string]Target{
		"irc://[::1]:1":         {URL: "irc://[::1]:1"},
		"17@line://localhost:2": {URL: "line://localhost:2", PID: 17},
	} {
		if got, err := ParseTarget(in); err != nil || got != want {
			t.Errorf("ParseTarget(%q) = %+v, %v; want %+v", in, got, err, want)
		}
	}
	for _, in := range []string{"x@irc://h:1", "-1@irc://h:1", "@irc://h:1"} {
		if got, err := ParseTarget(in); !errors.Is(err, ErrUsage) {
			t.Errorf("ParseTarget(%q) = %+v, %v; want ErrUsage", in, got, err)
		}
	}
}
