package member

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	fetchErrors    prometheus.Counter
	sessionErrors  prometheus.Counter
	lost           prometheus.Counter
	rebalances     *prometheus.CounterVec
	assigned       prometheus.Gauge
	ready          prometheus.Gauge
	commitSeconds  *prometheus.HistogramVec
	commitFailures *prometheus.CounterVec
	metadataBytes  prometheus.Histogram
}

const (
	rebalanceAssigned = "assigned"
	rebalanceRevoked  = "revoked"
	rebalanceLost     = "lost"

	commitOffsets     = "offsets"
	commitTransaction = "transaction"
)

// newMetrics registers with reg, which carries the label that tells the services of one process apart.
func newMetrics(reg prometheus.Registerer) *metrics {
	auto := promauto.With(reg)
	m := &metrics{
		fetchErrors: auto.NewCounter(prometheus.CounterOpts{
			Name: "millrace_group_fetch_errors_total", Help: "Errors that fetching from Kafka reported.",
		}),
		sessionErrors: auto.NewCounter(prometheus.CounterOpts{
			Name: "millrace_group_session_errors_total", Help: "Times that the membership in the group ended with an error, after which the member joins again.",
		}),
		lost: auto.NewCounter(prometheus.CounterOpts{
			Name: "millrace_group_records_lost_total", Help: "Records that Kafka removed before they were read; only with offset_out_of_range earliest.",
		}),
		rebalances: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "millrace_group_rebalances_total", Help: "Times that partitions were assigned, revoked in order, or lost because the group had given this member up.",
		}, []string{"kind"}),
		assigned: auto.NewGauge(prometheus.GaugeOpts{
			Name: "millrace_group_assigned_partitions", Help: "Partitions that this member owns.",
		}),
		ready: auto.NewGauge(prometheus.GaugeOpts{
			Name: "millrace_group_ready_partitions", Help: "Partitions that this member owns and works on; the others are being prepared.",
		}),
		commitSeconds: auto.NewHistogramVec(prometheus.HistogramOpts{
			Name: "millrace_group_commit_duration_seconds", Help: "Time of one try of an offset commit, failed ones included; in a transaction, of its offsets without its end.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15),
		}, []string{"kind"}),
		commitFailures: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "millrace_group_commit_failures_total", Help: "Failed tries of offset commits.",
		}, []string{"kind"}),
		metadataBytes: auto.NewHistogram(prometheus.HistogramOpts{
			Name: "millrace_group_commit_metadata_bytes", Help: "Bytes of metadata per committed offset; brokers take 4096 at most.",
			Buckets: []float64{0, 64, 256, 512, 1024, 2048, 3072, 3584, 4096},
		}),
	}
	// Every label value is present from the start, so that rates exist before the first event.
	for _, kind := range []string{rebalanceAssigned, rebalanceRevoked, rebalanceLost} {
		m.rebalances.WithLabelValues(kind)
	}
	for _, kind := range []string{commitOffsets, commitTransaction} {
		m.commitSeconds.WithLabelValues(kind)
		m.commitFailures.WithLabelValues(kind)
	}
	return m
}
