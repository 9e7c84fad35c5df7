//go:build !linux

package bench

import (
	"net/netip"
	"time"
)

// sockets exists on Linux only.
type sockets struct{}

func newSockets(netip.AddrPort, time.Duration) (*sockets, error) { return nil, ErrSystem }

func (*sockets) open(*client) error              { return ErrSystem }
func (*sockets) write(*engine, *client)          {}
func (*sockets) poll(*engine, time.Duration) int { return 0 }
func (*sockets) drop(*client)                    {}
func (*sockets) close()                          {}
