package analytics

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	rows            prometheus.Counter
	batches         prometheus.Counter
	batchRows       prometheus.Histogram
	batchBytes      prometheus.Histogram
	insertSeconds   *prometheus.HistogramVec
	insertFailures  *prometheus.CounterVec
	deadLetters     *prometheus.CounterVec
	extractProblems *prometheus.CounterVec
	repaired        prometheus.Counter
	projected       prometheus.Counter
	replayed        prometheus.Counter
	marksIgnored    prometheus.Counter
	lagRecords      *prometheus.GaugeVec
	lagSeconds      *prometheus.GaugeVec
	paused          prometheus.Gauge
	buffered        prometheus.Gauge
	endToEnd        prometheus.Histogram
	up              prometheus.Gauge
}

const (
	resultOK     = "ok"
	resultFailed = "failed"
)

func newMetrics(reg prometheus.Registerer) *metrics {
	auto := promauto.With(reg)
	counter := func(name, help string) prometheus.Counter {
		return auto.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return auto.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	m := &metrics{
		rows:    counter("millrace_analytics_rows_inserted_total", "Rows that ClickHouse acknowledged."),
		batches: counter("millrace_analytics_batches_inserted_total", "Batches that ClickHouse acknowledged, one insert each."),
		batchRows: auto.NewHistogram(prometheus.HistogramOpts{
			Name: "millrace_analytics_batch_rows", Help: "Rows per inserted batch.", Buckets: prometheus.ExponentialBuckets(1, 4, 10),
		}),
		batchBytes: auto.NewHistogram(prometheus.HistogramOpts{
			Name: "millrace_analytics_batch_bytes", Help: "Bytes of records per inserted batch.", Buckets: prometheus.ExponentialBuckets(1024, 4, 10),
		}),
		insertSeconds: auto.NewHistogramVec(prometheus.HistogramOpts{
			Name: "millrace_analytics_insert_duration_seconds", Help: "Time of one try of an insert, failed ones included: a timeout would otherwise not show.",
			Buckets: prometheus.ExponentialBuckets(0.002, 2, 15),
		}, []string{"result"}),
		insertFailures: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "millrace_analytics_insert_failures_total", Help: "Failed tries of inserts, by what an operator has to look at. All but those of class value are repeated; their rows become dead letters.",
		}, []string{"class"}),
		deadLetters: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "millrace_analytics_dead_letters_total", Help: "Records set aside in the dead-letter topics of the group because they cannot become a row, by reason; once more when their batch is replayed.",
		}, []string{"reason"}),
		extractProblems: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "millrace_analytics_extract_problems_total", Help: "Fields of bodies that could not be read into their column, by kind; the row and the body are stored all the same.",
		}, []string{"field"}),
		repaired:     counter("millrace_analytics_rows_repaired_total", "Rows that ClickHouse had acknowledged and a read-back found missing, so that they were inserted again."),
		projected:    counter("millrace_analytics_reprojections_total", "Ranges of events from which the read models were fed again, after an insert that may have been made before."),
		replayed:     counter("millrace_analytics_replayed_batches_total", "Batches that a member before had left pending and that were inserted again with the same bounds."),
		marksIgnored: counter("millrace_analytics_marks_ignored_total", "Commits whose metadata was not about their offset, so that it was ignored."),
		lagRecords: auto.NewGaugeVec(prometheus.GaugeOpts{
			Name: "millrace_analytics_lag_records", Help: "Records of this member's partitions that are not yet inserted and committed, by topic; -1 without partitions.",
		}, []string{"topic"}),
		lagSeconds: auto.NewGaugeVec(prometheus.GaugeOpts{
			Name: "millrace_analytics_lag_seconds", Help: "Age of the oldest record held and not yet committed, by topic; 0 when there is none, -1 without partitions.",
		}, []string{"topic"}),
		paused:   gauge("millrace_analytics_paused_partitions", "Partitions whose fetching is paused."),
		buffered: gauge("millrace_analytics_buffered_bytes", "Bytes of records held in batches."),
		endToEnd: auto.NewHistogram(prometheus.HistogramOpts{
			Name: "millrace_analytics_end_to_end_seconds", Help: "Time from the receipt of a webhook to the acknowledgement of its row.",
			Buckets: []float64{0.05, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 60, 300, 1800, 7200, 43200},
		}),
		up: gauge("millrace_analytics_clickhouse_up", "1 when the last contact with ClickHouse succeeded, 0 when it failed, -1 before the first."),
	}
	m.prime()
	return m
}

// prime makes every label value of the closed sets present from the start, so that rates exist before the first event.
func (m *metrics) prime() {
	m.up.Set(-1)
	for _, r := range []string{resultOK, resultFailed} {
		m.insertSeconds.WithLabelValues(r)
	}
	for _, f := range failures() {
		m.insertFailures.WithLabelValues(string(f))
	}
	for _, r := range append(rejects(), rejectRefused) {
		m.deadLetters.WithLabelValues(string(r))
	}
	for p := range problemCount {
		m.extractProblems.WithLabelValues(p.String())
	}
	for _, t := range Topics() {
		m.lagRecords.WithLabelValues(t).Set(-1)
		m.lagSeconds.WithLabelValues(t).Set(-1)
	}
}
