package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// statusEvery is the pause between two status lines.
const statusEvery = 5 * time.Second

// statusLines writes to out, every few seconds, what came in and what is in ClickHouse, as the metrics have it, until ctx
// ends.
func statusLines(ctx context.Context, out io.Writer, metrics prometheus.Gatherer) error {
	tick := time.NewTicker(statusEvery)
	defer tick.Stop()
	before, beforeAt := 0.0, time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			received := total(metrics, "millrace_ingest_events_total")
			stored := total(metrics, "millrace_analytics_rows_inserted_total")
			fmt.Fprintf(out, "%s  received %.0f (%.0f/s), in ClickHouse %.0f, on the way %.0f\n",
				now.Format(time.TimeOnly), received, (received-before)/now.Sub(beforeAt).Seconds(), stored, max(received-stored, 0))
			before, beforeAt = received, now
		}
	}
}

// total sums a counter over its labels.
func total(metrics prometheus.Gatherer, name string) float64 {
	families, err := metrics.Gather()
	if err != nil {
		return 0 // half a status line is not worth an error: /metrics tells
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			sum += m.GetCounter().GetValue()
		}
	}
	return sum
}
