package client

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/url"
	"time"
)

// usualPort is that of a text door.
const usualPort = "7700"

// An Option changes what Dial and Open do.
type Option func(*settings)

type settings struct {
	who   identity
	tls   *tls.Config
	once  bool
	stdio bool // under the server

	pause, longest time.Duration // the first pause before connecting again, and the longest
	silence        time.Duration // after which the server is asked whether it is there
}

func newSettings(options []Option) settings {
	s := settings{pause: 100 * time.Millisecond, longest: 30 * time.Second, silence: time.Minute}
	for _, o := range options {
		o(&s)
	}
	return s
}

// An identity is as whom the client comes in: nobody, a guest, or an account.
type identity struct {
	name, password string
	account        bool
}

// login gives the request that makes the session this one, or nil.
func (i identity) login() *request {
	switch {
	case i.account:
		return newRequest("login", i.name, i.password)
	case i.name != "":
		return newRequest("guest", i.name)
	}
	return nil
}

// Login lets the client come in as an account. It keeps the password in memory, to come
// in again after its connection was lost.
func Login(name, password string) Option {
	return func(s *settings) { s.who = identity{name: name, password: password, account: true} }
}

// Guest lets the client come in as a guest.
func Guest(name string) Option {
	return func(s *settings) { s.who = identity{name: name} }
}

// TLS sets how a texts:// connection is secured, in place of the usual way.
func TLS(config *tls.Config) Option {
	return func(s *settings) { s.tls = config }
}

// NoReconnect lets the client end when its first connection does.
func NoReconnect() Option {
	return func(s *settings) { s.once = true }
}

// A dialer makes connections to one server.
type dialer func(ctx context.Context) (io.ReadWriteCloser, error)

// parseURL reads the address of a text door.
func parseURL(address string, config *tls.Config) (dialer, error) {
	u, err := url.Parse(address)
	if err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "" {
		// The error of url.Parse, and the address, may hold a password.
		return nil, fmt.Errorf("client: the address cannot be read; %w, and nothing more", ErrAddress)
	}
	switch u.Scheme {
	case "text+unix":
		if u.Host != "" || u.Path == "" {
			return nil, fmt.Errorf("client: %q names no socket; %w", address, ErrAddress)
		}
		return func(ctx context.Context) (io.ReadWriteCloser, error) {
			return new(net.Dialer).DialContext(ctx, "unix", u.Path)
		}, nil
	case "text", "texts":
	default:
		return nil, fmt.Errorf("client: %q is not of a text door; %w", address, ErrAddress)
	}
	if u.Hostname() == "" || u.Path != "" && u.Path != "/" {
		return nil, fmt.Errorf("client: %q names no server; %w", address, ErrAddress)
	}
	port := u.Port()
	if port == "" {
		port = usualPort
	}
	host := net.JoinHostPort(u.Hostname(), port)
	if u.Scheme == "text" {
		return func(ctx context.Context) (io.ReadWriteCloser, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", host)
		}, nil
	}
	return func(ctx context.Context) (io.ReadWriteCloser, error) {
		return (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", host)
	}, nil
}
