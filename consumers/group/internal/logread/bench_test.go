package logread

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/partitioning/kafkatest"
)

// BenchmarkRead reads a log of 1 000 000 records of 300 bytes from a real broker on the same machine: all of it, 10 000 records that
// are spread over it, and 10 000 that stand side by side. One operation is one record.
func BenchmarkRead(b *testing.B) {
	const records = 1_000_000
	c := kafkatest.Start(b)
	w := newWorld(b, kgo.SeedBrokers(c.Brokers()...))
	w.create(topic, nil)
	value := make([]byte, 300)
	for i := range value {
		value[i] = byte(rand.Uint32N(64))
	}
	for _, linger := range []time.Duration{0, 5 * time.Millisecond} {
		producer := w.client(kgo.ProducerLinger(linger), kgo.MaxBufferedRecords(10_000), kgo.ProducerBatchMaxBytes(1<<20))
		for i := range records / 2 {
			producer.Produce(b.Context(), &kgo.Record{Topic: topic, Key: fmt.Append(nil, i), Value: value}, nil)
		}
		if err := producer.Flush(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("scan", func(b *testing.B) {
		n := 0
		begin := time.Now()
		for b.Loop() {
			got, err := w.r.Scan(b.Context(), topic, 0, 0, records, func(*kgo.Record) error { n++; return nil })
			if err != nil || got != records {
				b.Fatal(got, err)
			}
		}
		b.ReportMetric(float64(n)/time.Since(begin).Seconds(), "records/s")
	})
	spread := func(i int) int64 { return int64(i*100) + rand.Int64N(100) }
	for name, offset := range map[string]func(int) int64{"spread": spread, "together": func(i int) int64 { return int64(400_000 + i) }} {
		b.Run(name, func(b *testing.B) {
			offsets := make([]int64, 10_000)
			for i := range offsets {
				offsets[i] = offset(i)
			}
			slices.Sort(offsets)
			n := 0
			begin := time.Now()
			for b.Loop() {
				if err := w.r.At(b.Context(), topic, 0, offsets, func(*kgo.Record) { n++ }); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(time.Since(begin).Nanoseconds())/float64(n), "ns/record")
		})
	}
}
