package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/parley-chat/parley/conformance"
	"github.com/parley-chat/parley/internal/console"
)

const checkHelp = `Check how a server keeps the rules of its protocol: text://host:port for the text
protocol, line://host:port for the line protocol (CS594), text+unix:///path and
line+unix:///path for a socket. The server need not be parley. With both addresses
what needs both doors is checked too.

For each rule it says whether it is kept, broken, or not offered: an extension that
the server does not have. The numbers are those of docs/protocol-text.md and
docs/protocol-line.md. What is broken is shown at the end, byte by byte. --seed-only
leaves out what is not in the two published protocols.

The check makes users and rooms under names that are new each time. It never sends
kill. A server of the line protocol may want messages that end with LF, or one
message in one write without an end, as the published client has it: the check
finds out which, and --chunks says so.

It exits with
  0    all rules are kept, or not offered
  1    a rule is broken
  2    the command line makes no sense
  5    not reachable
  130  interrupted`

// exitNotKept is the exit code when a rule is broken.
const exitNotKept = 1

type checkFlags struct {
	conformance.Options
	patience     time.Duration
	run          string
	json         bool
	granted      string
	passwordFile string
}

func newCheckCommand() *cobra.Command {
	var f checkFlags
	cmd := &cobra.Command{
		Use:   "check URL [URL]",
		Short: "Check how a server, yours or ours, keeps the rules of its protocol",
		Long:  checkHelp,
		Example: `  parley check text://127.0.0.1:7700 line://127.0.0.1:7701
  parley check --seed-only line://127.0.0.1:9000
  parley check --run 'join|2\.2' line://127.0.0.1:9000`,
		Args: usage(cobra.RangeArgs(1, 2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			target, err := checkTarget(args)
			if err == nil {
				err = f.complete(&target)
			}
			if err != nil {
				return &exitError{exitUsage, err}
			}
			return runCheck(cmd, target, f)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.SeedOnly, "seed-only", false, "only what the two published protocols say")
	flags.BoolVar(&f.Heavy, "heavy", false, "also what makes much work and leaves much behind")
	flags.BoolVar(&f.Chunks, "chunks", false, "line protocol: the server takes one write for one message, whatever a first look says")
	flags.BoolVar(&f.json, "json", false, "print one JSON object, at the end")
	flags.StringVar(&f.granted, "granted", "", "account that may provide commands; its password comes from --password-file or PARLEY_PASSWORD")
	flags.StringVar(&f.passwordFile, "password-file", "", "file with the password for --granted")
	flags.StringVar(&f.run, "run", "", "only what matches this regular expression: clauses, titles of rules, names of stories")
	flags.DurationVar(&f.patience, "patience", 5*time.Second, "how long to wait for what should come")
	flags.IntVar(&f.Parallel, "parallel", 4, "how many stories are played at the same time")
	flags.DurationVar(&f.Limit, "limit", 5*time.Minute, "how long all of it may take; what is left then counts as broken")
	return cmd
}

// checkTarget reads the addresses: one, or one of each protocol.
func checkTarget(urls []string) (conformance.Target, error) {
	var target conformance.Target
	for _, url := range urls {
		protocol, network, address, err := console.Address(url)
		if err != nil {
			return target, err
		}
		door := &target.Text
		if protocol == conformance.DoorLine {
			door = &target.Line
		}
		if *door != "" {
			return target, fmt.Errorf("two addresses of the %s protocol; give one, or one of each", protocol)
		}
		*door = address
		if network == "unix" {
			*door = "unix:" + address
		}
	}
	return target, nil
}

// complete reads the flags that are more than they seem.
func (f *checkFlags) complete(target *conformance.Target) error {
	if f.patience <= 0 || f.Limit <= 0 || f.Parallel < 1 {
		return errors.New("--patience, --limit and --parallel must be above zero")
	}
	target.Patience = f.patience
	var err error
	if target.Granted = f.granted; f.granted != "" {
		if target.Password, err = consolePassword(f.passwordFile); err != nil {
			return err
		}
	}
	if f.run == "" {
		return nil
	}
	f.Match, err = regexp.Compile(f.run)
	if err != nil {
		return fmt.Errorf("--run: %w", err)
	}
	return nil
}

func runCheck(cmd *cobra.Command, target conformance.Target, f checkFlags) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	out := cmd.OutOrStdout()
	file, ok := out.(*os.File)
	p := &conformance.Printer{Out: out, Terminal: ok && term.IsTerminal(int(file.Fd()))}
	if !f.json {
		f.Started, f.Progress, f.Finished = p.Started, p.Progress, p.Finished
	}
	report, err := conformance.Check(ctx, target, f.Options)
	switch {
	case errors.Is(err, conformance.ErrUnreachable):
		return &exitError{exitUnreachable, err}
	case errors.Is(err, context.Canceled):
		return &exitError{exitInterrupted, errors.New("interrupted")}
	case err != nil:
		return err
	case len(report.Rules) == 0:
		return &exitError{exitUsage, fmt.Errorf("no rule matches --run %s", f.run)}
	case f.json:
		err = writeJSON(out, report)
	default:
		p.Report(report)
	}
	if err == nil && report.Broken > 0 {
		err = &exitError{code: exitNotKept}
	}
	return err
}

func writeJSON(out io.Writer, report conformance.Report) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(report)
}
