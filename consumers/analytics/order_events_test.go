package analytics

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/analytics/database/databasetest"
	"millrace/deploy/embedded/enginetest"
	"millrace/schemas"
)

// fact is the record of an event of order n.
func fact(t *testing.T, partition int32, n int) *kgo.Record {
	t.Helper()
	cause := schemas.Event{ID: fmt.Sprint("w-", n), Shop: "acme.myshopify.com", Subject: fmt.Sprint("order/", n)}
	e, err := schemas.NewOrderEvent(&cause, "inventory", time.Date(2026, 3, 30, 14, 30, 2, 123456789, time.UTC), &schemas.ServiceSettled{Service: "erp"})
	if err != nil {
		t.Fatal(err)
	}
	e.Reason, e.Known = "it is done", e.At.Add(time.Second)
	value, err := schemas.EncodeOrderEvent(&e)
	if err != nil {
		t.Fatal(err)
	}
	meta := e.Event()
	return &kgo.Record{Topic: schemas.OrderEventsTopic, Partition: partition, Key: []byte(meta.PartitionKey), Value: value, Headers: schemas.AppendHeaders[kgo.RecordHeader](nil, &meta)}
}

func TestAnOrdersEventThatIsNoneIsRejectedAndLeavesTheBlockAsItWas(t *testing.T) {
	b := newOrderEventBlock(1)
	change := func(old, new string) *kgo.Record {
		r := fact(t, 0, 1)
		r.Value = []byte(strings.Replace(string(r.Value), old, new, 1))
		return r
	}
	foreign := fact(t, 0, 1)
	foreign.Headers = nil
	for name, tc := range map[string]struct {
		record *kgo.Record
		want   reject
	}{
		"no headers":      {foreign, rejectNotAnEvent},
		"no JSON":         {change("{", ""), rejectNotAnEvent},
		"another order":   {change(`"order_id":"1"`, `"order_id":"2"`), rejectNotAnEvent},
		"a long name":     {change(`"by":"inventory"`, `"by":"`+strings.Repeat("x", 257)+`"`), rejectHeaders},
		"an early time":   {change("2026-03-30", "1999-03-30"), rejectReceived},
		"a time too late": {change("2026-03-30", "2100-03-30"), rejectReceived},
	} {
		var bad *rowError
		if err := b.add(tc.record); !errors.As(err, &bad) || bad.reason != tc.want {
			t.Errorf("%s: add() error = %v, want %s", name, err, tc.want)
		}
	}
	for _, r := range []*kgo.Record{fact(t, 0, 1), change(`"v":1`, `"v":9`)} { // what a newer program wrote is copied too
		if err := b.add(r); err != nil {
			t.Errorf("add() error: %v", err)
		}
	}
	for _, c := range b.columns() {
		if n := lengthOf(t, c.values); n != 2 {
			t.Errorf("column %s has %d values, want 2", c.name, n)
		}
	}
}

func TestTheEventStoreIsCopiedOnce(t *testing.T) {
	e := enginetest.Start(t)
	db := databasetest.Open(t, e)
	databasetest.Migrate(t, db)
	const n, partitions = 300, 3
	outside(t, partitions, func(w *world) {
		cfg := testConfig()
		cfg.BatchRows = 50
		stop := runSink(t, w, cfg, Deps{ClickHouse: db})
		for i := range n {
			w.client.Produce(t.Context(), fact(t, int32(i%partitions), i), nil)
			if i == n/2 {
				e.Restart()
			}
		}
		eventually(t, "all events are there", func() bool {
			return databasetest.Count(t, db, "SELECT uniqExact(_partition, _offset) FROM %.order_events") == n
		})
		stop()
		if got := databasetest.Count(t, db, "SELECT count() FROM %.order_events"); got != n {
			t.Errorf("%d rows, want %d", got, n)
		}
	})
	const all = `SELECT concatWithSeparator('|', id, shop, order_id, type, toString(version), toString(at), toString(received_time), told_by, cause, reason, value,
		_topic, toString(_partition), toString(_offset)) FROM %.order_events WHERE shop = 'acme.myshopify.com' AND order_id = '7'`
	want := "w-7/inventory/ServiceSettled/erp|acme.myshopify.com|7|ServiceSettled|1|2026-03-30 14:30:02.123456789|2026-03-30 14:30:03.123456789|inventory|w-7|it is done|" +
		string(fact(t, 1, 7).Value) + "|millrace.order_events|1|2"
	var got string
	if databasetest.Scan(t, db, all, &got); got != want {
		t.Errorf("row =\n%s\nwant\n%s", got, want)
	}
}

// What a sink leaves behind that dies between an insert and its commit, on the engine: with the rows there, and with a part of them lost
// whose token is known.
func TestAPendingBatchOfTheEventStoreComesInOnce(t *testing.T) {
	e := enginetest.Start(t)
	db := databasetest.Open(t, e)
	databasetest.Migrate(t, db)
	const n, group = 20, "millrace-analytics"
	outside(t, 1, func(w *world) {
		admin := kadm.NewClient(w.client)
		run := func() *running {
			s := w.startWith(testConfig(), clickHouseStore{db: db}, func(*Deps) {})
			eventually(t, "the end", func() bool {
				all, err := admin.FetchOffsets(t.Context(), group)
				c, _ := all.Lookup(schemas.OrderEventsTopic, 0)
				return err == nil && c.At == n && c.Metadata == ""
			})
			mustStop(t, s)
			return s
		}
		for i := range n {
			w.produce(fact(t, 0, i))
		}
		run()
		var pending kadm.Offsets
		pending.Add(kadm.Offset{Topic: schemas.OrderEventsTopic, LeaderEpoch: -1, Metadata: mark{0, n, n}.String()})
		for _, lost := range []int{0, 7} {
			eventually(t, "a commit from outside", func() bool {
				answer, err := admin.CommitOffsets(t.Context(), group, pending)
				return err == nil && answer.Error() == nil
			})
			if lost > 0 {
				databasetest.Exec(t, db, "ALTER TABLE %.order_events DELETE WHERE modulo(_offset, 3) = 0 SETTINGS mutations_sync = 2")
			}
			s := run()
			wantMetric(t, "replayed", s.metrics.replayed, 1)
			wantMetric(t, "repaired", s.metrics.repaired, float64(lost))
			if rows, offsets := databasetest.Count(t, db, "SELECT count() FROM %.order_events"), databasetest.Count(t, db, "SELECT uniqExact(_offset) FROM %.order_events"); rows != n || offsets != n {
				t.Errorf("with %d lost: %d rows of %d offsets, want %d", lost, rows, offsets, n)
			}
		}
	})
}
