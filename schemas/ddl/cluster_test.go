package ddl_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"millrace/schemas/ddl"
)

func TestOnClusterRendersEachKindOfStatement(t *testing.T) {
	for name, tc := range map[string]struct{ plain, want string }{
		"database": {"CREATE DATABASE IF NOT EXISTS `m`", "CREATE DATABASE IF NOT EXISTS `m` ON CLUSTER 'c'"},
		"table": {
			"CREATE TABLE IF NOT EXISTS `m`.t\n(a String)\nENGINE = MergeTree\nORDER BY a\nSETTINGS non_replicated_deduplication_window = 100000, x = 1",
			"CREATE TABLE IF NOT EXISTS `m`.t ON CLUSTER 'c'\n(a String)\nENGINE = ReplicatedMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')\nORDER BY a\n" +
				"SETTINGS replicated_deduplication_window = 100000, replicated_deduplication_window_seconds = 604800, x = 1",
		},
		"table with arguments": {
			"CREATE TABLE {{database}}.t (v UInt8) ENGINE = ReplacingMergeTree(v, d) ORDER BY v",
			"CREATE TABLE {{database}}.t ON CLUSTER 'c' (v UInt8) ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}', v, d) ORDER BY v",
		},
		"table with empty arguments": {
			"CREATE TABLE m.t (v UInt8) ENGINE = MergeTree() ORDER BY v",
			"CREATE TABLE m.t ON CLUSTER 'c' (v UInt8) ENGINE = ReplicatedMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}') ORDER BY v",
		},
		"materialized view": {"CREATE MATERIALIZED VIEW IF NOT EXISTS m.v TO m.t AS SELECT 1", "CREATE MATERIALIZED VIEW IF NOT EXISTS m.v ON CLUSTER 'c' TO m.t AS SELECT 1"},
		"refreshable view": {
			"CREATE MATERIALIZED VIEW IF NOT EXISTS m.v\nREFRESH EVERY 5 MINUTE\nENGINE = MergeTree ORDER BY a AS SELECT 1 AS a",
			"CREATE MATERIALIZED VIEW IF NOT EXISTS m.v ON CLUSTER 'c'\nREFRESH EVERY 5 MINUTE\nENGINE = MergeTree ORDER BY a AS SELECT 1 AS a",
		},
		"view":     {"CREATE OR REPLACE VIEW m.v AS SELECT 1", "CREATE OR REPLACE VIEW m.v ON CLUSTER 'c' AS SELECT 1"},
		"alter":    {"ALTER TABLE m.t MODIFY SETTING non_replicated_deduplication_window = 5", "ALTER TABLE m.t ON CLUSTER 'c' MODIFY SETTING replicated_deduplication_window = 5, replicated_deduplication_window_seconds = 604800"},
		"drop":     {"DROP VIEW IF EXISTS m.v SYNC", "DROP VIEW IF EXISTS m.v ON CLUSTER 'c' SYNC"},
		"exchange": {"EXCHANGE TABLES m.a AND `m`.`b`", "EXCHANGE TABLES m.a AND `m`.`b` ON CLUSTER 'c'"},
		"insert":   {"INSERT INTO m.t SELECT 1", "INSERT INTO m.t SELECT 1"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ddl.OnCluster(tc.plain, "c")
			if err != nil || got != tc.want {
				t.Errorf("OnCluster() = %q, %v; want %q", got, err, tc.want)
			}
			if got, err = ddl.OnCluster(tc.plain, ""); err != nil || got != tc.plain {
				t.Errorf("OnCluster() without a cluster = %q, %v", got, err)
			}
		})
	}
}

func TestOnClusterRefusesWhatItDoesNotUnderstand(t *testing.T) {
	for name, s := range map[string]string{
		"another statement":              "OPTIMIZE TABLE m.t FINAL",
		"a table that is not MergeTree":  "CREATE TABLE m.t (a UInt8) ENGINE = Memory",
		"a table that is replicated":     "CREATE TABLE m.t (a UInt8) ENGINE = ReplicatedMergeTree('/x', '{replica}') ORDER BY a",
		"a view with a table of its own": "CREATE MATERIALIZED VIEW m.v ENGINE = MergeTree ORDER BY a AS SELECT 1 AS a",
		"two engines":                    "CREATE TABLE m.t (a UInt8) ENGINE = MergeTree ENGINE = MergeTree",
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := ddl.OnCluster(s, "c"); err == nil {
				t.Errorf("OnCluster() = %q, want an error", got)
			}
		})
	}
	for _, name := range []string{"a'b", "a b", "{shard}", strings.Repeat("a", 65)} {
		if err := ddl.CheckCluster(name); !errors.Is(err, ddl.ErrBadCluster) {
			t.Errorf("CheckCluster(%q) = %v, want ErrBadCluster", name, err)
		}
	}
	if err := ddl.CheckCluster("{cluster}"); err != nil {
		t.Errorf("CheckCluster({cluster}) error: %v", err)
	}
}

// The rendering is not part of the checksum: a database may be told of its cluster without an edit of the files.
func TestEveryMigrationCanBeRenderedForACluster(t *testing.T) {
	migrations, err := ddl.Migrations()
	if err != nil {
		t.Fatal(err)
	}
	engine := regexp.MustCompile(`ENGINE = ([A-Za-z]+)`)
	for _, m := range migrations {
		statements, err := m.RenderOn("millrace", "{cluster}")
		if err != nil {
			t.Errorf("migration %d: %v", m.Version, err)
		}
		for _, s := range statements {
			if !strings.HasPrefix(s, "INSERT") && strings.Count(s, " ON CLUSTER '{cluster}'") != 1 {
				t.Errorf("migration %d: not on the cluster: %.80s", m.Version, s)
			}
			if e := engine.FindStringSubmatch(s); e != nil && e[1] != "Null" && !strings.Contains(s, "REFRESH EVERY") && !strings.HasPrefix(e[1], "Replicated") {
				t.Errorf("migration %d: not replicated: %.80s", m.Version, s)
			}
			if strings.Contains(s, "non_replicated_deduplication_window") {
				t.Errorf("migration %d: the window of a plain table: %.80s", m.Version, s)
			}
		}
	}
}
