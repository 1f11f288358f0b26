package sim

import "testing"

// BenchmarkEvents is the cost of making one event: the ceiling of Rate 0 on one core.
func BenchmarkEvents(b *testing.B) {
	cfg := testConfig()
	g := newGenerator(cfg, fixedNow)
	bytes := 0
	b.ReportAllocs()
	for b.Loop() {
		p, _, err := g.next()
		if err != nil {
			b.Fatal(err)
		}
		bytes += len(p.event.Body)
	}
	b.ReportMetric(float64(bytes)/float64(b.N), "B/event")
}
