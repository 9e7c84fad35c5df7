package client_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/parley-chat/parley/client"
	"github.com/parley-chat/parley/client/parleytest"
)

// forward hands what a listener accepts on to a server, until the test ends.
func forward(t *testing.T, from net.Listener, s *parleytest.Server) {
	var all sync.WaitGroup
	all.Go(func() {
		for {
			near, err := from.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "text://"))
			if err != nil {
				near.Close()
				return
			}
			for _, pair := range [][2]net.Conn{{near, far}, {far, near}} {
				all.Go(func() {
					io.Copy(pair[0], pair[1])
					pair[0].Close()
				})
			}
		}
	})
	t.Cleanup(func() {
		from.Close()
		all.Wait()
	})
}

func TestTLS(t *testing.T) {
	s := parleytest.Start(t)
	certified := httptest.NewTLSServer(nil) // it has a certificate for 127.0.0.1
	certified.Close()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: certified.TLS.Certificates})
	must(t, err)
	forward(t, l, s)
	url := "texts://" + l.Addr().String()
	if c, err := client.Dial(within(t), url); err == nil {
		c.Close()
		t.Error("Dial trusts a certificate that nobody has signed")
	}
	roots := x509.NewCertPool()
	roots.AddCert(certified.Certificate())
	c, err := client.Dial(within(t), url, client.TLS(&tls.Config{RootCAs: roots}), client.Guest("alice"))
	must(t, err)
	defer c.Close()
	got(c.Whoami(within(t)))(t)
}

func TestUnixSocket(t *testing.T) {
	s := parleytest.Start(t)
	path := filepath.Join(t.TempDir(), "text")
	l, err := net.Listen("unix", path)
	must(t, err)
	forward(t, l, s)
	c, err := client.Dial(within(t), "text+unix://"+path, client.Guest("alice"))
	must(t, err)
	defer c.Close()
	got(c.Whoami(within(t)))(t)
}
