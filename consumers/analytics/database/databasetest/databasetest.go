// Package databasetest gives tests a database of their own on the engine, and short ways to ask it.
package databasetest

import (
	"log/slog"
	"strings"
	"testing"

	"millrace/consumers/analytics/database"
	"millrace/deploy/embedded/enginetest"
)

// Open returns a connection to a database that is named after the test, without tables. It is closed when the test ends.
func Open(t testing.TB, e *enginetest.Engine, change ...func(c *database.Config)) *database.DB {
	t.Helper()
	c := database.DefaultConfig()
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

// Quiet are options of a migration that logs nothing.
func Quiet() database.MigrateOptions {
	return database.MigrateOptions{Logger: slog.New(slog.DiscardHandler)}
}

// Migrate brings the database to the program's schema and returns what was applied.
func Migrate(t testing.TB, db *database.DB) []database.MigrationState {
	t.Helper()
	applied, err := database.Migrate(t.Context(), db, Quiet())
	if err != nil {
		t.Fatalf("Migrate() error: %v", err)
	}
	return applied
}

// Scan reads one row; % in the query stands for the database.
func Scan(t testing.TB, db *database.DB, query string, into ...any) {
	t.Helper()
	query = strings.ReplaceAll(query, "%", db.Quoted())
	if err := db.Conn().QueryRow(t.Context(), query).Scan(into...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// Count returns the one number that a query returns, of type UInt64; % in the query stands for the database.
func Count(t testing.TB, db *database.DB, query string) int {
	t.Helper()
	var n uint64
	Scan(t, db, query, &n)
	return int(n)
}

// Exec runs a statement; % in it stands for the database.
func Exec(t testing.TB, db *database.DB, statement string) {
	t.Helper()
	statement = strings.ReplaceAll(statement, "%", db.Quoted())
	if err := db.Conn().Exec(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}
