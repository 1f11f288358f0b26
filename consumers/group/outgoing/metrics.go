package outgoing

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Results of calls, as the metric shows them.
const (
	resultOK       = "ok"
	resultAnswered = "answered" // an error marked with Answered
	resultFailed   = "failed"
	resultTimeout  = "timeout"
	resultStopped  = "stopped" // cut short from our side
	resultPanic    = "panic"
)

// Reasons of refusals, as the metric shows them.
const (
	refusedBulkhead    = "bulkhead"
	refusedBreaker     = "breaker"
	refusedShopBreaker = "shop_breaker"
	refusedRate        = "rate"
	refusedShopRate    = "shop_rate"
	refusedGroupRate   = "group_rate"
	refusedNoShare     = "no_partitions" // with limits of the group, and none of its partitions
	refusedHold        = "retry_after"
)

func results() []string {
	return []string{resultOK, resultAnswered, resultFailed, resultTimeout, resultStopped, resultPanic}
}

func refusals() []string {
	return []string{refusedBulkhead, refusedBreaker, refusedShopBreaker, refusedRate, refusedShopRate, refusedGroupRate, refusedNoShare, refusedHold}
}

// metrics resolves every label value once: looking one up costs more than the rest of a call's bookkeeping.
type metrics struct {
	state     prometheus.Gauge
	openShops prometheus.Gauge
	share     prometheus.Gauge
	calls     map[string]prometheus.Counter
	refused   map[string]prometheus.Counter
	seconds   prometheus.Histogram
}

// newMetrics gives every dependency of a process the same metrics, told apart by name.
func newMetrics(name string, reg prometheus.Registerer) *metrics {
	auto := promauto.With(prometheus.WrapRegistererWith(prometheus.Labels{"name": name}, reg))
	m := &metrics{
		state: auto.NewGauge(prometheus.GaugeOpts{
			Name: "millrace_group_breaker_state", Help: "Breaker of a dependency: 0 closed, 1 half open, 2 open.",
		}),
		openShops: auto.NewGauge(prometheus.GaugeOpts{
			Name: "millrace_group_breaker_open_shops", Help: "Shops whose breaker is not closed; one stays in the count until a call for the shop succeeds.",
		}),
		share: auto.NewGauge(prometheus.GaugeOpts{
			Name: "millrace_group_call_share", Help: "Share of the limits of the group that this process has, 0 to 1: that of the partitions that it owns.",
		}),
		calls:   map[string]prometheus.Counter{},
		refused: map[string]prometheus.Counter{},
		seconds: auto.NewHistogram(prometheus.HistogramOpts{
			Name: "millrace_group_call_duration_seconds", Help: "Time of one call to a dependency, failed ones included: a timeout would otherwise not show.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 16),
		}),
	}
	calls := auto.NewCounterVec(prometheus.CounterOpts{
		Name: "millrace_group_calls_total", Help: "Calls made to a dependency, by what came of them.",
	}, []string{"result"})
	for _, r := range results() {
		m.calls[r] = calls.WithLabelValues(r)
	}
	refused := auto.NewCounterVec(prometheus.CounterOpts{
		Name: "millrace_group_call_refusals_total", Help: "Calls not made, by what refused them; their events come back without burning an attempt.",
	}, []string{"reason"})
	for _, r := range refusals() {
		m.refused[r] = refused.WithLabelValues(r)
	}
	return m
}
