package database_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"millrace/consumers/analytics/database"
	"millrace/consumers/analytics/database/databasetest"
	"millrace/deploy/embedded/enginetest"
	"millrace/schemas/ddl"
)

func TestMigrationsOnTheEngine(t *testing.T) {
	e := enginetest.Start(t)
	all, err := ddl.Migrations()
	if err != nil {
		t.Fatalf("Migrations() error: %v", err)
	}

	t.Run("are applied once and then known", func(t *testing.T) {
		db := databasetest.Open(t, e)
		before, err := database.Status(t.Context(), db)
		if err != nil || len(before) != len(all) || !before[0].AppliedAt.IsZero() {
			t.Errorf("Status() of no database = %v, %v; want everything pending", before, err)
		}
		if err := database.Check(t.Context(), db); !errors.Is(err, database.ErrSchemaPending) {
			t.Errorf("Check() error = %v, want ErrSchemaPending", err)
		}
		if got := databasetest.Migrate(t, db); len(got) != len(all) {
			t.Errorf("the first run applied %d, want %d", len(got), len(all))
		}
		if got := databasetest.Migrate(t, db); len(got) != 0 {
			t.Errorf("the second run applied %v, want none", got)
		}
		after, err := database.Status(t.Context(), db)
		if err != nil || slices.ContainsFunc(after, func(m database.MigrationState) bool { return m.AppliedAt.IsZero() }) {
			t.Errorf("Status() = %v, %v; want everything applied", after, err)
		}
		if err := database.Check(t.Context(), db); err != nil {
			t.Errorf("Check() error: %v", err)
		}
	})

	for _, runners := range []int{2, 10} {
		t.Run(fmt.Sprintf("are safe with %d runners at once", runners), func(t *testing.T) {
			db := databasetest.Open(t, e, func(c *database.Config) { c.Database = fmt.Sprintf("at_once_%d", runners) })
			var wg sync.WaitGroup
			for range runners {
				wg.Go(func() {
					if _, err := database.Migrate(t.Context(), db, databasetest.Quiet()); err != nil {
						t.Errorf("Migrate() error: %v", err)
					}
				})
			}
			wg.Wait()
			if got := databasetest.Count(t, db, "SELECT uniqExact(version) FROM %.schema_migrations"); got != len(all) {
				t.Errorf("%d versions are recorded, want %d", got, len(all))
			}
			if got := databasetest.Count(t, db, "SELECT count() FROM (SELECT version FROM %.schema_migrations GROUP BY version HAVING uniqExact(checksum) > 1)"); got != 0 {
				t.Errorf("%d versions have two checksums", got)
			}
		})
	}

	t.Run("that stopped in the middle are finished by the next run", func(t *testing.T) {
		db := databasetest.Open(t, e)
		broken := slices.Clone(all)
		broken[1].Statements = append(slices.Clone(all[1].Statements[:1]), "CREATE TABLE IF NOT EXISTS {{database}}.nonsense (x Nonsense) ENGINE = Memory")
		applied, err := database.MigrateWith(t.Context(), db, databasetest.Quiet(), broken)
		if err == nil || len(applied) != 1 {
			t.Fatalf("Migrate() = %v, %v; want the first applied and an error", applied, err)
		}
		if !strings.Contains(err.Error(), "0002_orders") || !strings.Contains(err.Error(), "statement 2 of 2") {
			t.Errorf("error %q does not say which statement", err)
		}
		if got := databasetest.Migrate(t, db); len(got) != len(all)-1 || got[0].Version != 2 {
			t.Errorf("the next run applied %v, want the second migration and those after it", got)
		}
	})

	t.Run("whose file was edited after it was applied are an error", func(t *testing.T) {
		db := databasetest.Open(t, e)
		databasetest.Migrate(t, db)
		edited := slices.Clone(all)
		edited[0].Checksum = strings.Repeat("0", 64)
		if _, err := database.MigrateWith(t.Context(), db, databasetest.Quiet(), edited); !errors.Is(err, database.ErrSchemaDrift) || !strings.Contains(err.Error(), "0001_events") {
			t.Errorf("Migrate() error = %v, want ErrSchemaDrift that names 0001_events", err)
		}
		if err := database.Check(t.Context(), db); err != nil {
			t.Errorf("Check() error = %v: the refused run must not have changed anything", err)
		}
	})

	t.Run("of a newer program are an error", func(t *testing.T) {
		db := databasetest.Open(t, e)
		databasetest.Migrate(t, db)
		if _, err := database.MigrateWith(t.Context(), db, databasetest.Quiet(), all[:1]); !errors.Is(err, database.ErrSchemaNewer) {
			t.Errorf("Migrate() error = %v, want ErrSchemaNewer", err)
		}
	})

	t.Run("set the durability that is configured, also later", func(t *testing.T) {
		db := databasetest.Open(t, e, func(c *database.Config) { c.Database, c.Fsync = "durable", true })
		databasetest.Migrate(t, db)
		ddlOf := "SELECT create_table_query FROM system.tables WHERE database = 'durable' AND name = 'events'"
		var text string
		if databasetest.Scan(t, db, ddlOf, &text); !strings.Contains(text, "fsync_after_insert = 1") {
			t.Errorf("no fsync in %s", text)
		}
		db = databasetest.Open(t, e, func(c *database.Config) { c.Database = "durable" })
		databasetest.Migrate(t, db)
		if databasetest.Scan(t, db, ddlOf, &text); !strings.Contains(text, "fsync_after_insert = 0") {
			t.Errorf("fsync stays in %s", text)
		}
	})
}

func TestAMigrationSurvivesTheDeathOfTheEngine(t *testing.T) {
	e := enginetest.Start(t)
	db := databasetest.Open(t, e)
	done := make(chan error, 1)
	go func() {
		_, err := database.Migrate(t.Context(), db, databasetest.Quiet())
		done <- err
	}()
	e.Restart()
	if err := <-done; err != nil { // either is right; the next run must succeed
		t.Logf("the interrupted run: %v", err)
	}
	databasetest.Migrate(t, db)
	if err := database.Check(t.Context(), db); err != nil {
		t.Errorf("Check() error: %v", err)
	}
}
