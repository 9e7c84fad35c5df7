package main

import (
	"github.com/spf13/cobra"

	"github.com/parley-chat/parley/internal/module"
)

// launchName is the subcommand by which a server starts a module.
const launchName = "launch"

// newLaunchCommand becomes a module's program. Only a server runs it.
func newLaunchCommand() *cobra.Command {
	return &cobra.Command{
		Use:    launchName,
		Short:  "Become a module's program; for the server only",
		Hidden: true,
		Args:   usage(cobra.NoArgs),
		RunE:   func(*cobra.Command, []string) error { return module.Launch() },
	}
}
