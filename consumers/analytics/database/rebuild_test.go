package database_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"millrace/consumers/analytics/database"
	"millrace/consumers/analytics/database/databasetest"
	"millrace/deploy/embedded/enginetest"
	"millrace/schemas/ddl"
)

func quietRebuild() database.RebuildOptions {
	return database.RebuildOptions{Logger: slog.New(slog.DiscardHandler), By: "the test"}
}

// insertOrders puts n order events into events as a sink would: one block with a token. Their ids and offsets begin at first.
func insertOrders(ctx context.Context, db *database.DB, first, n int) error {
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"async_insert": 0, "insert_deduplication_token": fmt.Sprint("t/0/", first)}))
	return db.Conn().Exec(ctx, fmt.Sprintf(`INSERT INTO %s.events (id, shop, shopify_topic, entity_kind, entity_id, time, received_time, body, order_id, customer_id, created_at, updated_at, currency, total_price, _topic, _partition, _offset)
SELECT toString(number), 'shop' || toString(number %% 3), 'orders/create', 'order', toString(number), now64(9), toDateTime64('2026-01-01 00:00:00', 9) + (number %% 90) * 86400, '{"line_items":[{"id":1,"price":"1.00","quantity":2}]}',
	number, number %% 10, toDateTime64('2026-01-01 00:00:00', 3), toDateTime64('2026-01-02 00:00:00', 3), 'EUR', 12.34, 't', 0, number
FROM numbers(%d, %d)`, db.Quoted(), first, n))
}

// sameAsEvents fails unless the model is what its feed makes of all events now.
func sameAsEvents(t *testing.T, db *database.DB, model string) {
	t.Helper()
	models, err := ddl.Models()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range models {
		if m.Name != model {
			continue
		}
		anew := "SELECT shop, order_id, max(version) FROM (" + strings.ReplaceAll(m.Select, ddl.DatabaseVariable, db.Quoted()) + ") GROUP BY shop, order_id"
		there := "SELECT shop, order_id, max(version) FROM %." + model + " FINAL GROUP BY shop, order_id"
		if n := databasetest.Count(t, db, "SELECT count() FROM ("+anew+" EXCEPT "+there+")"); n != 0 {
			t.Errorf("%d rows of %s are missing", n, model)
		}
		if n := databasetest.Count(t, db, "SELECT count() FROM ("+there+" EXCEPT "+anew+")"); n != 0 {
			t.Errorf("%d rows of %s are not those of events", n, model)
		}
	}
	if n := databasetest.Count(t, db, "SELECT count() FROM system.tables WHERE database = '"+db.Database()+"' AND position(name, '_rebuild') > 0"); n != 0 {
		t.Errorf("%d tables are left beside", n)
	}
}

func TestARebuildUnderInsertsLosesNothing(t *testing.T) {
	e := enginetest.Start(t)
	db := databasetest.Open(t, e)
	databasetest.Migrate(t, db)
	if err := insertOrders(t.Context(), db, 1, 5000); err != nil {
		t.Fatal(err)
	}
	const own = 1_000_000 // ids of each writer
	stop, failed := make(chan struct{}), make(chan error, 4)
	var writers sync.WaitGroup
	var inserted atomic.Int64
	for w := range 2 {
		writers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := insertOrders(t.Context(), db, (w+1)*own+i*3, 3); err != nil {
					failed <- err
					return
				}
				inserted.Add(3)
			}
		})
	}
	for i := range 2 {
		before := inserted.Load()
		o := quietRebuild()
		o.ForTest(0, 1000, func(step string) {
			// Least as many inserts as writers fall into each step, whatever the machine's load.
			for at := inserted.Load(); inserted.Load() < at+6 && len(failed) == 0; time.Sleep(time.Millisecond) {
			}
			if i == 0 && step == "catch up" { // rows that a reader sees go away would have gone away by now
				if n := databasetest.Count(t, db, "SELECT count() FROM %.orders FINAL"); n < 5000 {
					t.Errorf("a reader sees %d rows while the model is rebuilt", n)
				}
			}
		})
		r, err := database.Rebuild(t.Context(), db, "orders", o)
		if err != nil {
			t.Fatalf("Rebuild() error: %v", err)
		}
		if r.Events < 5000 || r.After < r.Before || r.Before < 5000 {
			t.Errorf("Rebuild() = %+v, want all rows", r)
		}
		if inserted.Load() == before {
			t.Error("nothing was inserted meanwhile")
		}
	}
	close(stop)
	writers.Wait()
	select {
	case err := <-failed:
		t.Fatalf("an insert failed: %v", err)
	default:
	}
	if n := databasetest.Count(t, db, "SELECT count() FROM %.orders FINAL"); n != 5000+int(inserted.Load()) {
		t.Errorf("orders has %d rows, want %d", n, 5000+inserted.Load())
	}
	sameAsEvents(t, db, "orders")
}

func TestARebuildRepairsAModel(t *testing.T) {
	e := enginetest.Start(t)
	db := databasetest.Open(t, e, func(c *database.Config) { c.Fsync = true })
	databasetest.Migrate(t, db)
	if err := insertOrders(t.Context(), db, 1, 3000); err != nil {
		t.Fatal(err)
	}
	databasetest.Exec(t, db, "TRUNCATE TABLE %.orders")
	p, err := database.PlanRebuild(t.Context(), db, "orders")
	if err != nil || p.Events != 3000 || p.Pieces == 0 || p.Rows != 0 {
		t.Errorf("PlanRebuild() = %+v, %v", p, err)
	}
	var last, pieces uint64
	o := quietRebuild()
	o.Progress = func(done, total uint64) {
		if done < last || done > total || total != 3000 {
			t.Errorf("progress went from %d to %d of %d", last, done, total)
		}
		last, pieces = done, pieces+1
	}
	o.ForTest(0, 300, nil) // a shop has 1000 rows in three partitions: it is cut by hash, others are gathered
	if r, err := database.Rebuild(t.Context(), db, "orders", o); err != nil || r.Before != 0 || r.After != 3000 {
		t.Fatalf("Rebuild() = %+v, %v", r, err)
	}
	if pieces < 10 {
		t.Errorf("events was read in %d pieces", pieces)
	}
	sameAsEvents(t, db, "orders")
	var made string
	if databasetest.Scan(t, db, "SELECT create_table_query FROM system.tables WHERE database = '"+db.Database()+"' AND name = 'orders'", &made); !strings.Contains(made, "fsync_after_insert = 1") {
		t.Errorf("the new table is not durable: %s", made)
	}
	if err := database.CheckWindows(t.Context(), db); err != nil {
		t.Errorf("CheckWindows() error: %v", err)
	}
}

// Both passes over what came meanwhile bring what the views have not: here all of it, as if each insert had been under way
// when the second view was made, or had looked up the views' targets on either side of the swap.
func TestARebuildCatchesUpBeforeAndAfterTheSwap(t *testing.T) {
	e := enginetest.Start(t)
	for step, table := range map[string]string{"catch up": "orders_rebuild", "catch up after the swap": "orders"} {
		t.Run(step, func(t *testing.T) {
			db := databasetest.Open(t, e)
			databasetest.Migrate(t, db)
			if err := insertOrders(t.Context(), db, 1, 100); err != nil {
				t.Fatal(err)
			}
			o := quietRebuild()
			o.ForTest(0, 0, func(at string) {
				if at == step {
					databasetest.Exec(t, db, "TRUNCATE TABLE %."+table)
				}
			})
			if _, err := database.Rebuild(t.Context(), db, "orders", o); err != nil {
				t.Fatalf("Rebuild() error: %v", err)
			}
			if n := databasetest.Count(t, db, "SELECT count() FROM %.orders FINAL"); n != 100 {
				t.Errorf("orders has %d rows, want 100", n)
			}
		})
	}
}

func TestEveryModelCanBeRebuilt(t *testing.T) {
	e := enginetest.Start(t)
	db := databasetest.Open(t, e)
	databasetest.Migrate(t, db)
	if err := insertOrders(t.Context(), db, 1, 100); err != nil {
		t.Fatal(err)
	}
	models, err := ddl.Models()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range models {
		r, err := database.Rebuild(t.Context(), db, m.Name, quietRebuild())
		if err != nil || r.Before != r.After {
			t.Errorf("Rebuild(%s) = %+v, %v", m.Name, r, err)
		}
	}
}

var errKilled = errors.New("killed")

// A run is killed before each of its steps, without a chance to tidy up. The next run must bring the model to what events says.
func TestARebuildThatDiedIsDoneAnew(t *testing.T) {
	e := enginetest.Start(t)
	db := databasetest.Open(t, e)
	databasetest.Migrate(t, db)
	next := 1
	insert := func(n int) {
		t.Helper()
		if err := insertOrders(t.Context(), db, next, n); err != nil {
			t.Fatal(err)
		}
		next += n
	}
	insert(1000)
	var steps []string
	o := quietRebuild()
	o.ForTest(0, 0, func(step string) { steps = append(steps, step) })
	if _, err := database.Rebuild(t.Context(), db, "orders", o); err != nil {
		t.Fatal(err)
	}
	if len(steps) < 7 {
		t.Fatalf("steps are %v", steps)
	}
	for _, at := range steps[1:] {
		t.Run(at, func(t *testing.T) {
			o := quietRebuild()
			o.ForTest(3*time.Second, 0, func(step string) {
				if step == at {
					panic(errKilled)
				}
			})
			func() {
				defer func() {
					if got, ok := recover().(error); !ok || !errors.Is(got, errKilled) {
						t.Fatalf("recovered %v, want the kill", got)
					}
				}()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel() // nothing of a dead process renews its lock
				_, err := database.Rebuild(ctx, db, "orders", o)
				t.Fatalf("Rebuild() survived: %v", err)
			}()
			insert(10)
			if left, err := database.Interrupted(t.Context(), db); err != nil || (at != "create") != (len(left) == 1) {
				t.Errorf("Interrupted() = %v, %v", left, err)
			}
			o = quietRebuild()
			for {
				o.ForTest(3*time.Second, 0, nil)
				_, err := database.Rebuild(t.Context(), db, "orders", o)
				if errors.Is(err, database.ErrRebuildRunning) { // for as long as the dead one's lock is believed
					time.Sleep(10 * time.Millisecond)
					continue
				}
				if err != nil {
					t.Fatalf("Rebuild() error: %v", err)
				}
				break
			}
			if n := databasetest.Count(t, db, "SELECT count() FROM %.orders FINAL"); n != next-1 {
				t.Errorf("orders has %d rows, want %d", n, next-1)
			}
			sameAsEvents(t, db, "orders")
		})
	}
}

func TestTwoRebuildsOfOneModel(t *testing.T) {
	e := enginetest.Start(t)
	db := databasetest.Open(t, e)
	databasetest.Migrate(t, db)
	if err := insertOrders(t.Context(), db, 1, 1000); err != nil {
		t.Fatal(err)
	}
	t.Run("the second is refused", func(t *testing.T) {
		o := quietRebuild()
		o.ForTest(0, 0, func(step string) {
			if step != "compare" {
				return
			}
			if _, err := database.Rebuild(t.Context(), db, "orders", quietRebuild()); !errors.Is(err, database.ErrRebuildRunning) || !strings.Contains(err.Error(), "the test") {
				t.Errorf("second Rebuild() error = %v, want ErrRebuildRunning with the name of the first", err)
			}
			if _, err := database.Rebuild(t.Context(), db, "customers", quietRebuild()); err != nil {
				t.Errorf("Rebuild() of another model: %v", err)
			}
		})
		if _, err := database.Rebuild(t.Context(), db, "orders", o); err != nil {
			t.Errorf("first Rebuild() error: %v", err)
		}
		sameAsEvents(t, db, "orders")
	})
	t.Run("the first is taken for dead and swaps nothing", func(t *testing.T) {
		o := quietRebuild()
		o.ForTest(0, 0, func(step string) {
			if step == "swap" { // as a process that was stopped for a minute: another has the lock when it goes on
				databasetest.Exec(t, db, "CREATE OR REPLACE VIEW %.orders_rebuild_lock AS SELECT 'x' AS token, 'another' AS by")
			}
		})
		_, err := database.Rebuild(t.Context(), db, "orders", o)
		if !errors.Is(err, database.ErrRebuildRunning) {
			t.Errorf("Rebuild() error = %v, want ErrRebuildRunning", err)
		}
		if n := databasetest.Count(t, db, "SELECT count() FROM system.tables WHERE database = '"+db.Database()+"' AND position(name, 'orders_rebuild') > 0"); n != 3 {
			t.Errorf("%d tables are beside: those of the other must stay", n)
		}
		databasetest.Exec(t, db, "DROP VIEW %.orders_rebuild_lock")
	})
	t.Run("many at once", func(t *testing.T) {
		var done, refused atomic.Int64
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				_, err := database.Rebuild(t.Context(), db, "orders", quietRebuild())
				switch {
				case err == nil:
					done.Add(1)
				case errors.Is(err, database.ErrRebuildRunning):
					refused.Add(1)
				default:
					t.Errorf("Rebuild() error: %v", err)
				}
			})
		}
		wg.Wait()
		if done.Load() == 0 {
			t.Errorf("%d done, %d refused", done.Load(), refused.Load())
		}
		sameAsEvents(t, db, "orders")
	})
}

func TestARebuildThatWouldLoseRowsIsRefused(t *testing.T) {
	e := enginetest.Start(t)
	db := databasetest.Open(t, e)
	databasetest.Migrate(t, db)
	if err := insertOrders(t.Context(), db, 1, 1000); err != nil {
		t.Fatal(err)
	}
	databasetest.Exec(t, db, "ALTER TABLE %.events DROP PARTITION 202601")
	if _, err := database.Rebuild(t.Context(), db, "orders", quietRebuild()); !errors.Is(err, database.ErrFewerRows) {
		t.Fatalf("Rebuild() error = %v, want ErrFewerRows", err)
	}
	if n := databasetest.Count(t, db, "SELECT count() FROM %.orders FINAL"); n != 1000 {
		t.Errorf("orders has %d rows after the refusal", n)
	}
	if left, err := database.Interrupted(t.Context(), db); err != nil || len(left) != 0 {
		t.Errorf("Interrupted() = %v, %v; want it tidied up", left, err)
	}
	o := quietRebuild()
	o.FewerRows = true
	r, err := database.Rebuild(t.Context(), db, "orders", o)
	if err != nil || r.Before != 1000 || r.After >= 1000 {
		t.Errorf("Rebuild() = %+v, %v", r, err)
	}
	if _, err := database.Rebuild(t.Context(), db, "nonsense", quietRebuild()); !errors.Is(err, database.ErrNoModel) || !strings.Contains(err.Error(), "orders") {
		t.Errorf("Rebuild(nonsense) error = %v, want ErrNoModel with the names", err)
	}
}

func TestARebuildThatIsCancelledTidiesUp(t *testing.T) {
	e := enginetest.Start(t)
	db := databasetest.Open(t, e)
	databasetest.Migrate(t, db)
	ctx, cancel := context.WithCancel(t.Context())
	o := quietRebuild()
	o.ForTest(0, 0, func(step string) {
		if step == "fill" {
			cancel()
		}
	})
	if _, err := database.Rebuild(ctx, db, "orders", o); !errors.Is(err, context.Canceled) {
		t.Errorf("Rebuild() error = %v, want that it was cancelled", err)
	}
	sameAsEvents(t, db, "orders")
}
