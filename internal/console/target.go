package console

import (
	"errors"
	"fmt"
	"net"
	"net/url"
)

const (
	protocolText = "text"
	protocolLine = "line"
)

// A target is what a URL names.
type target struct {
	protocol         string // protocolText or protocolLine
	network, address string // for net.Dial
	url              string // to show
}

// parseTarget reads text://host:port, line://host:port, and the same with
// +unix and the path of a socket. Without a port it is the usual one.
func parseTarget(s string) (target, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || u.Opaque != "" {
		return target{}, fmt.Errorf("%q is not an address; write text://host:port or line://host:port", s)
	}
	if u.User != nil {
		return target{}, errors.New("a name or password does not belong in the address; use --name and --password-file")
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return target{}, fmt.Errorf("the address %q has something behind it; write text://host:port or line://host:port", s)
	}
	switch u.Scheme {
	case protocolText:
		return tcpTarget(u, "7700")
	case protocolLine:
		return tcpTarget(u, "7701")
	case protocolText + "+unix":
		return unixTarget(u, protocolText)
	case protocolLine + "+unix":
		return unixTarget(u, protocolLine)
	}
	return target{}, fmt.Errorf("the console does not speak %q; it speaks text:// and line://", u.Scheme)
}

// Address reads the address of a server as the console does, for other
// subcommands: the protocol, text or line, and what net.Dial wants. Its errors
// are errors of usage.
func Address(s string) (protocol, network, address string, err error) {
	t, err := parseTarget(s)
	return t.protocol, t.network, t.address, err
}

func tcpTarget(u *url.URL, usualPort string) (target, error) {
	if u.Hostname() == "" || u.Path != "" && u.Path != "/" {
		return target{}, fmt.Errorf("%q names no server; write %s://host:port", u, u.Scheme)
	}
	port := u.Port()
	if port == "" {
		port = usualPort
	}
	address := net.JoinHostPort(u.Hostname(), port)
	return target{u.Scheme, "tcp", address, u.Scheme + "://" + address}, nil
}

func unixTarget(u *url.URL, protocol string) (target, error) {
	if u.Host != "" || u.Path == "" {
		return target{}, fmt.Errorf("%q names no socket; write %s:///path/to/socket", u, u.Scheme)
	}
	return target{protocol, "unix", u.Path, u.String()}, nil
}
