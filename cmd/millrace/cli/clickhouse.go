package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"millrace/cmd/millrace/config"
	"millrace/consumers/analytics/database"
)

func (a *app) clickhouseCommand() *cobra.Command {
	return group("clickhouse", "Create and inspect the tables in ClickHouse", a.clickhouseMigrate(), a.clickhouseStatus(), a.clickhouseRebuild())
}

func (a *app) clickhouseMigrate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the tables to this program's version",
		Long: "Apply the migrations that the database does not have yet, in order, and create the database where it is missing.\n" +
			"Safe to repeat, to interrupt and to run twice at once.",
		Example: "  millrace clickhouse migrate --clickhouse-url https://clickhouse.example:8443 --clickhouse-user millrace \\\n" +
			"    --clickhouse-password-file /run/secrets/clickhouse",
		Args: cobra.NoArgs,
	}
	s := a.use(cmd, []string{"clickhouse", "log"}, nil, nil)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return withClickHouse(s, func(db *database.DB, cfg config.Config) error {
			applied, err := database.Migrate(cmd.Context(), db, database.MigrateOptions{Logger: newLogger(cfg.Log, a.p.Stderr)})
			if printErr := printMigrations(a.p.Stdout, applied); printErr != nil {
				return errors.Join(err, printErr)
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(a.p.Stdout, "Database %s is up to date; %d migrations applied now.\n", db.Database(), len(applied))
			return err
		})
	}
	return cmd
}

func (a *app) clickhouseStatus() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show which migrations the database has",
		Long:  "List the migrations and when each was applied. Exits with 3 when some are missing, or when the database has others.",
		Args:  cobra.NoArgs,
		Example: "  millrace clickhouse status\n" +
			"  millrace clickhouse status >/dev/null || millrace clickhouse migrate",
	}
	s := a.use(cmd, []string{"clickhouse", "log"}, nil, nil)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return withClickHouse(s, func(db *database.DB, _ config.Config) error {
			states, err := database.Status(cmd.Context(), db)
			if printErr := printMigrations(a.p.Stdout, states); printErr != nil {
				return errors.Join(err, printErr)
			}
			if errors.Is(err, database.ErrSchemaDrift) || errors.Is(err, database.ErrSchemaNewer) {
				return differences(a.p.Stderr, err.Error())
			}
			if err != nil {
				return err
			}
			for _, m := range states {
				if m.AppliedAt.IsZero() {
					return differences(a.p.Stderr, "migrations are pending: run `millrace clickhouse migrate`")
				}
			}
			return nil
		})
	}
	return cmd
}

// withClickHouse reads the configuration and hands out a pool for as long as do runs.
func withClickHouse(s *settings, do func(*database.DB, config.Config) error) (err error) {
	l, err := s.checked()
	if err != nil {
		return err
	}
	db, err := l.Config.ClickHouse.Open()
	if err != nil {
		return fmt.Errorf("open clickhouse %s: %w", l.Config.ClickHouse.URL, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return do(db, l.Config)
}

func printMigrations(out io.Writer, states []database.MigrationState) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, m := range states {
		applied := "pending"
		if !m.AppliedAt.IsZero() {
			applied = m.AppliedAt.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(w, "%04d\t%s\t%s\n", m.Version, m.Name, applied)
	}
	return w.Flush()
}

// differences tells what a check found and makes the program exit with ExitDifferences.
func differences(out io.Writer, text string) error {
	if _, err := fmt.Fprintln(out, text); err != nil {
		return err
	}
	return errDifferences
}

// migrateWhenThere waits for ClickHouse to answer, for as long as ctx lasts, and brings its tables up to date.
func migrateWhenThere(ctx context.Context, db *database.DB, o database.MigrateOptions) error {
	const every = 200 * time.Millisecond
	tick := time.NewTicker(every)
	defer tick.Stop()
	for db.Ping(ctx) != nil {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	_, err := database.Migrate(ctx, db, o)
	return err
}
