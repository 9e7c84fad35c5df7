package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-chat/parley/internal/console"
)

const consoleHelp = `Talk to a server, line by line: text://host:port for the text protocol,
line://host:port for the line protocol (CS594), text+unix:///path and
line+unix:///path for a socket. The server need not be parley.

At a terminal there is a prompt, line editing and a history. M alone on a line
shows the menu; exit, Ctrl-D or Ctrl-C ends. When the server goes, the console
offers to connect again.

As a pipe there is no prompt. Each line of the input is one message, and blank
lines are skipped. Answers, and what else the server sends, come on the standard
output, one message a line; notices on the standard error. When the input ends,
the console waits until everything is answered. It exits with
  0    everything was answered
  1    an answer was an error, or something was refused before it was sent
  2    the command line makes no sense
  5    not reachable, or the server went before everything was answered
  124  not answered within --timeout
  130  interrupted

Line protocol: the first line is the screen name, unless --name gives it.

Text protocol: type command,argument,argument; spaces count, \, is a comma and \\
a backslash inside an argument. Or type /command word "two words": then words are
arguments, and commas and backslashes nothing special; inside quotes \" is a quote
and \\ a backslash. Every command is sent under req with an ID, so that its answer
is known among the pushes, and shown without it; a command that begins with req is
sent as it is, and so is return, which answers what somebody asks (the push call)
and has no answer itself. Off a terminal, control characters in what the server
sends are written \n, \r, \t or \u001b, and bytes that are not UTF-8 \xff. --name
logs in with the password, or as a guest without one.

A password comes from --password-file, the environment variable PARLEY_PASSWORD,
or --ask-password, never from the command line. To a server of the line protocol
it is sent behind the name; one that does not know that extension would take it
for a part of the name, and show it to everybody.`

func newConsoleCommand() *cobra.Command {
	var o console.Options
	var passwordFile string
	cmd := &cobra.Command{
		Use:   "console URL",
		Short: "Talk to a server line by line, by hand or from a script",
		Long:  consoleHelp,
		Example: `  parley console line://127.0.0.1:7701
  printf 'whoami\n' | parley console text://127.0.0.1:7700 --name alice
  printf 'alice\njoin lobby\nsend lobby - hi\n' | parley console line://127.0.0.1:7701`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &exitError{exitUsage, errors.New("console needs one address: text://host:port or line://host:port")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.URL = args[0]
			if passwordFile != "" && o.Name == "" && strings.HasPrefix(o.URL, "text") {
				return &exitError{exitUsage, errors.New("a password needs a name; add --name")}
			}
			if !o.AskPassword || passwordFile != "" {
				password, err := consolePassword(passwordFile)
				if err != nil {
					return &exitError{exitUsage, err}
				}
				o.Password = password
			}
			o.In, o.Out, o.Err = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
			return runConsole(cmd.Context(), o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.Name, "name", "", "screen name; text protocol: the user to log in as, or the guest's name")
	flags.StringVar(&passwordFile, "password-file", "", "file with the password for the name")
	flags.BoolVar(&o.AskPassword, "ask-password", false, "ask for the password, at a terminal")
	flags.BoolVar(&o.Chunks, "chunks", false, "line protocol: send messages without LF, for servers that take one read for one message")
	flags.BoolVar(&o.Raw, "raw", false, "text protocol: send what is typed without req around it, and show everything as it came")
	flags.DurationVar(&o.Timeout, "timeout", 10*time.Second, "how long connecting or an answer may take; 0 means for ever")
	return cmd
}

// consolePassword reads the password from a file or the environment. One line
// break at the end is not part of it.
func consolePassword(file string) (string, error) {
	if file == "" {
		return os.Getenv("PARLEY_PASSWORD"), nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("the password cannot be read: %w", err)
	}
	password := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if password == "" {
		return "", fmt.Errorf("the password file %s is empty", file)
	}
	return password, nil
}

// runConsole lets signals end the session, so that the terminal is given back.
func runConsole(ctx context.Context, o console.Options) error {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup wants it
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(ctx, signals...)
	defer stop()
	if code := console.Run(ctx, o); code != console.ExitOK {
		return &exitError{code: code}
	}
	return nil
}
