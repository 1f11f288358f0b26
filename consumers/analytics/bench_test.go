package analytics

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/analytics/database"
	"millrace/consumers/analytics/database/databasetest"
	"millrace/deploy/embedded/enginetest"
)

func benchDB(b *testing.B) *database.DB {
	b.Helper()
	c := database.DefaultConfig()
	c.URL = enginetest.Start(b).URL
	db, err := c.Open()
	if err != nil {
		b.Fatalf("Open() error: %v", err)
	}
	b.Cleanup(func() { _ = db.Close() })
	if _, err := database.Migrate(b.Context(), db, databasetest.Quiet()); err != nil {
		b.Fatalf("Migrate() error: %v", err)
	}
	return db
}

func benchRecord(partition int32, n, size int) *kgo.Record {
	r := event(partition, fmt.Sprint("webhook-", n), "orders/updated", fmt.Sprint("order/", n%10_000), "")
	head := fmt.Sprintf(`{"id":%d,"currency":"USD","updated_at":"2026-01-01T19:00:00-05:00","total_price":"404.95","customer":{"id":%d},"line_items":[`, n%10_000, n)
	item := fmt.Sprintf(`{"id":%d,"sku":"SKU-%d","price":"19.90","quantity":1,"title":"Article number %d"}`, n*7, n%1000, n%1000)
	r.Value = []byte(head + strings.Repeat(item+",", max((size-len(head))/len(item), 0)) + item + "]}")
	return r
}

// BenchmarkSink reads a full topic through an in-process Kafka into the real engine; all three share the machine. One
// operation is one record.
func BenchmarkSink(b *testing.B) {
	for _, size := range []int{1 << 10, 6 << 10} {
		b.Run(fmt.Sprintf("%dKB", size>>10), func(b *testing.B) { benchSink(b, size) })
	}
}

func benchSink(b *testing.B, size int) {
	b.Helper()
	const partitions = 6
	db := benchDB(b)
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, Topics()...), kfake.GroupMinSessionTimeout(time.Second))
	if err != nil {
		b.Fatalf("NewCluster() error: %v", err)
	}
	defer cluster.Close()
	connection := []kgo.Opt{kgo.SeedBrokers(cluster.ListenAddrs()...)}
	producer, err := kgo.NewClient(append(connection, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MaxBufferedRecords(1<<20))...)
	if err != nil {
		b.Fatalf("NewClient() error: %v", err)
	}
	defer producer.Close()
	bytes := 0
	for n := range b.N {
		r := benchRecord(int32(n%partitions), n, size)
		bytes += len(r.Value)
		producer.Produce(b.Context(), r, nil)
	}
	if err := producer.Flush(b.Context()); err != nil {
		b.Fatalf("Flush() error: %v", err)
	}
	s, err := New(DefaultConfig(), Deps{Kafka: connection, ClickHouse: db, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
	if err != nil {
		b.Fatalf("New() error: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	b.ResetTimer()
	begin := time.Now()
	go func() { ended <- s.Run(ctx) }()
	for inserted(s) < b.N {
		time.Sleep(5 * time.Millisecond)
	}
	took := time.Since(begin)
	b.StopTimer()
	cancel()
	if err := <-ended; err != nil {
		b.Errorf("Run() error: %v", err)
	}
	b.ReportMetric(float64(b.N)/took.Seconds(), "rows/s")
	b.ReportMetric(float64(bytes)/took.Seconds()/1e6, "MB/s")
}

// inserted returns the number of rows that the sink's partitions have committed.
func inserted(s *Sink) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := int64(0)
	for _, p := range s.partitions {
		n += max(p.committed, 0)
	}
	return int(n)
}

// BenchmarkInsert is the ceiling of BenchmarkSink: the same blocks, built before, straight into the engine.
func BenchmarkInsert(b *testing.B) {
	for _, size := range []int{1 << 10, 6 << 10} {
		b.Run(fmt.Sprintf("%dKB", size>>10), func(b *testing.B) {
			st := clickHouseStore{benchDB(b)}
			rows := (8 << 20) / size
			block := newBlock(rows)
			for n := range rows {
				if err := block.add(benchRecord(0, n, size)); err != nil {
					b.Fatal(err)
				}
			}
			n := 0
			begin := time.Now()
			for b.Loop() {
				if err := st.insert(b.Context(), block, fmt.Sprint("bench-", n)); err != nil {
					b.Fatal(err)
				}
				n++
			}
			b.ReportMetric(float64(n*rows)/time.Since(begin).Seconds(), "rows/s")
		})
	}
}
