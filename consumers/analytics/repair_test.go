package analytics

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/analytics/database"
	"millrace/consumers/analytics/database/databasetest"
	"millrace/deploy/embedded/enginetest"
	"millrace/schemas/ddl"
)

// engineSink runs the sink between the world and a database until the group stands at end, and stops it.
func (w *world) engineSink(t *testing.T, db *database.DB, end int64) *running {
	t.Helper()
	s := w.startWith(testConfig(), clickHouseStore{db: db}, func(*Deps) {})
	eventually(t, "the end", func() bool { c := w.commit(0); return c.At == end && c.Metadata == "" })
	mustStop(t, s)
	return s
}

func modelCounts(t *testing.T, db *database.DB) map[string]int {
	t.Helper()
	models, err := ddl.Models()
	if err != nil {
		t.Fatalf("Models() error: %v", err)
	}
	out := map[string]int{}
	for _, m := range models {
		out[m.Name] = databasetest.Count(t, db, "SELECT count() FROM %."+m.Name+" FINAL")
	}
	return out
}

// TestHolesOnTheEngine makes by hand what a death of ClickHouse leaves behind: tokens that are known and rows that are not there.
func TestHolesOnTheEngine(t *testing.T) {
	e := enginetest.Start(t)

	t.Run("rows and models that tokens hide come back, each once", func(t *testing.T) {
		db := databasetest.Open(t, e)
		databasetest.Migrate(t, db)
		outside(t, 1, func(w *world) {
			var records []*kgo.Record
			for n := range 20 {
				records = append(records, version(0, fmt.Sprint("w", n), n+1, 1, "orders/create"))
			}
			w.produce(records...)
			w.engineSink(t, db, 20)
			before := modelCounts(t, db)
			if before["orders"] != 20 || databasetest.Count(t, db, "SELECT count() FROM %.events") != 20 {
				t.Fatalf("before the holes: models %v", before)
			}
			for round := range 2 { // the second time the tokens of the first repair are known as well
				w.setCommit("millrace-analytics", 0, mark{0, 20, 20}.String())
				databasetest.Exec(t, db, "ALTER TABLE %.events DELETE WHERE modulo(_offset, 3) = 0 SETTINGS mutations_sync = 2")
				for model := range before {
					databasetest.Exec(t, db, "ALTER TABLE %."+model+" DELETE WHERE 1 SETTINGS mutations_sync = 2")
				}
				if n := databasetest.Count(t, db, "SELECT count() FROM %.events"); n != 13 {
					t.Fatalf("%d rows are left, want 13", n)
				}
				s := w.engineSink(t, db, 20)
				wantMetric(t, "replayed", s.metrics.replayed, 1)
				wantMetric(t, "reprojections", s.metrics.projected, 1)
				if round == 0 {
					wantMetric(t, "repaired", s.metrics.repaired, 7)
				}
				if n, distinct := databasetest.Count(t, db, "SELECT count() FROM %.events"), databasetest.Count(t, db, "SELECT uniqExact(_offset) FROM %.events"); n != 20 || distinct != 20 {
					t.Errorf("%d rows, %d distinct, want 20", n, distinct)
				}
				if diff := cmp.Diff(before, modelCounts(t, db)); diff != "" {
					t.Errorf("rows of the models (-want, +got):\n%s", diff)
				}
			}
		})
	})

	t.Run("a row that a constraint forbids becomes a dead letter, and the others go in", func(t *testing.T) {
		db := databasetest.Open(t, e)
		databasetest.Migrate(t, db)
		databasetest.Exec(t, db, "ALTER TABLE %.events ADD CONSTRAINT no_poison CHECK position(body, 'poison') = 0")
		outside(t, 1, func(w *world) {
			var records []*kgo.Record
			for n := range 20 {
				r := version(0, fmt.Sprint("w", n), n+1, 1, "orders/create")
				if n == 13 {
					r.Value = []byte(strings.Replace(string(r.Value), `"name"`, `"poison":1,"name"`, 1))
				}
				records = append(records, r)
			}
			w.produce(records...)
			for range 2 {
				s := w.engineSink(t, db, 20)
				wantMetric(t, "dead letters", s.metrics.deadLetters.WithLabelValues(string(rejectRefused)), 1)
				for _, table := range []string{"events", "orders"} {
					if n := databasetest.Count(t, db, "SELECT count() FROM %."+table); table == "events" && n != 19 {
						t.Errorf("%d rows in %s, want 19", n, table)
					}
				}
				if n := databasetest.Count(t, db, "SELECT count() FROM %.orders FINAL"); n != 19 {
					t.Errorf("%d orders, want 19", n)
				}
				w.setCommit("millrace-analytics", 0, mark{0, 20, 20}.String())
			}
			letter := w.readAll(lettersTopic, 2)[0]
			if header(letter, "millrace_source_offset") != "13" || !strings.Contains(header(letter, "millrace_error"), "no_poison") {
				t.Errorf("letter %v", letter.Headers)
			}
		})
	})

	t.Run("a value that a column does not take is one of those that are sought", func(t *testing.T) {
		db := databasetest.Open(t, e)
		databasetest.Migrate(t, db)
		b := newBlock(1)
		if err := b.add(version(0, "w", 1, 1, "orders/create")); err != nil {
			t.Fatalf("add() error: %v", err)
		}
		for _, price := range []string{"much", "1.5x", ""} {
			b.totalPrices[0] = price
			err := (clickHouseStore{db}).insert(t.Context(), b, "x"+price)
			if class := classify(err); class != failValue {
				t.Errorf("price %q: class %s, error %v", price, class, err)
			}
		}
	})

	t.Run("a view that throws is told from a value", func(t *testing.T) {
		db := databasetest.Open(t, e)
		databasetest.Migrate(t, db)
		databasetest.Exec(t, db, "CREATE TABLE %.mine (n UInt64) ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 1000")
		databasetest.Exec(t, db, "CREATE MATERIALIZED VIEW %.mine_feed TO %.mine AS SELECT toUInt64(name) AS n FROM %.events")
		b := newBlock(1)
		if err := b.add(version(0, "w", 1, 1, "orders/create")); err != nil {
			t.Fatalf("add() error: %v", err)
		}
		b.names[0] = "no number"
		err := (clickHouseStore{db}).insert(t.Context(), b, "view")
		if class := classify(err); err == nil || class != failOther {
			t.Errorf("class %s, error %v", class, err)
		}
	})

	t.Run("a schema that would double is refused at the start", func(t *testing.T) {
		db := databasetest.Open(t, e)
		databasetest.Migrate(t, db)
		st := clickHouseStore{db}
		if err := st.check(t.Context()); err != nil {
			t.Fatalf("check() error: %v", err)
		}
		databasetest.Exec(t, db, "CREATE TABLE %.mine (shop String, n UInt64) ENGINE = SummingMergeTree ORDER BY shop")
		databasetest.Exec(t, db, "CREATE MATERIALIZED VIEW %.mine_feed TO %.mine AS SELECT shop, toUInt64(1) AS n FROM %.events")
		outside(t, 1, func(w *world) {
			s := w.startWith(testConfig(), st, func(*Deps) {})
			err := s.wait()
			if err == nil || !database.Final(err) || !strings.Contains(err.Error(), "mine") || !strings.Contains(err.Error(), "ALTER TABLE") {
				t.Errorf("Run() error = %v, want one that names the table and what to run", err)
			}
		})
	})

	t.Run("what is promised follows the tables", func(t *testing.T) {
		for _, fsync := range []bool{false, true} {
			db := databasetest.Open(t, e, func(c *database.Config) { c.Fsync = fsync; c.Database += fmt.Sprint(fsync) })
			databasetest.Migrate(t, db)
			if durable, err := (clickHouseStore{db}).durable(t.Context()); err != nil || durable != fsync {
				t.Errorf("durable() = %v, %v with fsync %v", durable, err, fsync)
			}
			var log strings.Builder
			s, err := New(testConfig(), Deps{ClickHouse: db, Logger: slog.New(slog.NewTextHandler(&log, nil)), Registerer: prometheus.NewRegistry()})
			if err != nil {
				t.Fatalf("New() error: %v", err)
			}
			s.promise(t.Context())
			if text := log.String(); !strings.Contains(text, fmt.Sprint("fsync=", fsync)) || strings.Contains(text, "loses power") == fsync {
				t.Errorf("with fsync %v it promises: %s", fsync, text)
			}
		}
	})
}
