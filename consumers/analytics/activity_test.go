package analytics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/analytics/database/databasetest"
	"millrace/deploy/embedded/enginetest"
	"millrace/schemas"
)

// done is the record of a service that has handled order n.
func done(partition int32, n int) *kgo.Record {
	at := time.Date(2026, 3, 30, 14, 30, 2, 123456789, time.UTC)
	a := schemas.Activity{
		Service: "inventory", Instance: "inventory-0", SourceTopic: ordersTopic, SourcePartition: partition, SourceOffset: int64(n),
		WebhookID: fmt.Sprint("w-", n), Shop: "acme.myshopify.com", ShopifyTopic: "orders/create", Subject: fmt.Sprint("order/", n), Received: at.Add(-time.Second),
		Outcome: schemas.OutcomeDone, Attempt: 1, Note: "reserved 2 × SKU-1", Started: at, Ended: at.Add(1500 * time.Microsecond),
	}
	return &kgo.Record{Topic: schemas.ActivityTopic, Partition: partition, Key: []byte(a.Shop + "|" + a.Subject), Value: schemas.AppendActivity(nil, &a)}
}

func TestARecordOfActivityThatIsNoneIsRejectedAndLeavesTheBlockAsItWas(t *testing.T) {
	b := newActivityBlock(1)
	for name, tc := range map[string]struct {
		value string
		want  reject
	}{
		"no JSON":         {"reserved", rejectNotAnEvent},
		"nothing":         {"", rejectNotAnEvent},
		"a long shop":     {`{"service":"s","outcome":"done","started":"2026-01-01T00:00:00Z","shop":"` + strings.Repeat("x", 257) + `"}`, rejectHeaders},
		"an early time":   {`{"service":"s","outcome":"done","started":"1999-01-01T00:00:00Z"}`, rejectReceived},
		"a time too late": {`{"service":"s","outcome":"done","started":"2100-01-01T00:00:00Z"}`, rejectReceived},
	} {
		var bad *rowError
		if err := b.add(&kgo.Record{Value: []byte(tc.value)}); !errors.As(err, &bad) || bad.reason != tc.want {
			t.Errorf("%s: add() error = %v, want %s", name, err, tc.want)
		}
	}
	if err := b.add(done(0, 1)); err != nil {
		t.Errorf("add() error: %v", err)
	}
	for _, c := range b.columns() {
		if n := lengthOf(t, c.values); n != 1 {
			t.Errorf("column %s has %d values, want 1", c.name, n)
		}
	}
}

func lengthOf(t *testing.T, values any) int {
	t.Helper()
	switch v := values.(type) {
	case []string:
		return len(v)
	case []uint32:
		return len(v)
	case []uint64:
		return len(v)
	case []time.Time:
		return len(v)
	default:
		t.Fatalf("a column of %T", values)
		return 0
	}
}

func TestActivityOnTheEngine(t *testing.T) {
	e := enginetest.Start(t)

	t.Run("has every field, and a repeated token drops", func(t *testing.T) {
		db := databasetest.Open(t, e)
		databasetest.Migrate(t, db)
		b := newActivityBlock(2)
		full := done(3, 7)
		full.Offset = 5
		bare := &kgo.Record{Topic: schemas.ActivityTopic, Value: []byte(`{"service":"s","outcome":"retry","class":"error","attempt":2,"error":"x","started":"2026-01-01T00:00:00Z"}`), Offset: 6}
		for _, r := range []*kgo.Record{full, bare} {
			if err := b.add(r); err != nil {
				t.Fatalf("add() error: %v", err)
			}
		}
		for range 2 {
			if err := (clickHouseStore{db}).insert(t.Context(), b, "millrace.activity/3/5-7"); err != nil {
				t.Fatalf("insert() error: %v", err)
			}
		}
		if got := databasetest.Count(t, db, "SELECT count() FROM %.activity"); got != 2 {
			t.Fatalf("%d rows after the same insert twice, want 2", got)
		}
		const all = `SELECT concatWithSeparator('|', service, instance, source_topic, toString(source_partition), toString(source_offset), webhook_id, shop, shopify_topic, subject, entity_kind, entity_id,
			toString(received_time), outcome, class, toString(attempt), error, note, toString(started), toString(ended), toString(due), _topic, toString(_partition), toString(_offset)) FROM %.activity WHERE _offset = `
		for offset, want := range map[string]string{
			"5": "inventory|inventory-0|shopify.orders|3|7|w-7|acme.myshopify.com|orders/create|order/7|order|7|2026-03-30 14:30:01.123456789|done||1||reserved 2 × SKU-1|" +
				"2026-03-30 14:30:02.123456789|2026-03-30 14:30:02.124956789|1970-01-01 00:00:00.000000000|millrace.activity|3|5",
			"6": "s|||0|0|||||||1970-01-01 00:00:00.000000000|retry|error|2|x||2026-01-01 00:00:00.000000000|1970-01-01 00:00:00.000000000|1970-01-01 00:00:00.000000000|millrace.activity|0|6",
		} {
			var got string
			if databasetest.Scan(t, db, all+offset, &got); got != want {
				t.Errorf("row =\n%s\nwant\n%s", got, want)
			}
		}
	})

	t.Run("comes through the sink once, beside events", func(t *testing.T) {
		db := databasetest.Open(t, e)
		databasetest.Migrate(t, db)
		const n, partitions = 400, 3
		outside(t, partitions, func(w *world) {
			cfg := testConfig()
			cfg.BatchRows = 50
			stop := runSink(t, w, cfg, Deps{ClickHouse: db})
			for i := range n {
				w.client.Produce(t.Context(), done(int32(i%partitions), i), nil)
				w.client.Produce(t.Context(), order(int32(i%partitions), i), nil)
				if i == n/2 {
					w.produce(&kgo.Record{Topic: schemas.ActivityTopic, Partition: 1, Value: []byte("somebody else's")})
					e.Restart()
				}
			}
			for _, table := range []string{"activity", "events"} {
				eventually(t, "all records are in "+table, func() bool {
					return databasetest.Count(t, db, "SELECT uniqExact(_partition, _offset) FROM %."+table) == n
				})
			}
			stop()
			for _, table := range []string{"activity", "events"} {
				if got := databasetest.Count(t, db, "SELECT count() FROM %."+table); got != n {
					t.Errorf("%d rows in %s, want %d", got, table, n)
				}
			}
			ends, err := kadm.NewClient(w.client).ListEndOffsets(t.Context(), schemas.DeadLetterTopic(schemas.ActivityTopic, cfg.Group))
			if o, ok := ends.Lookup(schemas.DeadLetterTopic(schemas.ActivityTopic, cfg.Group), 1); err != nil || !ok || o.Offset != 1 {
				t.Errorf("dead letters end at %+v, error %v, want one in partition 1", ends, err)
			}
		})
	})

	t.Run("is not missed where its topic is missing", func(t *testing.T) {
		db := databasetest.Open(t, e)
		databasetest.Migrate(t, db)
		cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, ordersTopic), kfake.GroupMinSessionTimeout(time.Second))
		if err != nil {
			t.Fatalf("NewCluster() error: %v", err)
		}
		defer cluster.Close()
		w := &world{t: t, cluster: cluster}
		if w.client, err = kgo.NewClient(append(w.connection(), kgo.RecordPartitioner(kgo.ManualPartitioner()))...); err != nil {
			t.Fatalf("NewClient() error: %v", err)
		}
		defer w.client.Close()
		stop := runSink(t, w, testConfig(), Deps{ClickHouse: db})
		w.produce(orders(0, 0, 10)...)
		eventually(t, "all events are there", func() bool { return databasetest.Count(t, db, "SELECT count() FROM %.events") == 10 })
		stop()
	})
}

// runSink runs a sink on the engine until the returned function is called.
func runSink(t *testing.T, w *world, cfg Config, d Deps) (stop func()) {
	t.Helper()
	d.Kafka, d.Logger, d.Registerer = w.connection(), slog.New(slog.DiscardHandler), prometheus.NewPedanticRegistry()
	s, err := New(cfg, d)
	if err != nil {
		t.Fatalf("New() error: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run() error: %v", err)
		}
	}
}
