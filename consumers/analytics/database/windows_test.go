package database_test

import (
	"errors"
	"strings"
	"testing"

	"millrace/consumers/analytics/database"
	"millrace/consumers/analytics/database/databasetest"
	"millrace/deploy/embedded/enginetest"
)

func TestASchemaThatWouldDoubleIsRefused(t *testing.T) {
	e := enginetest.Start(t)
	tests := map[string]struct {
		make []string
		want []string // parts of the error; none: it must be accepted
		then string   // after which it must be accepted
	}{
		"nothing of the user's": {},
		"own table's window off": {
			make: []string{"ALTER TABLE %.events MODIFY SETTING non_replicated_deduplication_window = 0"},
			want: []string{"events`", "ALTER TABLE %.`events` MODIFY SETTING non_replicated_deduplication_window = 100000"},
			then: "ALTER TABLE %.`events` MODIFY SETTING non_replicated_deduplication_window = 100000",
		},
		"target without a window": {
			make: []string{"CREATE TABLE %.mine (shop String) ENGINE = MergeTree ORDER BY shop", "CREATE MATERIALIZED VIEW %.mine_feed TO %.mine AS SELECT shop FROM %.events"},
			want: []string{"%.`mine`", "%.`mine_feed`", "ALTER TABLE %.`mine` MODIFY SETTING non_replicated_deduplication_window = 100000"},
			then: "ALTER TABLE %.`mine` MODIFY SETTING non_replicated_deduplication_window = 100000",
		},
		"idempotent target without a window": {
			make: []string{"CREATE TABLE %.mine (shop String) ENGINE = ReplacingMergeTree ORDER BY shop", "CREATE MATERIALIZED VIEW %.mine_feed TO %.mine AS SELECT shop FROM %.events"},
			want: []string{"%.`mine`"},
		},
		"target with a window": {
			make: []string{"CREATE TABLE %.mine (shop String) ENGINE = MergeTree ORDER BY shop SETTINGS non_replicated_deduplication_window = 7", "CREATE MATERIALIZED VIEW %.mine_feed TO %.mine AS SELECT shop FROM %.events"},
		},
		"inner target without a window": {
			make: []string{"CREATE MATERIALIZED VIEW %.mine ENGINE = SummingMergeTree ORDER BY shop AS SELECT shop, count() AS n FROM %.events GROUP BY shop"},
			want: []string{".`.inner_id.", "%.`mine`"},
			then: "DROP VIEW %.mine",
		},
		"inner target with a window": {
			make: []string{"CREATE MATERIALIZED VIEW %.mine ENGINE = SummingMergeTree ORDER BY shop SETTINGS non_replicated_deduplication_window = 7 AS SELECT shop, count() AS n FROM %.events GROUP BY shop"},
		},
		"target of a target": {
			make: []string{
				"CREATE TABLE %.a (shop String) ENGINE = Null", "CREATE MATERIALIZED VIEW %.a_feed TO %.a AS SELECT shop FROM %.events",
				"CREATE TABLE %.b (shop String) ENGINE = MergeTree ORDER BY shop", "CREATE MATERIALIZED VIEW %.b_feed TO %.b AS SELECT shop FROM %.a",
			},
			want: []string{"%.`b`", "%.`b_feed`"},
		},
		"view as a target": {
			make: []string{
				"CREATE TABLE %.other (shop String) ENGINE = Null",
				"CREATE MATERIALIZED VIEW %.a ENGINE = MergeTree ORDER BY shop AS SELECT shop FROM %.other", "CREATE MATERIALIZED VIEW %.b TO %.a AS SELECT shop FROM %.events",
			},
			want: []string{".`.inner_id."},
		},
		"names that need quotes": {
			make: []string{"CREATE TABLE %.`m``i ne` (shop String) ENGINE = MergeTree ORDER BY shop", "CREATE MATERIALIZED VIEW %.`m\\`i feed` TO %.`m\\`i ne` AS SELECT shop FROM %.events"},
			want: []string{"%.`m\\`i feed`", "ALTER TABLE %.`m\\`i ne` MODIFY SETTING non_replicated_deduplication_window = 100000"},
			then: "ALTER TABLE %.`m\\`i ne` MODIFY SETTING non_replicated_deduplication_window = 100000",
		},
		"engine that cannot drop repeats": {
			make: []string{"CREATE TABLE %.mine (shop String) ENGINE = Memory", "CREATE MATERIALIZED VIEW %.mine_feed TO %.mine AS SELECT shop FROM %.events"},
			want: []string{"Memory", "DROP VIEW %.`mine_feed`"},
			then: "DROP VIEW %.`mine_feed`",
		},
		"buffer in front of a good table": {
			make: []string{"CREATE TABLE %.mine AS %.events ENGINE = Buffer(%, events, 1, 10, 100, 1, 1, 1, 1)", "CREATE MATERIALIZED VIEW %.mine_feed TO %.mine AS SELECT * FROM %.events WHERE shop = 'a'"},
			want: []string{"Buffer"},
		},
		"keeps nothing":    {make: []string{"CREATE TABLE %.mine (shop String) ENGINE = Null", "CREATE MATERIALIZED VIEW %.mine_feed TO %.mine AS SELECT shop FROM %.events"}},
		"refreshable view": {make: []string{"CREATE MATERIALIZED VIEW %.mine REFRESH EVERY 1 YEAR ENGINE = MergeTree ORDER BY shop AS SELECT shop FROM %.events"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			db := databasetest.Open(t, e)
			databasetest.Migrate(t, db)
			for _, s := range tt.make {
				databasetest.Exec(t, db, s)
			}
			err := database.CheckWindows(t.Context(), db)
			if len(tt.want) == 0 {
				if err != nil {
					t.Errorf("CheckWindows() error: %v", err)
				}
				return
			}
			if !errors.Is(err, database.ErrWouldDouble) || !database.Final(err) {
				t.Fatalf("CheckWindows() error = %v, want a final ErrWouldDouble", err)
			}
			for _, w := range tt.want {
				if w = strings.ReplaceAll(w, "%", db.Quoted()); !strings.Contains(err.Error(), w) {
					t.Errorf("error %q does not contain %q", err, w)
				}
			}
			if tt.then == "" {
				return
			}
			databasetest.Exec(t, db, tt.then)
			if err := database.CheckWindows(t.Context(), db); err != nil {
				t.Errorf("CheckWindows() error after %s: %v", tt.then, err)
			}
		})
	}
}

func TestWindowsAreFollowedIntoOtherDatabases(t *testing.T) {
	e := enginetest.Start(t)
	db := databasetest.Open(t, e)
	databasetest.Migrate(t, db)
	databasetest.Exec(t, db, "CREATE DATABASE `else where`")
	databasetest.Exec(t, db, "CREATE TABLE `else where`.mine (shop String) ENGINE = MergeTree ORDER BY shop")
	databasetest.Exec(t, db, "CREATE MATERIALIZED VIEW `else where`.feed TO `else where`.mine AS SELECT shop FROM %.events")
	err := database.CheckWindows(t.Context(), db)
	if !errors.Is(err, database.ErrWouldDouble) || !strings.Contains(err.Error(), "ALTER TABLE `else where`.`mine`") {
		t.Errorf("CheckWindows() error = %v, want it to name the table in the other database", err)
	}
}
