package ddl_test

import (
	"strings"
	"testing"

	"millrace/schemas/ddl"

	"github.com/google/go-cmp/cmp"
)

func TestModelsAreThoseThatTheMigrationsLeave(t *testing.T) {
	models, err := ddl.Models()
	if err != nil {
		t.Fatalf("Models() error: %v", err)
	}
	var names []string
	for _, m := range models {
		names = append(names, m.Name)
		if m.Feed != m.Name+"_feed" {
			t.Errorf("%s is fed by %s", m.Name, m.Feed)
		}
		if !strings.Contains(m.Table, "ReplacingMergeTree(version)") {
			t.Errorf("%s is not a table in which a row may be written twice:\n%s", m.Name, m.Table)
		}
	}
	want := []string{"deletions", "orders", "first_orders", "refunds", "fulfillments", "checkouts", "products", "customers", "inventory_levels"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("models (-want, +got):\n%s", diff)
	}
}

func TestInsertRunsTheFeedOverAnotherSource(t *testing.T) {
	m := ddl.Model{Name: "orders", Select: "SELECT a\nFROM {{database}}.events AS events\nWHERE b"}
	got := m.Insert("orders_new", "(SELECT * FROM {{database}}.events WHERE _offset < 7)")
	want := "INSERT INTO {{database}}.orders_new\nSELECT a\nFROM (SELECT * FROM {{database}}.events WHERE _offset < 7) AS events\nWHERE b"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Insert() (-want, +got):\n%s", diff)
	}
}

// TestTheBackfillSaysWhatTheFeedsSay: the SELECTs stand twice in the files, and this is why they are one.
func TestTheBackfillSaysWhatTheFeedsSay(t *testing.T) {
	migrations, err := ddl.Migrations()
	if err != nil {
		t.Fatalf("Migrations() error: %v", err)
	}
	models, err := ddl.Models()
	if err != nil {
		t.Fatalf("Models() error: %v", err)
	}
	var want []string
	for _, m := range models {
		want = append(want, m.Insert(m.Name, ddl.Source)+"\nSETTINGS max_partitions_per_insert_block = 0")
	}
	if diff := cmp.Diff(want, migrations[5].Statements); diff != "" {
		t.Errorf("0006_backfill.sql (-feeds, +file):\n%s", diff)
	}
}
