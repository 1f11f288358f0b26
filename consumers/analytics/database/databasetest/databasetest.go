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
func Open(tb testing.TB, e *enginetest.Engine, change ...func(c *database.Config)) *database.DB {
	tb.Helper()
	c := database.DefaultConfig()
	c.URL = e.URL
	c.Database = "test_" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return -1
	}, tb.Name())
	c.Database = c.Database[:min(len(c.Database), 60)]
	for _, f := range change {
		f(&c)
	}
	db, err := c.Open()
	if err != nil {
		tb.Fatalf("Open() error: %v", err)
	}
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Errorf("Close() error: %v", err)
		}
	})
	return db
}

// Quiet are options of a migration that logs nothing.
func Quiet() database.MigrateOptions {
	return database.MigrateOptions{Logger: slog.New(slog.DiscardHandler)}
}

// Migrate brings the database to the program's schema and returns what was applied.
func Migrate(tb testing.TB, db *database.DB) []database.MigrationState {
	tb.Helper()
	applied, err := database.Migrate(tb.Context(), db, Quiet())
	if err != nil {
		tb.Fatalf("Migrate() error: %v", err)
	}
	return applied
}

// Scan reads one row; % in the query stands for the database.
func Scan(tb testing.TB, db *database.DB, query string, into ...any) {
	tb.Helper()
	query = strings.ReplaceAll(query, "%", db.Quoted())
	if err := db.Conn().QueryRow(tb.Context(), query).Scan(into...); err != nil {
		tb.Fatalf("%s: %v", query, err)
	}
}

// Count returns the one number that a query returns, of type UInt64; % in the query stands for the database.
func Count(tb testing.TB, db *database.DB, query string) int {
	tb.Helper()
	var n uint64
	Scan(tb, db, query, &n)
	return int(n)
}

// Exec runs a statement; % in it stands for the database.
func Exec(tb testing.TB, db *database.DB, statement string) {
	tb.Helper()
	statement = strings.ReplaceAll(statement, "%", db.Quoted())
	if err := db.Conn().Exec(tb.Context(), statement); err != nil {
		tb.Fatalf("%s: %v", statement, err)
	}
}
