package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/client"
	"github.com/parley-chat/parley/internal/console"
	"github.com/parley-chat/parley/wire/linewire"
)

const doHelp = `Send one command of the text protocol and print its answer: in one line, its values
with commas between them; inside a value \, is a comma, \\ a backslash, and control
characters are written \n, \t or \u001b. With --json the answer is an array of strings,
an error the object {"error":{"type":"...","info":"..."}}. Arguments are taken as they
are: nothing in them is special. Behind -- a word that begins with a dash is one too.

It exits with
  0    answered
  1    the answer is an error
  2    the command line makes no sense
  4    the server refused the name or the password
  5    not reachable, or the server went before it answered
  124  not answered within --timeout

` + loginHelp

func newDoCommand() *cobra.Command {
	var l login
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "do URL COMMAND [ARGUMENT...]",
		Short: "Send one command to a server, and tell how it ended",
		Long:  doHelp,
		Example: `  parley do text://127.0.0.1:7700 rooms
  parley do text://127.0.0.1:7700 --name alice say lobby "the build is green"
  parley do text://127.0.0.1:7700 --json modules`,
		Args: usage(cobra.MinimumNArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := l.dial(cmd, args[0], client.NoReconnect())
			if err != nil {
				return err
			}
			defer c.Close()
			ctx, cancel := l.within(cmd.Context())
			defer cancel()
			values, err := c.Do(ctx, args[1], args[2:]...)
			if err != nil {
				return l.failure(cmd.OutOrStdout(), asJSON, err)
			}
			return printAnswer(cmd.OutOrStdout(), asJSON, values)
		},
	}
	cmd.Flags().SetInterspersed(true)
	l.flags(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the answer as JSON")
	return cmd
}

// printAnswer prints the values of an answer; nothing for an empty one.
func printAnswer(out io.Writer, asJSON bool, values []string) error {
	if asJSON {
		return writeJSONLine(out, append([]string{}, values...))
	}
	if len(values) == 0 {
		return nil
	}
	_, err := fmt.Fprintln(out, console.Escaped(values))
	return err
}

// failure gives the exit code of a command that was not answered well.
func (l *login) failure(out io.Writer, asJSON bool, err error) error {
	var refusal *parley.Error
	switch {
	case errors.As(err, &refusal) && asJSON:
		type shape struct {
			Type parley.Code `json:"type"`
			Info string      `json:"info"`
		}
		if err := writeJSONLine(out, map[string]shape{"error": {refusal.Code, refusal.Message}}); err != nil {
			return err
		}
		return &exitError{code: 1}
	case errors.As(err, &refusal):
		return &exitError{1, errors.New(linewire.Clean(string(refusal.Code)) + ": " + linewire.Clean(refusal.Message))}
	case errors.Is(err, context.DeadlineExceeded):
		return &exitError{exitTimeout, fmt.Errorf("not answered within %v", l.timeout)}
	case errors.Is(err, context.Canceled):
		return &exitError{code: exitInterrupted}
	}
	return &exitError{exitUnreachable, err}
}

// writeJSONLine writes a value in one line.
func writeJSONLine(out io.Writer, value any) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	return e.Encode(value)
}
