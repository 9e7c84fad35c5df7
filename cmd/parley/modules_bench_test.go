package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/parley-chat/parley/wire/textwire"
)

// BenchmarkModuleCall measures the round trip of a call through supervised modules
// beside that of nop, in turns on one connection: medians and the 99th of a
// hundred, in microseconds.
func BenchmarkModuleCall(b *testing.B) {
	c := serveExamples(b)
	for _, tt := range []struct {
		module string
		call   []string
	}{{"Go", []string{"reminders"}}, {"Python", []string{"dice"}}} {
		b.Run(tt.module, func(b *testing.B) {
			var nops, calls []time.Duration
			for b.Loop() {
				nops = append(nops, roundTrip(b, c, "nop"))
				calls = append(calls, roundTrip(b, c, tt.call...))
			}
			nop, nop99 := medianAndTail(nops)
			call, call99 := medianAndTail(calls)
			b.ReportMetric(nop, "nop-µs")
			b.ReportMetric(nop99, "nop-p99-µs")
			b.ReportMetric(call, "call-µs")
			b.ReportMetric(call99, "call-p99-µs")
			b.ReportMetric(call/nop, "times-nop")
		})
	}
}

// BenchmarkModuleCallsPipelined measures how many calls go through a supervised
// module when its caller does not wait for the answers.
func BenchmarkModuleCallsPipelined(b *testing.B) {
	c := serveExamples(b)
	for _, tt := range []struct {
		module string
		call   []string
	}{{"Go", []string{"reminders"}}, {"Python", []string{"dice"}}} {
		b.Run(tt.module, func(b *testing.B) {
			request := textwire.AppendFrame(nil, tt.call...)
			b.ResetTimer()
			go func() { // ends with the last request; the answers are awaited below
				w := bufio.NewWriterSize(c.conn, 64<<10)
				for range b.N {
					w.Write(request)
				}
				w.Flush()
			}()
			for range b.N {
				if _, err := c.read(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
		})
	}
}

// serveExamples runs a server with two of the example modules, and gives a client
// of it that has a name.
func serveExamples(b *testing.B) *textClient {
	b.Helper()
	// This program is the caller, and is to leave a processor to those it measures.
	before := runtime.GOMAXPROCS(1)
	b.Cleanup(func() { runtime.GOMAXPROCS(before) })
	data := b.TempDir()
	modules := filepath.Join("..", "..", "modules")
	build := exec.Command("go", "build", "-o", filepath.Join(data, "reminder"), "./"+filepath.Join(modules, "reminder"))
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	dice, err := os.ReadFile(filepath.Join(modules, "dice.py"))
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "dice.py"), dice, 0o700); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "modules.txt"), []byte("reminder reminder\ndice dice.py\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	server := serveChild(b, data)
	c := guest(b, server.text, "caller")
	for _, command := range []string{"reminders", "dice"} {
		for {
			if got, err := c.do(command); err != nil {
				b.Fatal(err)
			} else if got[0] != "error" {
				break
			}
		}
	}
	return c
}

func roundTrip(b *testing.B, c *textClient, fields ...string) time.Duration {
	began := time.Now()
	if _, err := c.do(fields...); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}

// medianAndTail gives microseconds.
func medianAndTail(all []time.Duration) (median, p99 float64) {
	slices.Sort(all)
	at := func(part float64) float64 { return float64(all[int(part*float64(len(all)-1))]) / 1e3 }
	return at(0.5), at(0.99)
}
