// Command parley is a chat and command server, and its clients.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}

// exitError ends the program with a code of its own. Without an error in it,
// everything has been said.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// Exit codes of the subcommands, besides 1 for what went wrong and exitBroken.
const (
	exitUsage       = 2   // words on the command line are off
	exitRefused     = 4   // a server does not let us in
	exitUnreachable = 5   // there is no server, or it went
	exitTimeout     = 124 // as of timeout(1)
	exitInterrupted = 130
)

// usage makes what a check of the arguments finds an error of usage.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return &exitError{exitUsage, fmt.Errorf("%w; see parley --help", err)}
		}
		return nil
	}
}

// run is the whole program, so that tests can start it.
func run(ctx context.Context, args, environ []string, in io.Reader, out, errs io.Writer) int {
	root := &cobra.Command{
		Use:           "parley",
		Short:         "A chat and command server, and its clients",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          usage(cobra.NoArgs),
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.AddCommand(newServeCommand(environ), newConsoleCommand(), newBenchCommand(), newCheckCommand(), newDoCommand(), newTailCommand(), newLaunchCommand())
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &exitError{exitUsage, err} })
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	code := 1
	var exit *exitError
	if errors.As(err, &exit) {
		code = exit.code
	}
	if exit == nil || exit.err != nil {
		fmt.Fprintln(errs, "parley:", err)
	}
	return code
}
