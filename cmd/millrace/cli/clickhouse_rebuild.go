package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"millrace/cmd/millrace/config"
	"millrace/consumers/analytics/database"
	"millrace/schemas/ddl"
)

// rebuilding is the command line of rebuild.
type rebuilding struct {
	all, list, dry, yes, fewer bool
}

func (a *app) clickhouseRebuild() *cobra.Command {
	var r rebuilding
	cmd := &cobra.Command{
		Use:   "rebuild [MODEL...]",
		Short: "Recompute read models from the events",
		Long: "Recompute read models from the table of events, each in a table beside it that takes its place at once when it is complete.\n" +
			"Sinks go on inserting and readers go on reading meanwhile; nothing that comes in is lost. A run that was interrupted can be\n" +
			"repeated, and --list shows which were. Of two runs for the same model at once the second is refused.\n\n" +
			"It needs about as much space again as the model has. Where the new table has fewer rows, as when old events were dropped,\n" +
			"nothing is swapped unless --allow-fewer is given. Tables that your own views fill from a model are not recomputed.\n\n" +
			"First it says what it would do; then it asks, or, where nobody can answer, exits with 2 unless --yes was given.",
		Example: "  millrace clickhouse rebuild --list\n" +
			"  millrace clickhouse rebuild orders --dry-run\n" +
			"  millrace clickhouse rebuild --all --yes",
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			names, err := modelNames()
			if err != nil {
				return nil, cobra.ShellCompDirectiveError
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.Flags().BoolVar(&r.all, "all", false, "every read model, one after the other")
	cmd.Flags().BoolVar(&r.list, "list", false, "list the read models, their rows, and interrupted rebuilds; change nothing")
	cmd.Flags().BoolVar(&r.dry, "dry-run", false, "only say what would be done")
	cmd.Flags().BoolVar(&r.yes, "yes", false, "do it without asking")
	cmd.Flags().BoolVar(&r.fewer, "allow-fewer", false, "swap also when the new table has fewer rows than the old one")
	s := a.use(cmd, []string{"clickhouse", "log"}, nil, nil)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		names, err := r.models(args)
		if err != nil {
			return err
		}
		return withClickHouse(s, func(db *database.DB, cfg config.Config) error {
			if r.list {
				return a.listModels(cmd.Context(), db, names)
			}
			return a.rebuild(cmd.Context(), db, cfg, names, r)
		})
	}
	return cmd
}

func modelNames() ([]string, error) {
	models, err := ddl.Models()
	if err != nil {
		return nil, err
	}
	names := make([]string, len(models))
	for i, m := range models {
		names[i] = m.Name
	}
	return names, nil
}

// models are those that the command line names.
func (r rebuilding) models(args []string) ([]string, error) {
	names, err := modelNames()
	if err != nil {
		return nil, err
	}
	switch {
	case (r.all || r.list) && len(args) > 0:
		return nil, fmt.Errorf("%w: --all and --list take no names", errUsage)
	case r.all || r.list:
		return names, nil
	case len(args) == 0:
		return nil, fmt.Errorf("%w: name read models, or give --all; --list shows them", errUsage)
	}
	for i, name := range args {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("%w: there is no read model %q; --list shows them", errUsage, name)
		}
		if slices.Contains(args[:i], name) {
			return nil, fmt.Errorf("%w: %s is named twice", errUsage, name)
		}
	}
	return args, nil
}

func (a *app) listModels(ctx context.Context, db *database.DB, names []string) error {
	interrupted, err := database.Interrupted(ctx, db)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(a.p.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "MODEL\tROWS\tMIB\t")
	for _, name := range names {
		p, err := database.PlanRebuild(ctx, db, name)
		if err != nil {
			return err
		}
		note := ""
		if slices.Contains(interrupted, name) {
			note = "a rebuild is under way or was interrupted: run it again"
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\n", name, p.Rows, p.Bytes>>20, note)
	}
	return w.Flush()
}

func (a *app) rebuild(ctx context.Context, db *database.DB, cfg config.Config, names []string, r rebuilding) error {
	for _, name := range names {
		p, err := database.PlanRebuild(ctx, db, name)
		if err != nil {
			return err
		}
		fmt.Fprintf(a.p.Stdout, "%s: %d events to read in %d pieces; the model has %d rows, %d MiB\n", name, p.Events, p.Pieces, p.Rows, p.Bytes>>20)
	}
	if r.dry {
		_, err := fmt.Fprintln(a.p.Stdout, "dry run: nothing was done")
		return err
	}
	if !r.yes {
		if err := a.confirm(fmt.Sprintf("rebuild %s in database %s?", many(len(names), "read model", "read models"), db.Database())); err != nil {
			return err
		}
	}
	bar := &progress{out: a.p.Stderr}
	for _, name := range names {
		done, err := database.Rebuild(ctx, db, name, database.RebuildOptions{
			Logger: newLogger(cfg.Log, bar), By: whoami(), FewerRows: r.fewer,
			Progress: func(done, total uint64) { bar.show(name, int64(done), int64(total)) }, //nolint:gosec // counts of rows
		})
		bar.clear()
		switch {
		case errors.Is(err, database.ErrFewerRows):
			return fmt.Errorf("%w; if the events of the missing ones were dropped on purpose and they may go, add --allow-fewer", err)
		case err != nil:
			return err
		}
		fmt.Fprintf(a.p.Stdout, "%s: rebuilt from %d events in %.1f s: %d rows, %d before\n", name, done.Events, done.Took.Seconds(), done.After, done.Before)
	}
	return nil
}
