package ingest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"millrace/partitioning"
	"millrace/schemas"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Bounds of the producer's own buffer. Bytes are bounded by max_in_flight_bytes before; the record bound is a second fence.
const maxBufferedRecords = 20_000

// producerOptions returns the settings that the delivery guarantee rests on; each was measured.
//
//   - Idempotence and acks=all are the client's defaults and stay. AllowIdempotentProduceCancellation must never be set: a
//     cancelled record's sequence number is used again and the broker then drops an acknowledged record as a duplicate of
//     it (23 of 30 records lost in the experiment).
//   - Linger 0: requests wait for their acknowledgement, so lingering only adds latency (25.9k requests/s at 0 ms, 1.4k at
//     the default of 10 ms, with 16 connections).
//   - Unknown topic: never give up within the client, since a metadata blip would fail records; our own timer answers.
//   - A short metadata age and back-off, so that the first acknowledgement after a broker's restart comes after 0.1 to
//     0.5 s, not after 2.7 s.
func producerOptions(maxBytes int64) []kgo.Opt {
	return []kgo.Opt{
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerLinger(0),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()),
		kgo.RecordPartitioner(partitioning.Partitioner()),
		kgo.MaxBufferedRecords(maxBufferedRecords),
		kgo.MaxBufferedBytes(int(maxBytes) + maxBufferedRecords*1024),
		kgo.ProducerBatchMaxBytes(schemas.MaxMessageBytes),
		kgo.UnknownTopicRetries(-1),
		kgo.MetadataMinAge(250 * time.Millisecond),
		kgo.RetryBackoffFn(backoff),
	}
}

// backoff doubles from 50 ms to 500 ms.
func backoff(tries int) time.Duration {
	return min(50*time.Millisecond<<min(max(tries-1, 0), 5), 500*time.Millisecond)
}

// errAckTimeout is returned by write when Kafka has not answered in time; the record may still be stored later.
var errAckTimeout = errors.New("no acknowledgement in time")

// States of a write.
const (
	writeWaiting int32 = iota
	writeSettled       // Kafka answered while the request waited
	writeGivenUp       // the request was answered first
)

// write is one record on its way. The request and the producer's promise each take the step out of writeWaiting; who
// comes second knows that the other has gone.
type write struct {
	rec   kgo.Record
	body  *body
	start time.Time
	state atomic.Int32
	done  chan error
	timer *time.Timer
	owner *producer
	// settle is the promise method as a value, made once.
	settle func(*kgo.Record, error)
	// headers backs rec.Headers, so that a reused write brings its own.
	headers [16]kgo.RecordHeader
}

// producer writes records and waits for their acknowledgement, each within its own deadline.
type producer struct {
	client  *kgo.Client
	metrics *metrics
	writes  sync.Pool
	health  health
}

func newProducer(client *kgo.Client, m *metrics) *producer {
	p := &producer{client: client, metrics: m}
	p.writes.New = func() any {
		t := time.NewTimer(time.Hour)
		t.Stop()
		w := &write{done: make(chan error, 1), timer: t, owner: p}
		w.settle = w.promise
		return w
	}
	return p
}

// write produces a record and waits until Kafka has it (nil), has refused it, or wait is over (errAckTimeout). It takes
// over b, which is released when Kafka is through with it, however long that takes.
//
// The context given to the client is deliberately one without end: the client ignores cancellation of a record in flight
// anyway, and a cancelled one is what breaks sequences (see producerOptions). The timer is ours.
func (p *producer) write(route partitioning.Route, e *schemas.Event, b *body, extra []kgo.RecordHeader, wait time.Duration) error {
	w := p.writes.Get().(*write) // the pool holds nothing else
	w.body, w.start = b, time.Now()
	w.state.Store(writeWaiting)
	w.rec = kgo.Record{
		Topic:     route.Topic,
		Key:       []byte(route.Key),
		Value:     b.b,
		Timestamp: e.Received,
		Headers:   append(schemas.AppendHeaders(w.headers[:0], e), extra...),
	}
	p.client.TryProduce(context.Background(), &w.rec, w.settle)
	w.timer.Reset(wait)
	select {
	case err := <-w.done:
		w.timer.Stop()
		p.writes.Put(w)
		return err
	case <-w.timer.C:
	}
	if w.state.CompareAndSwap(writeWaiting, writeGivenUp) {
		p.health.failed(errAckTimeout)
		return errAckTimeout // w is the promise's now and is not used again
	}
	err := <-w.done
	p.writes.Put(w)
	return err
}

// promise is called by the client once, when Kafka has answered or the client has given up.
func (w *write) promise(_ *kgo.Record, err error) {
	p := w.owner
	p.metrics.ack.Observe(time.Since(w.start).Seconds())
	p.health.answered(err)
	w.body.release()
	w.body = nil
	if w.state.CompareAndSwap(writeWaiting, writeSettled) {
		w.done <- err
		return
	}
	if err != nil {
		p.metrics.late.WithLabelValues(lateLost).Inc()
	} else {
		p.metrics.late.WithLabelValues(lateStored).Inc()
	}
}
