package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/client"
)

const loginHelp = `A password comes from --password-file, the environment variable PARLEY_PASSWORD,
or --ask-password, never from the command line.`

// login is how a subcommand comes in to a server.
type login struct {
	name         string
	passwordFile string
	ask          bool
	timeout      time.Duration
}

func (l *login) flags(flags *pflag.FlagSet) {
	flags.StringVar(&l.name, "name", "", "user to log in as, or the guest's name without a password")
	flags.StringVar(&l.passwordFile, "password-file", "", "file with the password for the name")
	flags.BoolVar(&l.ask, "ask-password", false, "ask for the password, at a terminal")
	flags.DurationVar(&l.timeout, "timeout", 10*time.Second, "how long connecting or an answer may take; 0 means for ever")
}

// within gives a context that ends after the timeout.
func (l *login) within(ctx context.Context) (context.Context, context.CancelFunc) {
	if l.timeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, l.timeout)
}

// dial comes in. Its errors carry their exit codes.
func (l *login) dial(cmd *cobra.Command, address string, options ...client.Option) (*client.Client, error) {
	who, err := l.who(cmd)
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	ctx, cancel := l.within(cmd.Context())
	defer cancel()
	c, err := client.Dial(ctx, address, append(options, who...)...)
	var refusal *parley.Error
	switch {
	case err == nil:
		return c, nil
	case errors.Is(err, client.ErrAddress):
		return nil, &exitError{exitUsage, err}
	case errors.As(err, &refusal):
		return nil, &exitError{exitRefused, refusal}
	case errors.Is(err, context.DeadlineExceeded):
		return nil, &exitError{exitTimeout, fmt.Errorf("no connection within %v", l.timeout)}
	}
	return nil, &exitError{exitUnreachable, err}
}

// who chooses between an account, a guest and nobody.
func (l *login) who(cmd *cobra.Command) ([]client.Option, error) {
	password := ""
	var err error
	switch {
	case l.ask && l.passwordFile != "":
		return nil, errors.New("give --ask-password or --password-file, not both")
	case l.name == "" && (l.ask || l.passwordFile != ""):
		return nil, errors.New("a password needs a name; add --name")
	case l.name == "":
		return nil, nil
	case l.ask:
		password, err = askPassword(cmd, l.name)
	default:
		password, err = consolePassword(l.passwordFile)
	}
	switch {
	case err != nil:
		return nil, err
	case password == "":
		return []client.Option{client.Guest(l.name)}, nil
	}
	return []client.Option{client.Login(l.name, password)}, nil
}

// askPassword asks at the terminal. What is typed is not shown.
func askPassword(cmd *cobra.Command, name string) (string, error) {
	terminal, ok := cmd.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(terminal.Fd())) {
		return "", errors.New("a password can be asked for at a terminal only; use --password-file or PARLEY_PASSWORD")
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "Password for %s: ", name)
	password, err := term.ReadPassword(int(terminal.Fd()))
	fmt.Fprintln(cmd.ErrOrStderr())
	if err == nil && len(password) == 0 {
		err = errors.New("no password was typed")
	}
	return string(password), err
}
