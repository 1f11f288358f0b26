package cli

import (
	"github.com/spf13/cobra"

	"millrace/deploy/embedded/engine"
)

// engineCommand is the other half of the embedded ClickHouse: `millrace dev` starts this program again with it. It is
// configured through its standard input and reads neither file nor environment.
func (a *app) engineCommand() *cobra.Command {
	return &cobra.Command{
		Use: "engine", Short: "Run the ClickHouse engine as a child of `millrace dev`", Args: cobra.NoArgs, Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return engine.Child(cmd.Context(), a.p.Stdin, a.p.Stderr)
		},
	}
}
