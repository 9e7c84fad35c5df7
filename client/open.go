package client

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
)

// Open lets one program run in two ways. Under a server that started it as a module, it
// speaks over its standard input and output, as the user that the server made of it; url,
// name and options that say who to be are not used then. Otherwise it is [Dial] to the
// environment's PARLEY_URL, or to url when there is none, as the account name with the
// password in PARLEY_PASSWORD, or as a guest when there is none.
//
// As a module the client does not connect again: Done is closed when the server wants the
// program to finish, and then it should. What is printed meanwhile goes to standard error,
// and so into the server's log: os.Stdout is set to os.Stderr, since any other byte would
// break the frames.
func Open(ctx context.Context, url, name string, options ...Option) (*Client, error) {
	if module := os.Getenv("PARLEY_MODULE"); module != "" {
		wire, err := standardStreams()
		if err != nil {
			return nil, err
		}
		set := newSettings(options)
		set.stdio, set.once, set.who = true, true, identity{name: module}
		return newClient(ctx, set, func(context.Context) (io.ReadWriteCloser, error) { return wire, nil })
	}
	if elsewhere := os.Getenv("PARLEY_URL"); elsewhere != "" {
		url = elsewhere
	}
	who := Guest(name)
	if password := os.Getenv("PARLEY_PASSWORD"); password != "" {
		who = Login(name, password)
	}
	return Dial(ctx, url, append([]Option{who}, options...)...)
}

// standardStreams takes standard input and output over. The server gives one socket for
// both; what is no socket, as in a test by hand, is read and written all the same.
func standardStreams() (io.ReadWriteCloser, error) {
	in, out := os.Stdin, os.Stdout
	if in == nil || out == nil {
		return nil, errors.New("client: there is no standard input or output to speak over, although PARLEY_MODULE is set")
	}
	os.Stdout = os.Stderr
	// Only a socket: FileConn makes whatever it gets one that does not wait, even if it refuses it.
	if info, err := in.Stat(); err == nil && info.Mode()&os.ModeSocket != 0 {
		return net.FileConn(in)
	}
	// A read of a pipe may not end when the pipe is closed; of this one it does. The
	// goroutine ends with standard input, or with the program.
	r, w := io.Pipe()
	go func() {
		_, err := io.Copy(w, in)
		w.CloseWithError(err) // nil is io.EOF
	}()
	return &pipes{r, out}, nil
}

// pipes are one stream in each direction.
type pipes struct {
	*io.PipeReader
	out *os.File
}

func (p *pipes) Write(b []byte) (int, error) { return p.out.Write(b) }

func (p *pipes) Close() error { return errors.Join(p.PipeReader.Close(), p.out.Close()) }
