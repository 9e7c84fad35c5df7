package client

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/parley-chat/parley"
)

// Quick shortens the pauses before a client connects again.
func Quick() Option {
	return func(s *settings) { s.pause, s.longest = time.Millisecond, 4*time.Millisecond }
}

// Silence sets how long a server may be silent before it is asked whether it is there.
func Silence(d time.Duration) Option {
	return func(s *settings) { s.silence = d }
}

// DecodePush is decodePush.
func DecodePush(self string, fields []string) parley.Event { return decodePush(self, fields) }

// Cut ends the connection that there is, as the network would.
func (c *Client) Cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		c.conn.wire.Close()
	}
}

// Over makes a client of a connection that there is, for as long as it lasts.
func Over(t testing.TB, wire io.ReadWriteCloser) *Client {
	set := newSettings([]Option{NoReconnect()})
	c, err := newClient(t.Context(), set, func(context.Context) (io.ReadWriteCloser, error) { return wire, nil })
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Through makes a client of connections that are made in a way of the test's own.
func Through(t testing.TB, dial func(context.Context) (io.ReadWriteCloser, error), options ...Option) *Client {
	for {
		c, err := newClient(t.Context(), newSettings(options), dial)
		if err == nil {
			return c
		}
		if t.Context().Err() != nil {
			t.Fatal(err)
		}
	}
}
