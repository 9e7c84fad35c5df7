package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/parley-chat/parley/internal/bench"
)

const benchHelp = `Load a server and tell what that cost it: text://host:port for the text
protocol with parley's extensions, line://host:port for the line protocol
(CS594), irc://host:port for any server of RFC 1459. The server need not be
parley. It must permit the load: no limit of rates or of connections from one
host, queues that hold a whole window.

Every message carries its number and its time, and every delivery is checked. A
message that is lost, repeated, out of order or misled ends the run. With --pid,
the process id of the server on this machine, its CPU time and memory are
measured too; seconds for a million deliveries are the figure that noise spoils
least. The tool reports what it used itself: if it was always busy, it was the
limit, and not the server.

--window keeps so many messages outstanding (a closed loop): 1 is the cost of a
message by itself, 256 that of a backlog. --rate sends so many messages a second
whatever the server does (an open loop): latency counts from the moment when a
message was due, so that a stall is charged to all that it delays.

Scenarios:
%s
It exits with
  0    everything arrived, once and in order
  1    something was lost or failed
  2    the command line makes no sense
  5    not reachable
  130  interrupted

It needs Linux.`

// benchFlags are the flags that are not options of the measurement itself.
type benchFlags struct {
	pid  int
	vs   string
	json bool
}

func newBenchCommand() *cobra.Command {
	var o bench.Options
	var f benchFlags
	cmd := &cobra.Command{
		Use:   "bench URL [SCENARIO]",
		Short: "Load a server and tell what it cost",
		Long:  fmt.Sprintf(benchHelp, scenarioHelp()),
		Example: `  parley bench line://127.0.0.1:7701
  parley bench text://127.0.0.1:7700 posts --pid 4711 --window 1,256
  parley bench text://127.0.0.1:7700 fan-out --clients 1000 --rate 50 --for 10s
  parley bench line://127.0.0.1:7701 --pid 4711 --vs 4712@irc://127.0.0.1:6667 --rounds 5`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return &exitError{exitUsage, errors.New("bench needs one address, and may have a scenario: see parley bench --help")}
			}
			return nil
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return bench.Scenarios(), cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Scenario = bench.Scenarios()[0]
			if len(args) == 2 {
				o.Scenario = args[1]
			}
			o.Targets = []bench.Target{{URL: args[0], PID: f.pid}}
			if f.vs != "" {
				other, err := bench.ParseTarget(f.vs)
				if err != nil {
					return &exitError{exitUsage, err}
				}
				o.Targets = append(o.Targets, other)
			}
			return runBench(cmd.Context(), o, f, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&f.pid, "pid", 0, "process id of the server, to measure its CPU time and memory")
	flags.StringVar(&f.vs, "vs", "", "a second server, PID@URL or URL: measure the two in turn and compare them")
	flags.BoolVar(&f.json, "json", false, "print the report as JSON (its shape is in docs/performance.md)")
	flags.IntVar(&o.Clients, "clients", 0, "clients in all; usually as many as suit the scenario")
	flags.IntVar(&o.Members, "members", 0, "rooms: clients in each room (10)")
	flags.IntVar(&o.Senders, "senders", 0, "senders in each room: usually 1 in fan-out, else all")
	flags.IntVar(&o.Size, "size", 64, "bytes of a message's text")
	flags.IntSliceVar(&o.Windows, "window", nil, "loads that keep so many messages outstanding, e.g. 1,16,256")
	flags.Float64SliceVar(&o.Rates, "rate", nil, "loads of so many messages a second, e.g. 50,1000")
	flags.DurationVar(&o.For, "for", 3*time.Second, "how long each load goes on")
	flags.Int64Var(&o.Deliveries, "deliveries", 0, "instead of a time: so many deliveries for each load")
	flags.DurationVar(&o.WarmUp, "warm-up", 300*time.Millisecond, "how long each load goes on before it is measured")
	flags.IntVar(&o.Inflight, "inflight", 100, "connects and joins under way at once")
	flags.IntVar(&o.Rounds, "rounds", 1, "how often each server is measured; the medians are shown")
	flags.DurationVar(&o.Stall, "stall", 20*time.Second, "how long nothing may happen before the run fails")
	flags.DurationVar(&o.Settle, "settle", 2*time.Second, "idle: how long the server may tidy up before its memory is measured")
	flags.BoolVar(&o.Goodbye, "goodbye", false, "connect: say goodbye and wait for the server to close, instead of a reset")
	flags.BoolVar(&o.AllowRemote, "allow-remote", false, "load a server on another machine: only one of your own")
	return cmd
}

// scenarioHelp lists the scenarios, one a line.
func scenarioHelp() string {
	var b strings.Builder
	for _, name := range bench.Scenarios() {
		fmt.Fprintf(&b, "  %-8s %s\n", name, bench.About(name))
	}
	return b.String()
}

// runBench measures, shows how far it is, and prints the report.
func runBench(ctx context.Context, o bench.Options, f benchFlags, out, errs io.Writer) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	if file, ok := errs.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		o.Progress = func(line string) { fmt.Fprintf(errs, "\r\x1b[K%s", line) }
	}
	report, err := bench.Run(ctx, o)
	if o.Progress != nil {
		o.Progress("") // off the screen
	}
	if report != nil {
		if printErr := printReport(report, f.json, out); printErr != nil {
			return errors.Join(err, printErr)
		}
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, bench.ErrUsage):
		return &exitError{exitUsage, err}
	case errors.Is(err, bench.ErrUnreachable):
		return &exitError{exitUnreachable, err}
	case ctx.Err() != nil:
		return &exitError{exitInterrupted, errors.New("interrupted")}
	}
	return err
}

func printReport(r *bench.Report, asJSON bool, out io.Writer) error {
	if !asJSON {
		return r.Print(out)
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}
