package ingest

import (
	"millrace/schemas"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Values of the label "result".
const (
	reloadDone   = "done"
	reloadFailed = "failed"
	lateStored   = "stored"
	lateLost     = "lost"
)

// metrics are the receiver's own.
type metrics struct {
	requests  map[outcome]prometheus.Counter
	events    *prometheus.CounterVec
	seconds   prometheus.Histogram
	ack       prometheus.Histogram
	bytes     prometheus.Histogram
	late      *prometheus.CounterVec
	reloads   *prometheus.CounterVec
	unknown   prometheus.Counter
	fallbacks prometheus.Counter
}

// kafkaTopics returns every Kafka topic that the receiver writes to.
func kafkaTopics() []string {
	var names []string
	for _, d := range append(schemas.Domains(), schemas.DomainQuarantine) {
		names = append(names, d.KafkaTopic())
	}
	return names
}

// newMetrics registers the receiver's metrics. Every label value exists from the start, so that a rate does too.
func newMetrics(reg prometheus.Registerer, s *Server) metrics {
	f := promauto.With(reg)
	requests := f.NewCounterVec(prometheus.CounterOpts{
		Name: "millrace_ingest_requests_total",
		Help: "Requests to the public listener by outcome.",
	}, []string{"outcome"})
	m := metrics{
		requests: map[outcome]prometheus.Counter{
			accepted:    requests.WithLabelValues(string(accepted)),
			quarantined: requests.WithLabelValues(string(quarantined)),
		},
		events: f.NewCounterVec(prometheus.CounterOpts{
			Name: "millrace_ingest_events_total",
			Help: "Events acknowledged by Kafka within their request, by Kafka topic.",
		}, []string{"topic"}),
		seconds: f.NewHistogram(prometheus.HistogramOpts{
			Name:    "millrace_ingest_request_seconds",
			Help:    "Time from the request's headers to its answer, whatever the outcome.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
		}),
		ack: f.NewHistogram(prometheus.HistogramOpts{
			Name:    "millrace_ingest_ack_seconds",
			Help:    "Time from handing an event to the producer to Kafka's answer, errors and late answers included.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
		}),
		bytes: f.NewHistogram(prometheus.HistogramOpts{
			Name:    "millrace_ingest_body_bytes",
			Help:    "Size of the bodies read whole.",
			Buckets: prometheus.ExponentialBuckets(256, 4, 9),
		}),
		late: f.NewCounterVec(prometheus.CounterOpts{
			Name: "millrace_ingest_late_acks_total",
			Help: "Deliveries answered 503 for want of an acknowledgement, by what became of them: stored (a repeat will be a duplicate) or lost.",
		}, []string{"result"}),
		reloads: f.NewCounterVec(prometheus.CounterOpts{
			Name: "millrace_ingest_file_reloads_total",
			Help: "Changes of the secrets file and of the TLS key pair, by whether they were taken.",
		}, []string{"result"}),
		unknown: f.NewCounter(prometheus.CounterOpts{
			Name: "millrace_ingest_unknown_topics_total",
			Help: "Authentic deliveries of a Shopify topic that is not in the catalogue; they are routed by rule.",
		}),
		fallbacks: f.NewCounter(prometheus.CounterOpts{
			Name: "millrace_ingest_webhook_id_fallbacks_total",
			Help: "Authentic deliveries without a webhook id, which got a hash of shop, topic and body for one.",
		}),
	}
	for o := range s.answers {
		m.requests[o] = requests.WithLabelValues(string(o))
	}
	for _, topic := range kafkaTopics() {
		m.events.WithLabelValues(topic)
	}
	for _, v := range []string{lateStored, lateLost} {
		m.late.WithLabelValues(v)
	}
	for _, v := range []string{reloadDone, reloadFailed} {
		m.reloads.WithLabelValues(v)
	}
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "millrace_ingest_in_flight_requests",
		Help: "Requests being handled.",
	}, func() float64 { return float64(s.inFlight.Load()) })
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "millrace_ingest_in_flight_bytes",
		Help: "Bytes of bodies held, those that wait for Kafka included.",
	}, func() float64 { return float64(s.bodies.held.Load()) })
	return m
}
