package analytics

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/analytics/database"
	"millrace/consumers/analytics/database/databasetest"
	"millrace/deploy/embedded/enginetest"
	"millrace/schemas"
)

// version returns an order's body and record: revision r at second r of its life.
func version(partition int32, id string, order, revision int, topic string) *kgo.Record {
	at := time.Date(2026, 1, 1, 12, 0, revision, 0, time.FixedZone("", -5*3600))
	body := fmt.Sprintf(`{"id":%d,"name":"#%d","currency":"USD","total_price":"%d.25","created_at":"2026-01-01T12:00:00-05:00","updated_at":%q,"customer":{"id":9007199254740993}}`, order, order, revision, at.Format(time.RFC3339))
	if topic == "orders/delete" {
		body = fmt.Sprintf(`{"id":%d}`, order)
	}
	return event(partition, id, topic, fmt.Sprint("order/", order), body)
}

func store1(t *testing.T, db *database.DB, token string, records ...*kgo.Record) {
	t.Helper()
	b := newBlock(len(records))
	for i, r := range records {
		r.Offset = int64(i)
		if err := b.add(r); err != nil {
			t.Fatalf("add() error: %v", err)
		}
	}
	if err := (clickHouseStore{db}).insert(t.Context(), b, token); err != nil {
		t.Fatalf("insert() error: %v", err)
	}
}

func TestTheStoreOnTheEngine(t *testing.T) {
	e := enginetest.Start(t)

	t.Run("keeps every sample body byte for byte", func(t *testing.T) {
		paths, topics := sampleBodies(t)
		db := databasetest.Open(t, e)
		databasetest.Migrate(t, db)
		var records []*kgo.Record
		for i, path := range paths {
			body, err := os.ReadFile(path)
			if err != nil {
				t.Fatalf("read sample: %v", err)
			}
			records = append(records, event(0, path, topics[i], "shop", string(body)))
		}
		store1(t, db, "samples", records...)
		rows, err := db.Conn().Query(t.Context(), "SELECT id, body FROM "+db.Quoted()+".events")
		if err != nil {
			t.Fatalf("Query() error: %v", err)
		}
		defer rows.Close()
		got := map[string]string{}
		for rows.Next() {
			var id, body string
			if err := rows.Scan(&id, &body); err != nil {
				t.Fatalf("Scan() error: %v", err)
			}
			got[id] = body
		}
		if err := rows.Err(); err != nil {
			t.Fatalf("rows: %v", err)
		}
		for i, path := range paths {
			if got[path] != string(records[i].Value) {
				t.Errorf("%s came back changed", path)
			}
		}
	})

	t.Run("keeps every column exactly", func(t *testing.T) {
		db := databasetest.Open(t, e)
		databasetest.Migrate(t, db)
		body := `{"name":"#1","test":true,"currency":"USD","total_price":"99999999999999.9999","current_total_price":-0.5,"subtotal_price":23600,"total_tax":"0.0001","total_discounts":"7",` +
			`"financial_status":"paid","fulfillment_status":"partial","customer":{"id":18446744073709551615},"created_at":"2021-12-31T19:00:00-05:00","updated_at":"2024-09-17T08:15:13.280Z","cancelled_at":"9999-01-01T00:00:00Z","x":"a` + "\x00\n\xff" + `"}`
		ev := schemas.Event{
			ID: "w", Shop: "a.myshopify.com", Topic: "orders/updated", Subject: "order/9007199254740993", PartitionKey: "k", ContentType: "application/json", ShopifyEventID: "e", ShopifyAPIVersion: "2026-10", TraceParent: "t",
			Time: time.Date(2026, 3, 30, 14, 30, 0, 123456789, time.UTC), Received: time.Date(2026, 3, 30, 14, 30, 1, 987654321, time.UTC),
		}
		r := &kgo.Record{Topic: ordersTopic, Partition: 3, Value: []byte(body), Headers: schemas.AppendHeaders([]kgo.RecordHeader(nil), &ev)}
		store1(t, db, "one", r)
		var got string
		databasetest.Scan(t, db, `SELECT concatWithSeparator('|', id, type, shop, shopify_topic, subject, entity_kind, entity_id, toString(time), toString(received_time), content_type, event_id, api_version, partition_key, trace_parent,
			toString(order_id), toString(customer_id), name, currency, toString(total_price), toString(current_total_price), toString(subtotal_price), toString(total_tax), toString(total_discounts), financial_status, fulfillment_status,
			toString(test), toString(created_at), toString(updated_at), toString(cancelled_at), _topic, toString(_partition), toString(_offset)) FROM %.events`, &got)
		want := "w|com.shopify.orders.updated|a.myshopify.com|orders/updated|order/9007199254740993|order|9007199254740993|2026-03-30 14:30:00.123456789|2026-03-30 14:30:01.987654321|application/json|e|2026-10|k|t|" +
			"9007199254740993|18446744073709551615|#1|USD|99999999999999.9999|-0.5|23600|0.0001|7|paid|partial|true|2022-01-01 00:00:00.000|2024-09-17 08:15:13.280|2262-04-11 23:47:16.000|shopify.orders|3|0"
		if got != want {
			t.Errorf("row =\n%s\nwant\n%s", got, want)
		}
		var stored string
		if databasetest.Scan(t, db, "SELECT body FROM %.events", &stored); stored != body {
			t.Errorf("body = %q, want %q", stored, body)
		}
	})

	t.Run("drops a repeated token in events and in orders", func(t *testing.T) {
		db := databasetest.Open(t, e)
		databasetest.Migrate(t, db)
		records := []*kgo.Record{version(0, "a", 1, 1, "orders/create"), version(0, "b", 2, 1, "orders/create")}
		store1(t, db, "t/0/0-2", records...)
		store1(t, db, "t/0/0-2", records...)
		for _, table := range []string{"events", "orders"} {
			if got := databasetest.Count(t, db, "SELECT count() FROM %."+table); got != 2 {
				t.Errorf("%d rows in %s after the same insert twice, want 2", got, table)
			}
		}
		store1(t, db, "t/0/2-4", records...)
		if got := databasetest.Count(t, db, "SELECT count() FROM %.events"); got != 4 {
			t.Errorf("%d rows after another token, want 4", got)
		}
	})

	t.Run("shows of each order its newest version whatever the order of arrival", func(t *testing.T) {
		db := databasetest.Open(t, e)
		databasetest.Migrate(t, db)
		before, after := version(0, "f", 3, 5, "orders/updated"), version(0, "tie", 3, 5, "orders/paid") // the same updated_at
		store1(t, db, "1",
			version(0, "a", 1, 3, "orders/updated"), version(0, "b", 1, 1, "orders/create"), version(0, "c", 1, 2, "orders/paid"), version(0, "a", 1, 3, "orders/updated"),
			version(0, "d", 2, 1, "orders/create"), version(0, "e", 2, 0, "orders/delete"),
			after, before,
			event(0, "g", "orders/updated", "order/4", `{"id":4}`),        // the id-only form
			event(0, "h", "orders/edited", "order/1", `{"order_edit":1}`), // not an order's body
			event(0, "i", "refunds/create", "order/1", `{"order_id":1}`),
		)
		store1(t, db, "2", version(0, "j", 2, 59, "orders/updated")) // comes after the deletion, looks newer
		var got string
		databasetest.Scan(t, db, "SELECT arrayStringConcat(arraySort(groupArray(concat(toString(order_id), ' ', toString(total_price), ' ', shopify_topic, ' ', toString(customer_id)))), '; ') FROM %.orders_current", &got)
		if want := "1 3.25 orders/updated 9007199254740993; 3 5.25 orders/paid 9007199254740993"; got != want {
			t.Errorf("orders_current = %s, want %s", got, want)
		}
		databasetest.Exec(t, db, "OPTIMIZE TABLE %.orders FINAL")
		if got := databasetest.Count(t, db, "SELECT count() FROM %.orders_current"); got != 2 {
			t.Errorf("%d orders after a merge, want 2: the deletion must outlive it", got)
		}
		var shop, currency string
		var orders uint64
		var revenue string
		databasetest.Scan(t, db, "SELECT shop, currency, count(), toString(sum(total_price)) FROM %.orders_current GROUP BY shop, currency", &shop, &currency, &orders, &revenue)
		if shop != "acme.myshopify.com" || currency != "USD" || orders != 2 || revenue != "8.5" {
			t.Errorf("orders and revenue = %s %s %d %s, want acme USD 2 8.5", shop, currency, orders, revenue)
		}
	})

	t.Run("takes a batch that spans more months than a server allows by default", func(t *testing.T) {
		db := databasetest.Open(t, e)
		databasetest.Migrate(t, db)
		var records []*kgo.Record
		for m := range 150 {
			at := time.Date(2010, time.Month(1+m), 1, 0, 0, 0, 0, time.UTC)
			ev := schemas.Event{ID: fmt.Sprint(m), Shop: "a", Topic: "shop/update", Time: at, Received: at}
			records = append(records, &kgo.Record{Topic: ordersTopic, Value: []byte("{}"), Headers: schemas.AppendHeaders([]kgo.RecordHeader(nil), &ev)})
		}
		store1(t, db, "months", records...)
		if got := databasetest.Count(t, db, "SELECT count() FROM %.events"); got != 150 {
			t.Errorf("%d rows, want 150", got)
		}
	})

	t.Run("finds Kafka's coordinates by the projection", func(t *testing.T) {
		db := databasetest.Open(t, e)
		databasetest.Migrate(t, db)
		databasetest.Exec(t, db, "INSERT INTO %.events (id, shop, received_time, _topic, _partition, _offset) "+
			"SELECT toString(number), toString(modulo(number, 100)), now64(9), 'shopify.orders', modulo(number, 6), number FROM numbers(100000)")
		rows, err := db.Conn().Query(t.Context(), "EXPLAIN SELECT count() FROM "+db.Quoted()+".events WHERE _topic = 'shopify.orders' AND _partition = 0 AND _offset >= 0 AND _offset < 10")
		if err != nil {
			t.Fatalf("EXPLAIN: %v", err)
		}
		defer rows.Close()
		plan := ""
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				t.Fatalf("Scan() error: %v", err)
			}
			plan += line + "\n"
		}
		if !strings.Contains(plan, "by_offset") {
			t.Errorf("the read-back does not use the projection:\n%s", plan)
		}
	})
}

// TestTwentyThousandEventsSurviveTheDeathOfTheEngine sends the lives of 2 000 orders with repeats and disorder through
// Kafka into the engine, kills the engine several times on the way, and compares with what was sent.
func TestTwentyThousandEventsSurviveTheDeathOfTheEngine(t *testing.T) {
	const orderCount, perOrder, partitions = 2000, 10, 6
	e := enginetest.Start(t)
	db := databasetest.Open(t, e)
	databasetest.Migrate(t, db)
	outside(t, partitions, func(w *world) {
		cfg := DefaultConfig()
		cfg.BatchRows, cfg.BatchLinger, cfg.RetryBackoffMax = 300, 50*time.Millisecond, time.Second
		registry := prometheus.NewPedanticRegistry()
		s, err := New(cfg, Deps{Kafka: w.connection(), ClickHouse: db, Logger: slog.New(slog.DiscardHandler), Registerer: registry})
		if err != nil {
			t.Fatalf("New() error: %v", err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		defer func() {
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("Run() error: %v", err)
			}
		}()

		random := rand.New(rand.NewPCG(1, 2))
		sent := 0
		want := map[string]bool{}
		for chunk := range 20 {
			var records []*kgo.Record
			for o := chunk * orderCount / 20; o < (chunk+1)*orderCount/20; o++ {
				for _, r := range random.Perm(perOrder) {
					topic := "orders/updated"
					if o%50 == 0 && r == perOrder-1 {
						topic = "orders/delete"
					}
					rec := version(int32(o%partitions), fmt.Sprintf("%d-%d", o, r), o+1, r, topic)
					want[fmt.Sprintf("%d-%d", o, r)] = true
					records = append(records, rec)
					if random.IntN(20) == 0 {
						again := *rec
						records = append(records, &again)
					}
				}
			}
			w.produce(records...)
			sent += len(records)
			if chunk%5 == 2 {
				e.Restart()
			}
		}
		deadline := time.Now().Add(2 * time.Minute)
		for p := range int32(partitions) {
			for {
				if at, end := w.committed(p), w.end(p); at == end {
					break
				} else if time.Now().After(deadline) {
					t.Fatalf("partition %d: committed %d of %d", p, at, end)
				}
				time.Sleep(50 * time.Millisecond)
			}
		}
		if got := databasetest.Count(t, db, "SELECT uniqExact(_partition, _offset) FROM %.events"); got != sent {
			t.Errorf("%d distinct records of %d sent: lost %d", got, sent, sent-got)
		}
		t.Logf("%d records sent, %d rows, %d retries of inserts", sent, databasetest.Count(t, db, "SELECT count() FROM %.events"), int(value(t, s.metrics.insertFailures.WithLabelValues(string(failUnavailable)))))
		if got := databasetest.Count(t, db, "SELECT uniqExact(id) FROM %.events"); got != len(want) {
			t.Errorf("%d distinct webhooks, want %d", got, len(want))
		}
		if got := databasetest.Count(t, db, "SELECT count() FROM %.orders_current"); got != orderCount-orderCount/50 {
			t.Errorf("%d current orders, want %d", got, orderCount-orderCount/50)
		}
		if got := databasetest.Count(t, db, "SELECT count() FROM %.orders_current WHERE total_price != 9.25"); got != 0 {
			t.Errorf("%d orders do not show their newest version", got)
		}
	})
}
