package txn

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/partitioning/kafkatest"
)

// BenchmarkDo makes transactions of 10 000 records of 1 KB with a real broker on the same machine. One operation is one transaction.
func BenchmarkDo(b *testing.B) {
	c := kafkatest.Start(b)
	c.CreateTopic(b, source, 1, nil)
	c.CreateTopic(b, out, 12, nil)
	w := newWorld(b, kgo.SeedBrokers(c.Brokers()...), time.Minute)
	for _, n := range []int{100, 1_000, 10_000} {
		b.Run(map[int]string{100: "100", 1_000: "1000", 10_000: "10000"}[n], func(b *testing.B) {
			rs := records("bench", n)
			value := append(noise(300), make([]byte, 700)...)
			for i, r := range rs {
				r.Partition, r.Value = int32(i%12), value
			}
			if err := w.p.Do(b.Context(), rs, w.offsets(1)); err != nil {
				b.Fatal(err)
			}
			begin := time.Now()
			done := 0
			for b.Loop() {
				if err := w.p.Do(b.Context(), rs, w.offsets(1)); err != nil {
					b.Fatal(err)
				}
				done++
			}
			b.ReportMetric(float64(done*n)/time.Since(begin).Seconds(), "records/s")
			b.ReportMetric(time.Since(begin).Seconds()*1000/float64(done), "ms/txn")
		})
	}
}
