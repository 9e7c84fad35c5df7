package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/parley-chat/parley/internal/bench"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "figures:", err)
		stop()
		os.Exit(1)
	}
}

// run measures, and prints the table even if it is interrupted.
func run(ctx context.Context, args []string, out, errs io.Writer) error {
	flags := flag.NewFlagSet("figures", flag.ContinueOnError)
	flags.SetOutput(errs)
	parley := flags.String("parley", "./parley", "the program to measure")
	rounds := flags.Int("rounds", 3, "how often everything is measured; medians are shown")
	length := flags.Duration("for", 2*time.Second, "how long each load goes on")
	only := flags.String("only", "", "a regular expression: only what has such a row")
	servers := flags.String("servers", "", "a regular expression: only servers of such names")
	if err := flags.Parse(args); err != nil {
		return err
	}
	rows, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	names, err := regexp.Compile(*servers)
	if err != nil {
		return err
	}
	if runtime.GOOS != "linux" {
		return bench.ErrSystem
	}
	s := newSheet()
	for _, k := range kinds(*parley) {
		if path, err := exec.LookPath(k.program); err == nil && names.MatchString(k.name) {
			k.program = path
			s.kinds = append(s.kinds, k)
		} else if k.program == *parley && err != nil {
			return fmt.Errorf("%w; make build makes it", err)
		}
	}
	err = s.measure(ctx, rows, *rounds, *parley, *length, errs)
	return errors.Join(err, s.print(out, *rounds))
}

// measure fills the sheet in. What fails is told, and leaves its cell empty.
func (s *sheet) measure(ctx context.Context, rows *regexp.Regexp, rounds int, parley string, length time.Duration, errs io.Writer) error {
	for round := range rounds {
		for _, b := range batches {
			if !b.matches(rows) {
				continue
			}
			for _, k := range s.kinds {
				if !b.suits(k) {
					continue
				}
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				fmt.Fprintf(errs, "round %d/%d: %s, %s\n", round+1, rounds, strings.Join(b.args, " "), k.name)
				if err := s.one(ctx, b, k, round, parley, length); err != nil {
					fmt.Fprintf(errs, "%s: %v\n", k.name, err)
				}
			}
		}
	}
	return nil
}

func (b *batch) matches(rows *regexp.Regexp) bool {
	for _, r := range b.rows {
		if rows.MatchString(r.name) {
			return true
		}
	}
	return false
}

// one measures a batch on one fresh server.
func (s *sheet) one(ctx context.Context, b batch, k kind, round int, parley string, length time.Duration) (err error) {
	server, err := start(k)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	s.set(started, k.name, round, server.started.Seconds()*1e3)
	args := append([]string{server.url()}, b.args...)
	args = append(args, "--pid", strconv.Itoa(server.cmd.Process.Pid), "--inflight", strconv.Itoa(k.inflight), "--for", length.String(), "--json")
	report, err := runBench(ctx, parley, args)
	if err != nil {
		return fmt.Errorf("%w; the end of its log: %s", err, server.lastWords())
	}
	for _, row := range b.rows {
		for i := range report.Medians {
			if r := &report.Medians[i]; r.Load == row.load {
				s.set(row.name, k.name, round, row.figure(r))
			}
		}
	}
	return nil
}

// patience is how long one run of parley bench may take.
const patience = 2 * time.Minute

// runBench runs parley bench as a process of its own, so that it can be pinned.
func runBench(ctx context.Context, parley string, args []string) (*bench.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	line := pinned(1, append([]string{parley, "bench"}, args...))
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, bytes.TrimSpace(errs.Bytes()))
	}
	var report bench.Report
	return &report, json.Unmarshal(out.Bytes(), &report)
}

// pinned has a command run on one core, if there are two and taskset is there.
func pinned(core int, line []string) []string {
	taskset, err := exec.LookPath("taskset")
	if err != nil || runtime.NumCPU() < 2 {
		return line
	}
	return append([]string{taskset, "-c", strconv.Itoa(core)}, line...)
}
