package group

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"millrace/schemas"
)

// Classes of failures and of what is done about them: labels of metrics and, for dead letters, schemas.HeaderErrorClass.
const (
	classError       = "error"
	classTimeout     = "timeout"
	classPanic       = schemas.ClassPanic
	classState       = "state"
	classPermanent   = schemas.ClassPermanent
	classExhausted   = schemas.ClassExhausted
	classNotReady    = schemas.ClassNotReady
	classUnavailable = "unavailable"
	classUnreadable  = schemas.ClassUnreadable
	classTooLarge    = schemas.ClassTooLarge
)

// reasonUnfinished is why a partition is not read on.
const reasonUnfinished = "unfinished"

type metrics struct {
	queueRecords, queueSeconds, waiting, parkedKeys, timedKeys, keys, pending, deadLetterSize *prometheus.GaugeVec // by topic

	bufferBytes, bufferFull, running, gate             prometheus.Gauge
	paused                                             *prometheus.GaugeVec // by reason
	handler, endToEnd, transaction, transactionRecords prometheus.Histogram
	transactionFailures, missing, foreign              prometheus.Counter
	verdicts                                           *counters
	retries, deadLetters, activityDropped              *counters
	activity                                           prometheus.Counter
}

// counters is a counter vector with one label whose counters are looked up without a hash of labels.
type counters struct {
	vec  *prometheus.CounterVec
	done prometheus.Counter

	mu  sync.RWMutex
	got map[string]prometheus.Counter
}

func newCounters(vec *prometheus.CounterVec, values ...string) *counters {
	c := &counters{vec: vec, got: make(map[string]prometheus.Counter)}
	for _, v := range values {
		c.With(v)
	}
	return c
}

// With returns the counter of a value.
func (c *counters) With(value string) prometheus.Counter {
	c.mu.RLock()
	got, ok := c.got[value]
	c.mu.RUnlock()
	if ok {
		return got
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	got = c.vec.WithLabelValues(value)
	c.got[value] = got
	return got
}

const namespace, subsystem = "millrace", "group"

func newMetrics(reg prometheus.Registerer, topics []string) *metrics {
	f := factory{reg}
	seconds := prometheus.ExponentialBuckets(0.001, 2, 16)
	m := &metrics{
		queueRecords:   f.byTopic(topics, "queue_records", "Events read and not finished, in memory."),
		queueSeconds:   f.byTopic(topics, "queue_seconds", "Age of the oldest event read and not finished; 0 when there is none."),
		waiting:        f.byTopic(topics, "waiting_records", "Events that wait in the retry topic, those behind another of their key included."),
		parkedKeys:     f.byTopic(topics, "parked_keys", "Keys whose events wait for a person to redrive or drop a dead letter."),
		timedKeys:      f.byTopic(topics, "waiting_keys", "Keys whose next event waits for a time, in memory or in the retry topic."),
		keys:           f.byTopic(topics, "keys", "Keys that have events in memory or in the retry topic."),
		pending:        f.byTopic(topics, "uncommitted_records", "Events finished with something written, whose transaction is to come."),
		deadLetterSize: f.byTopic(topics, "dead_letters", "Dead letters that nobody has redriven or dropped, in this member's partitions."),

		bufferBytes: f.gauge("buffer_bytes", "Bytes of events held in memory."),
		bufferFull:  f.gauge("buffer_full", "1 while nothing is read because the buffer is full."),
		running:     f.gauge("running_events", "Events, each of another key, that are being handled."),
		gate:        f.gauge("gate_open", "0 while nothing is dispatched because what the service needs is away, or the rate of the group is used up."),

		handler:             f.histogram("handler_seconds", "Time of one try of a handler.", seconds),
		endToEnd:            f.histogram("end_to_end_seconds", "Time from the receipt of a webhook to the end of its handling.", prometheus.ExponentialBuckets(0.005, 2, 20)),
		transaction:         f.histogram("transaction_seconds", "Time of one transaction, from its first record to its commit.", seconds),
		transactionRecords:  f.histogram("transaction_records", "Records per transaction.", prometheus.ExponentialBuckets(1, 4, 9)),
		transactionFailures: f.counter("transaction_failures_total", "Transactions that were not committed, or not known to be; all are repeated."),
		missing:             f.counter("waiting_records_missing_total", "Waiting events that were not in the retry topic when they were due; anything but 0 is a loss."),
		foreign:             f.counter("foreign_records_total", "Records in retry topics that are not the runtime's or its tools'."),
	}
	m.paused = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: namespace, Subsystem: subsystem, Name: "paused_partitions",
		Help: "Partitions that are not read on, by reason: too many unfinished events.",
	}, []string{"reason"})
	reg.MustRegister(m.paused)
	m.paused.WithLabelValues(reasonUnfinished)
	m.verdicts = f.counters("verdicts_total", "Tries by what they came to; reasons of Skip are among them.", "verdict", "done", reasonDuplicate, reasonStale,
		classError, classTimeout, classPanic, classState, classPermanent, classNotReady, classUnavailable, classUnreadable)
	m.verdicts.done = m.verdicts.With("done")
	m.retries = f.counters("retries_total", "Tries that are to be repeated, by where they wait.", "where", "memory", "topic")
	m.deadLetters = f.counters("dead_letters_total", "Events given up, by the class of their last error.", "class",
		classPermanent, classExhausted, classNotReady, classUnreadable, classTooLarge)
	m.activity = f.counter("activity_records_total", "Records of what the service did that are written.")
	m.activityDropped = f.counters("activity_dropped_total", "Records of what the service did that are lost, by reason: they are dropped where Kafka does not take them in time.",
		"reason", droppedFull, droppedFailed)
	m.gate.Set(1)
	return m
}

type factory struct{ reg prometheus.Registerer }

func (f factory) byTopic(topics []string, name, help string) *prometheus.GaugeVec {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}, []string{"topic"})
	f.reg.MustRegister(g)
	for _, t := range topics {
		g.WithLabelValues(t)
	}
	return g
}

func (f factory) gauge(name, help string) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help})
	f.reg.MustRegister(g)
	return g
}

func (f factory) counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help})
	f.reg.MustRegister(c)
	return c
}

func (f factory) histogram(name, help string, buckets []float64) prometheus.Histogram {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help, Buckets: buckets})
	f.reg.MustRegister(h)
	return h
}

func (f factory) counters(name, help, label string, values ...string) *counters {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}, []string{label})
	f.reg.MustRegister(v)
	return newCounters(v, values...)
}

// observer sets the gauges, until ctx ends.
func (r *Runtime) observer(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	letters := newLetters()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			r.observe(now)
			r.mu.Lock()
			r.wakeWorkers() // they also wait for the member to be alive
			r.mu.Unlock()
			r.countLetters(ctx, letters, now)
			r.findActivity(ctx, now)
		}
	}
}

type sums struct {
	queue, waiting, parked, timed, keys, pending int
	oldest                                       time.Time
}

func (r *Runtime) observe(now time.Time) {
	by := make(map[string]*sums, len(r.svc.Topics))
	for _, t := range r.svc.Topics {
		by[t] = &sums{}
	}
	r.mu.Lock()
	for tp, p := range r.parts {
		st, s := p.sched.Stats(), by[tp.Topic]
		s.queue += st.Unfinished + st.Staged
		s.waiting += st.Waiting
		s.parked += st.Parked
		s.timed += st.Timed
		s.keys += st.Keys
		s.pending += st.Pending
		if !st.Oldest.IsZero() && (s.oldest.IsZero() || st.Oldest.Before(s.oldest)) {
			s.oldest = st.Oldest
		}
	}
	bytes, running := r.sched.Bytes(), r.sched.Running()
	r.mu.Unlock()
	r.metrics.bufferBytes.Set(float64(bytes))
	r.metrics.running.Set(float64(running))
	for t, s := range by {
		r.metrics.queueRecords.WithLabelValues(t).Set(float64(s.queue))
		r.metrics.waiting.WithLabelValues(t).Set(float64(s.waiting))
		r.metrics.parkedKeys.WithLabelValues(t).Set(float64(s.parked))
		r.metrics.timedKeys.WithLabelValues(t).Set(float64(s.timed))
		r.metrics.keys.WithLabelValues(t).Set(float64(s.keys))
		r.metrics.pending.WithLabelValues(t).Set(float64(s.pending))
		age := 0.0
		if !s.oldest.IsZero() {
			age = max(now.Sub(s.oldest).Seconds(), 0)
		}
		r.metrics.queueSeconds.WithLabelValues(t).Set(age)
	}
}

// lettersEvery is how often the dead-letter topics are looked at for their size.
const lettersEvery = 15 * time.Second

// letters is how many dead letters are open, per partition, and how far its topic was read.
type letters struct {
	last  time.Time
	parts map[*partition]*letterCount
}

type letterCount struct {
	next int64
	open map[int64]struct{} // by source offset
}

func newLetters() *letters { return &letters{parts: make(map[*partition]*letterCount)} }

// countLetters folds what has come to the dead-letter partitions since the last time.
func (r *Runtime) countLetters(ctx context.Context, l *letters, now time.Time) {
	if now.Sub(l.last) < lettersEvery {
		return
	}
	l.last = now
	seen := make(map[*partition]*letterCount)
	for topic, parts := range r.owned() {
		open := 0
		for _, p := range parts {
			c := l.parts[p]
			if c == nil {
				c = &letterCount{open: make(map[int64]struct{})}
			}
			seen[p] = c
			r.countPartition(ctx, schemas.DeadLetterTopic(topic, r.cfg.Member.Group), p, c)
			open += len(c.open)
		}
		r.metrics.deadLetterSize.WithLabelValues(topic).Set(float64(open))
	}
	l.parts = seen
}
