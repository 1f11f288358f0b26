package ddl_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"millrace/schemas/ddl"

	"github.com/google/go-cmp/cmp"
)

func TestEveryEmbeddedStatementIsRepeatableAndInTheConfiguredDatabase(t *testing.T) {
	migrations, err := ddl.Migrations()
	if err != nil {
		t.Fatalf("Migrations() error: %v", err)
	}
	if len(migrations) < 2 {
		t.Fatalf("Migrations() gave %d, want events and orders at least", len(migrations))
	}
	repeatable := regexp.MustCompile(`^(CREATE (TABLE|MATERIALIZED VIEW|VIEW) IF NOT EXISTS|CREATE OR REPLACE VIEW|DROP (TABLE|VIEW) IF EXISTS|INSERT INTO|ALTER TABLE .* (ADD (COLUMN|INDEX|PROJECTION) IF NOT EXISTS|MATERIALIZE (PROJECTION|INDEX) IF EXISTS|MODIFY SETTING)) `)
	for _, m := range migrations {
		for _, s := range m.Statements {
			if !repeatable.MatchString(s) {
				t.Errorf("migration %d: a second runner at the same time would fail on: %.80s", m.Version, s)
			}
			if !strings.Contains(s, ddl.DatabaseVariable+".") {
				t.Errorf("migration %d: no %s in: %.80s", m.Version, ddl.DatabaseVariable, s)
			}
			if strings.Contains(s, "--") {
				t.Errorf("migration %d: a comment is left in: %.80s", m.Version, s)
			}
		}
	}
}

func TestEveryInsertTargetHasItsOwnDeduplicationWindow(t *testing.T) {
	migrations, err := ddl.Migrations()
	if err != nil {
		t.Fatalf("Migrations() error: %v", err)
	}
	for _, m := range migrations {
		for _, s := range m.Statements {
			if strings.HasPrefix(s, "CREATE TABLE") && !strings.Contains(s, " ENGINE = Null") && !strings.Contains(s, "non_replicated_deduplication_window = 100000") {
				t.Errorf("a repeated insert would double this table: %.80s", s)
			}
		}
	}
}

func TestReadSplitsAFileIntoStatements(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		want []string
	}{
		"comments go, also with semicolons in them": {"-- a; b\nSELECT 1; -- c\nSELECT 2;\n", []string{"SELECT 1", "SELECT 2"}},
		"a semicolon in a string stays":             {`SELECT ';', "a;b", ` + "`c;d`;", []string{`SELECT ';', "a;b", ` + "`c;d`"}},
		"an escaped quote does not close":           {`SELECT 'it\'s; here';`, []string{`SELECT 'it\'s; here'`}},
		"a doubled quote does not close":            {`SELECT 'it''s; here';`, []string{`SELECT 'it''s; here'`}},
		"two dashes in a string are no comment":     {"SELECT '--';", []string{"SELECT '--'"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ddl.Read(fstest.MapFS{"0001_x.sql": {Data: []byte(tc.text)}})
			if err != nil {
				t.Fatalf("Read() error: %v", err)
			}
			if diff := cmp.Diff(tc.want, got[0].Statements); diff != "" {
				t.Errorf("statements (-want, +got):\n%s", diff)
			}
		})
	}
}

func TestReadRefusesWhatItCannotApplySafely(t *testing.T) {
	ok := &fstest.MapFile{Data: []byte("SELECT 1;")}
	for name, dir := range map[string]fstest.MapFS{
		"a gap in the numbers":      {"0001_a.sql": ok, "0003_b.sql": ok},
		"a number twice":            {"0001_a.sql": ok, "0001_b.sql": ok},
		"a name without a number":   {"events.sql": ok},
		"a short number":            {"1_events.sql": ok},
		"an empty file":             {"0001_a.sql": {Data: []byte("-- nothing\n")}},
		"a file that was cut short": {"0001_a.sql": {Data: []byte("SELECT 1; SELECT")}},
		"an open quote":             {"0001_a.sql": {Data: []byte("SELECT 'a;")}},
		"a block comment":           {"0001_a.sql": {Data: []byte("/* x */ SELECT 1;")}},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := ddl.Read(dir); err == nil {
				t.Errorf("Read() = %v, want an error", got)
			}
		})
	}
}

func TestChecksumFollowsTheFile(t *testing.T) {
	sum := func(text string) string {
		got, err := ddl.Read(fstest.MapFS{"0001_x.sql": {Data: []byte(text)}})
		if err != nil {
			t.Fatalf("Read() error: %v", err)
		}
		return got[0].Checksum
	}
	if sum("SELECT 1;") == sum("SELECT 1; ") {
		t.Error("an edit did not change the checksum")
	}
}

func TestRenderRefusesDatabaseNamesThatNeedEscaping(t *testing.T) {
	m := ddl.Migration{Statements: []string{"CREATE TABLE {{database}}.t"}}
	got, err := m.Render("millrace_2")
	if err != nil || got[0] != "CREATE TABLE `millrace_2`.t" {
		t.Errorf("Render() = %v, %v", got, err)
	}
	for _, name := range []string{"", "a`b", "a b", "1a", "a.b", strings.Repeat("a", 65), "a\n"} {
		if _, err := m.Render(name); !errors.Is(err, ddl.ErrBadDatabase) {
			t.Errorf("Render(%q) error = %v, want ErrBadDatabase", name, err)
		}
	}
}
