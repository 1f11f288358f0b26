package reconcile

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Values of the label "result".
const (
	resultDone   = "done"
	resultFailed = "failed"
)

type metrics struct {
	checked *prometheus.CounterVec
	found   *prometheus.CounterVec
	sent    *prometheus.CounterVec
	runs    *prometheus.CounterVec
	through prometheus.Gauge
}

// newMetrics registers the metrics. Every label value exists from the start, so that a rate does too.
func newMetrics(reg prometheus.Registerer) metrics {
	f := promauto.With(reg)
	m := metrics{
		checked: f.NewCounterVec(prometheus.CounterOpts{Name: "millrace_reconcile_checked_total", Help: "What stores have that was compared with what is here, by kind."}, []string{"kind"}),
		found:   f.NewCounterVec(prometheus.CounterOpts{Name: "millrace_reconcile_found_total", Help: "Events that should be here and are not, by kind and problem: missing or stale."}, []string{"kind", "problem"}),
		sent:    f.NewCounterVec(prometheus.CounterOpts{Name: "millrace_reconcile_sent_total", Help: "Events made and stored in Kafka, by kind."}, []string{"kind"}),
		runs:    f.NewCounterVec(prometheus.CounterOpts{Name: "millrace_reconcile_runs_total", Help: "Runs over one store, by result: done or failed."}, []string{"result"}),
		through: f.NewGauge(prometheus.GaugeOpts{Name: "millrace_reconcile_through_timestamp_seconds", Help: "Up to when every store has been looked at, as a Unix time: that of the store which is furthest behind; 0 before the first round."}),
	}
	for _, k := range Kinds() {
		m.checked.WithLabelValues(string(k))
		m.sent.WithLabelValues(string(k))
		for _, p := range []Problem{Missing, Stale} {
			m.found.WithLabelValues(string(k), string(p))
		}
	}
	for _, r := range []string{resultDone, resultFailed} {
		m.runs.WithLabelValues(r)
	}
	return m
}
