package client

import (
	"time"

	"github.com/parley-chat/parley"
)

// Quick shortens the pauses before a client connects again.
func Quick() Option {
	return func(s *settings) { s.pause, s.longest = time.Millisecond, 20*time.Millisecond }
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
