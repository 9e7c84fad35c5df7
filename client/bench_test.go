package client_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/parley-chat/parley/client"
	"github.com/parley-chat/parley/client/parleytest"
)

// pipelined runs a function b.N times, in so many goroutines.
func pipelined(b *testing.B, goroutines int, f func() error) {
	b.ReportAllocs()
	b.ResetTimer()
	var left atomic.Int64
	left.Store(int64(b.N))
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				if err := f(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "op/s")
}

// BenchmarkNop is the bare round trip, one after the other and pipelined.
func BenchmarkNop(b *testing.B) {
	s := parleytest.Start(b)
	c := dial(b, s)
	ctx := context.Background()
	nop := func() error { return c.Nop(ctx) }
	b.Run("alone", func(b *testing.B) { pipelined(b, 1, nop) })
	b.Run("pipelined", func(b *testing.B) { pipelined(b, 256, nop) })
}

// BenchmarkSay says things in a room where one listens.
func BenchmarkSay(b *testing.B) {
	s := parleytest.Start(b)
	alice, bob := account(b, s, "alice"), dial(b, s, client.Guest("bob"))
	ctx := context.Background()
	must(b, bob.Join(ctx, "lobby"))
	go func() {
		for range bob.Events() {
		}
	}()
	say := func() error {
		_, err := alice.Say(ctx, "lobby", "hello, world")
		return err
	}
	b.Run("alone", func(b *testing.B) { pipelined(b, 1, say) })
	b.Run("pipelined", func(b *testing.B) { pipelined(b, 256, say) })
}

// BenchmarkCall calls a command that a program provides: the caller, the server and the
// program are all in this process, and each has a socket of its own.
func BenchmarkCall(b *testing.B) {
	s := parleytest.Start(b, parleytest.Grant("robot", "provide"))
	robot, alice := account(b, s, "robot"), dial(b, s, client.Guest("alice"))
	ctx := context.Background()
	must(b, robot.Provide(ctx, "echo", 0, -1, "gives back what it gets", echo))
	call := func() error {
		_, err := alice.Do(ctx, "echo", "hello")
		return err
	}
	b.Run("alone", func(b *testing.B) { pipelined(b, 1, call) })
	b.Run("pipelined", func(b *testing.B) { pipelined(b, 64, call) })
}
