package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/lmittmann/tint"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/config"
	"github.com/parley-chat/parley/internal/server"
)

// exitBroken is the exit code when the store can no longer be trusted: what the
// supervisor of services takes for a failure that a restart may mend (EX_TEMPFAIL).
const exitBroken = 75

// usualFile is read without being named, if it is in the working directory.
const usualFile = "parley.toml"

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func newServeCommand(environ []string) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: "Run the server. Without any flag it keeps its data in ./parley-data and\n" +
			"listens on this machine only. SIGTERM and SIGINT end it, SIGHUP reads the\n" +
			"configuration again.",
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" && isFile(usualFile) {
				file = usualFile
			}
			load := func() (config.Config, error) { return config.Load(file, environ, cmd.Flags()) }
			cfg, err := load()
			if err != nil {
				return &exitError{exitUsage, err}
			}
			return serve(cmd.Context(), cfg, load, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "file of settings; without this, "+usualFile+" if it is here")
	config.Flags(cmd.Flags())
	return cmd
}

// garbage is how much of it may lie about, in percent of what is in use. Go's
// usual 100 lets a server whose heap is small collect it dozens of times a second.
const garbage = 200

// serve runs a server until it is told to end.
func serve(ctx context.Context, cfg config.Config, load func() (config.Config, error), out, errs io.Writer) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	signals := make(chan os.Signal, 4) // room for what comes while one is handled
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	level := new(slog.LevelVar)
	setLevel(level, cfg)
	log := newLog(cfg, level, errs)
	s, err := server.Start(ctx, cfg, server.Options{Log: log, Launcher: launcher(log), Environ: os.Environ()})
	if err != nil {
		return err
	}
	for _, name := range []string{"text", "line"} {
		if addr := s.Addr(name); addr != nil {
			fmt.Fprintf(out, "%s %s\n", name, shownAddress(addr))
		}
	}
	fmt.Fprintln(out, "ready")
	why := wait(ctx, s, signals, func() {
		cfg, err := load()
		if err != nil {
			log.Error("the configuration was not read again", "err", err)
			return
		}
		setLevel(level, cfg)
		if err := s.Reload(ctx, cfg); err != nil {
			log.Error("the list of modules was not read again", "err", err)
		}
		log.Info("the configuration was read again")
	})
	return shutdown(s, log, why)
}

// launcher gives the command line that becomes a module's program: this program's.
func launcher(log *slog.Logger) []string {
	const self = "/proc/self/exe" // this very program, also when its file was replaced
	if isFile(self) {
		return []string{self, launchName}
	}
	path, err := os.Executable()
	if err != nil {
		log.Warn("no modules can be run, for this program does not know where it is", "err", err)
		return nil
	}
	return []string{path, launchName}
}

// shownAddress writes an address as a flag takes it.
func shownAddress(addr net.Addr) string {
	if addr.Network() == "unix" {
		return "unix:" + addr.String()
	}
	return addr.String()
}

// wait returns why the server should end; nil: somebody asked for it.
func wait(ctx context.Context, s *server.Server, signals <-chan os.Signal, reload func()) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.Ended():
			return s.Why()
		case got := <-signals:
			if got != syscall.SIGHUP {
				return nil
			}
			reload()
		}
	}
}

func shutdown(s *server.Server, log *slog.Logger, why error) error {
	log.Info("shutting down")
	ctx, cancel := context.WithTimeout(context.Background(), parley.DefaultLimits().Drain)
	defer cancel()
	err := s.Shutdown(ctx)
	switch {
	case why != nil && !errors.Is(why, server.ErrKilled):
		return &exitError{exitBroken, why}
	case err != nil:
		return err
	}
	return nil
}

func setLevel(level *slog.LevelVar, cfg config.Config) {
	if err := level.UnmarshalText([]byte(cfg.Log.Level)); err != nil {
		level.Set(slog.LevelInfo)
	}
}

// newLog writes for people at a terminal, and JSON lines elsewhere, unless the
// settings say otherwise.
func newLog(cfg config.Config, level slog.Leveler, to io.Writer) *slog.Logger {
	file, ok := to.(*os.File)
	switch terminal := ok && term.IsTerminal(int(file.Fd())); {
	case cfg.Log.Format == "text":
		return slog.New(slog.NewTextHandler(to, &slog.HandlerOptions{Level: level}))
	case cfg.Log.Format == "auto" && terminal:
		return slog.New(tint.NewTextHandler(to, &tint.Options{Level: level, TimeFormat: time.TimeOnly}))
	}
	return slog.New(slog.NewJSONHandler(to, &slog.HandlerOptions{Level: level}))
}
