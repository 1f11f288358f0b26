package console

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// outcomes are the values of the label "outcome".
func outcomes() []string {
	return []string{"ok", codeBadRequest, codeUnauthorized, codeForbidden, codeNotFound, codeTooMuch, codeAway, codeNotReady, codeKafkaAway, codeInternal, outcomeGone}
}

// outcomeGone is a client that did not wait for its answer.
const outcomeGone = "gone"

type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

// newMetrics registers the console's metrics. Every label value exists from the start, so that a rate does too.
func newMetrics(reg prometheus.Registerer, questions []string) metrics {
	f := promauto.With(reg)
	m := metrics{
		requests: f.NewCounterVec(prometheus.CounterOpts{
			Name: "millrace_console_requests_total",
			Help: "Requests to the console's API by outcome.",
		}, []string{"outcome"}),
		seconds: f.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "millrace_console_question_seconds",
			Help:    "Time of one answer of the console's API, failed ones included, by question.",
			Buckets: []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10},
		}, []string{"question"}),
	}
	for _, o := range outcomes() {
		m.requests.WithLabelValues(o)
	}
	for _, q := range questions {
		m.seconds.WithLabelValues(q)
	}
	return m
}

func (m metrics) answered(question, outcome string, took time.Duration) {
	m.requests.WithLabelValues(outcome).Inc()
	m.seconds.WithLabelValues(question).Observe(took.Seconds())
}
