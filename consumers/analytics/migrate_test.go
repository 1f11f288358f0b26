package analytics

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"millrace/deploy/embedded/enginetest"
	"millrace/schemas/ddl"
)

// open returns a connection to a database of its own on the engine.
func open(t *testing.T, e *enginetest.Engine, change ...func(c *ClickHouseConfig)) *DB {
	t.Helper()
	c := DefaultClickHouseConfig()
	c.URL = e.URL
	c.Database = "test_" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return -1
	}, t.Name())
	c.Database = c.Database[:min(len(c.Database), 60)]
	for _, f := range change {
		f(&c)
	}
	db, err := c.Open()
	if err != nil {
		t.Fatalf("Open() error: %v", err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("Close() error: %v", err)
		}
	})
	return db
}

func quiet() MigrateOptions { return MigrateOptions{Logger: slog.New(slog.DiscardHandler)} }

func mustMigrate(t *testing.T, db *DB) []MigrationState {
	t.Helper()
	applied, err := Migrate(t.Context(), db, quiet())
	if err != nil {
		t.Fatalf("Migrate() error: %v", err)
	}
	return applied
}

// scan reads one row; % in the query stands for the database.
func scan(t *testing.T, db *DB, query string, into ...any) {
	t.Helper()
	query = strings.ReplaceAll(query, "%", db.quoted)
	if err := db.conn.QueryRow(t.Context(), query).Scan(into...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func count(t *testing.T, db *DB, query string) int {
	t.Helper()
	var n uint64
	scan(t, db, query, &n)
	return int(n)
}

func mustExec(t *testing.T, db *DB, query string) {
	t.Helper()
	query = strings.ReplaceAll(query, "%", db.quoted)
	if err := db.conn.Exec(t.Context(), query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func TestMigrationsOnTheEngine(t *testing.T) {
	e := enginetest.Start(t)
	all, err := ddl.Migrations()
	if err != nil {
		t.Fatalf("Migrations() error: %v", err)
	}

	t.Run("are applied once and then known", func(t *testing.T) {
		db := open(t, e)
		before, err := Status(t.Context(), db)
		if err != nil || len(before) != len(all) || !before[0].AppliedAt.IsZero() {
			t.Errorf("Status() of no database = %v, %v; want everything pending", before, err)
		}
		if err := (clickHouseStore{db}).check(t.Context()); !errors.Is(err, ErrSchemaPending) {
			t.Errorf("check() error = %v, want ErrSchemaPending", err)
		}
		if got := mustMigrate(t, db); len(got) != len(all) {
			t.Errorf("the first run applied %d, want %d", len(got), len(all))
		}
		if got := mustMigrate(t, db); len(got) != 0 {
			t.Errorf("the second run applied %v, want none", got)
		}
		after, err := Status(t.Context(), db)
		if err != nil || slices.ContainsFunc(after, func(m MigrationState) bool { return m.AppliedAt.IsZero() }) {
			t.Errorf("Status() = %v, %v; want everything applied", after, err)
		}
		if err := (clickHouseStore{db}).check(t.Context()); err != nil {
			t.Errorf("check() error: %v", err)
		}
	})

	for _, runners := range []int{2, 10} {
		t.Run(fmt.Sprintf("are safe with %d runners at once", runners), func(t *testing.T) {
			db := open(t, e, func(c *ClickHouseConfig) { c.Database = fmt.Sprintf("at_once_%d", runners) })
			var wg sync.WaitGroup
			for range runners {
				wg.Go(func() {
					if _, err := Migrate(t.Context(), db, quiet()); err != nil {
						t.Errorf("Migrate() error: %v", err)
					}
				})
			}
			wg.Wait()
			if got := count(t, db, "SELECT uniqExact(version) FROM %.schema_migrations"); got != len(all) {
				t.Errorf("%d versions are recorded, want %d", got, len(all))
			}
			if got := count(t, db, "SELECT count() FROM (SELECT version FROM %.schema_migrations GROUP BY version HAVING uniqExact(checksum) > 1)"); got != 0 {
				t.Errorf("%d versions have two checksums", got)
			}
		})
	}

	t.Run("that stopped in the middle are finished by the next run", func(t *testing.T) {
		db := open(t, e)
		broken := slices.Clone(all)
		broken[1].Statements = append(slices.Clone(all[1].Statements[:1]), "CREATE TABLE IF NOT EXISTS {{database}}.nonsense (x Nonsense) ENGINE = Memory")
		applied, err := migrate(t.Context(), db, quiet(), broken)
		if err == nil || len(applied) != 1 {
			t.Fatalf("migrate() = %v, %v; want the first applied and an error", applied, err)
		}
		if !strings.Contains(err.Error(), "0002_orders") || !strings.Contains(err.Error(), "statement 2 of 2") {
			t.Errorf("error %q does not say which statement", err)
		}
		if got := mustMigrate(t, db); len(got) != 1 || got[0].Version != 2 {
			t.Errorf("the next run applied %v, want the second migration", got)
		}
	})

	t.Run("whose file was edited after it was applied are an error", func(t *testing.T) {
		db := open(t, e)
		mustMigrate(t, db)
		edited := slices.Clone(all)
		edited[0].Checksum = strings.Repeat("0", 64)
		if _, err := migrate(t.Context(), db, quiet(), edited); !errors.Is(err, ErrSchemaDrift) || !strings.Contains(err.Error(), "0001_events") {
			t.Errorf("migrate() error = %v, want ErrSchemaDrift that names 0001_events", err)
		}
		if err := (clickHouseStore{db}).check(t.Context()); err != nil {
			t.Errorf("check() error = %v: the refused run must not have changed anything", err)
		}
	})

	t.Run("of a newer program are an error", func(t *testing.T) {
		db := open(t, e)
		mustMigrate(t, db)
		if _, err := migrate(t.Context(), db, quiet(), all[:1]); !errors.Is(err, ErrSchemaNewer) {
			t.Errorf("migrate() error = %v, want ErrSchemaNewer", err)
		}
	})

	t.Run("set the durability that is configured, also later", func(t *testing.T) {
		db := open(t, e, func(c *ClickHouseConfig) { c.Database, c.Fsync = "durable", true })
		mustMigrate(t, db)
		ddlOf := "SELECT create_table_query FROM system.tables WHERE database = 'durable' AND name = 'events'"
		var text string
		if scan(t, db, ddlOf, &text); !strings.Contains(text, "fsync_after_insert = 1") {
			t.Errorf("no fsync in %s", text)
		}
		db = open(t, e, func(c *ClickHouseConfig) { c.Database = "durable" })
		mustMigrate(t, db)
		if scan(t, db, ddlOf, &text); !strings.Contains(text, "fsync_after_insert = 0") {
			t.Errorf("fsync stays in %s", text)
		}
	})
}

func TestAMigrationSurvivesTheDeathOfTheEngine(t *testing.T) {
	e := enginetest.Start(t)
	db := open(t, e)
	done := make(chan error, 1)
	go func() {
		_, err := Migrate(t.Context(), db, quiet())
		done <- err
	}()
	e.Restart()
	if err := <-done; err != nil { // either is right; the next run must succeed
		t.Logf("the interrupted run: %v", err)
	}
	mustMigrate(t, db)
	if err := (clickHouseStore{db}).check(t.Context()); err != nil {
		t.Errorf("check() error: %v", err)
	}
}
