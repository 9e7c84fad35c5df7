package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley/client"
)

// As many requests as may be are on their way; the next one waits for its turn.
func TestRequestsAreBounded(t *testing.T) {
	const most = 1024
	full := make(chan struct{})
	p := newPuppet(t, func(_ int, c net.Conn) {
		let(c, "ok")
		for range most {
			read(c)
		}
		close(full)
		<-t.Context().Done()
	})
	c, err := client.Dial(within(t), p.url(), client.Guest("robot"), client.NoReconnect())
	must(t, err)
	defer c.Close()
	var asking sync.WaitGroup
	for range most {
		asking.Go(func() {
			var ended *client.ConnError
			if err := c.Nop(within(t)); !errors.As(err, &ended) {
				t.Errorf("Nop: %v, want a ConnError", err)
			}
		})
	}
	<-full
	ctx, cancel := context.WithTimeout(within(t), 10*time.Millisecond)
	defer cancel()
	if err := c.Nop(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "was not sent") {
		t.Errorf("one Nop more: %v, want that it was not sent", err)
	}
	c.Close()
	asking.Wait()
}

// Of calls without end the oldest are dropped, which the server gave up long ago, and
// the connection goes on.
func TestCallsAreBounded(t *testing.T) {
	const calls, most = 4000, 64 + 1024
	release, returned := make(chan struct{}), make(chan int, 1)
	p := newPuppet(t, func(_ int, c net.Conn) {
		let(c, "ok")
		let(c) // it handles calls now
		for n := range calls {
			write(c, "call", fmt.Sprint(n), "wait", "bob")
		}
		let(c)
		for n := 1; ; n++ {
			if got := read(c); len(got) < 2 || got[1] == fmt.Sprint(calls-1) {
				returned <- n
				break
			}
		}
		io.Copy(io.Discard, c)
	})
	c, err := client.Dial(within(t), p.url(), client.Guest("robot"), client.NoReconnect())
	must(t, err)
	defer c.Close()
	c.Handle("wait", func(context.Context, client.Call) ([]string, error) {
		<-release
		return nil, nil
	})
	must(t, c.Nop(within(t)))
	must(t, c.Nop(within(t))) // all of them have been read
	close(release)
	if n := <-returned; n > most {
		t.Errorf("%d calls are returned, want at most %d of %d", n, most, calls)
	}
}

// A server that does not read what is returned does not keep Close waiting.
func TestReturnsThatNobodyReads(t *testing.T) {
	p := newPuppet(t, func(_ int, c net.Conn) {
		let(c, "ok")
		let(c)
		for n := range 1000 {
			write(c, "call", fmt.Sprint(n), "long", "bob")
		}
		<-t.Context().Done()
	})
	c, err := client.Dial(within(t), p.url(), client.Guest("robot"), client.NoReconnect())
	must(t, err)
	handled := make(chan struct{}, 1000)
	c.Handle("long", func(context.Context, client.Call) ([]string, error) {
		handled <- struct{}{}
		return []string{strings.Repeat("x", 60000)}, nil
	})
	must(t, c.Nop(within(t)))
	for range 70 { // so that some wait to return
		<-handled
	}
	c.Close()
}
