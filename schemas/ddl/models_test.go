package ddl_test

import (
	"slices"
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

// A route that passed less than its feed takes would lose rows of a model.
func TestEveryFeedStandsBehindARouteThatPassesAllOfItsTopics(t *testing.T) {
	migrations, err := ddl.Migrations()
	if err != nil {
		t.Fatalf("Migrations() error: %v", err)
	}
	models, err := ddl.Models()
	if err != nil {
		t.Fatalf("Models() error: %v", err)
	}
	var all []string
	for _, m := range migrations {
		all = append(all, m.Statements...)
	}
	for _, m := range models {
		feed := find(all, "CREATE MATERIALIZED VIEW IF NOT EXISTS {{database}}."+m.Feed+" TO {{database}}."+m.Name+" ")
		_, intake, ok := strings.Cut(feed, "FROM {{database}}.")
		if !ok || len(m.Topics) == 0 {
			t.Errorf("%s reads nothing: %q, topics %v", m.Feed, feed, m.Topics)
			continue
		}
		intake = intake[:strings.IndexAny(intake, " \n")]
		route := find(all, "CREATE MATERIALIZED VIEW IF NOT EXISTS {{database}}."+strings.TrimSuffix(intake, "_intake")+"_route TO {{database}}."+intake+" ")
		backfill := find(all, "INSERT INTO {{database}}."+intake+"\n")
		for _, topic := range m.Topics {
			if !strings.Contains(route, "'"+topic+"'") || !strings.Contains(backfill, "'"+topic+"'") {
				t.Errorf("%s takes %s, which its route or its backfill does not pass", m.Feed, topic)
			}
		}
	}
}

func find(statements []string, prefix string) string {
	for _, s := range slices.Backward(statements) { // what stands last is what is there in the end
		if strings.HasPrefix(s, prefix) {
			return s
		}
	}
	return ""
}
