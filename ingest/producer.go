package ingest

import (
	"context"
	"errors"
	"fmt"
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
//   - Linger: requests wait for their acknowledgement, so the client's default of 10 ms only adds latency (25.9k requests/s
//     at 0, 1.4k at 10 ms, with 16 connections). A fraction of a millisecond pays: on a real Kafka that shares two cores with
//     the receiver and 64 connections of load, 0 gave 10.5k and 11.5k requests/s and 400 µs 14.5k and 12.6k in turn, since
//     fewer and larger produce requests cost both sides less.
//   - Unknown topic: never give up within the client, since a metadata blip would fail records; our own timer answers.
//   - A short metadata age and back-off, so that the first acknowledgement after a broker's restart comes after 0.1 to
//     0.5 s, not after 2.7 s.
func producerOptions(maxBytes int64, linger time.Duration) []kgo.Opt {
	return []kgo.Opt{
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerLinger(linger),
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

// What write returns besides the client's own errors.
var (
	// errAckTimeout: Kafka has not answered in time; the record may still be stored later.
	errAckTimeout = errors.New("no acknowledgement in time")
	// errStalled: the topic's unanswered writes hold all the room that one topic may have; another one is not tried.
	errStalled = errors.New("the Kafka topic takes nothing")
	// errUnsafeOptions: the connection options switch off what delivery rests on.
	errUnsafeOptions = errors.New("connection options switch off idempotent writes")
)

// checkOptions refuses a client whose connection options weaken the guarantee in a way that later options cannot undo.
func checkOptions(client *kgo.Client) error {
	for name, option := range map[string]any{
		"DisableIdempotentWrite":             kgo.DisableIdempotentWrite,
		"AllowIdempotentProduceCancellation": kgo.AllowIdempotentProduceCancellation,
	} {
		if on, _ := client.OptValue(option).(bool); on {
			return fmt.Errorf("%w: %s", errUnsafeOptions, name)
		}
	}
	return nil
}

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
	rooms   rooms
}

func newProducer(client *kgo.Client, m *metrics, maxBytes int64) *producer {
	p := &producer{client: client, metrics: m, rooms: newRooms(maxBytes)}
	p.writes.New = func() any {
		t := time.NewTimer(time.Hour)
		t.Stop()
		w := &write{done: make(chan error, 1), timer: t, owner: p}
		w.settle = w.promise
		return w
	}
	return p
}

// position is where Kafka has put a record.
type position struct {
	partition int32
	offset    int64
}

// write produces d's event and waits until Kafka has it (nil), has refused it, or wait is over (errAckTimeout). From the
// moment of producing, d's body is the producer's, which releases it when Kafka is through with it, however long that takes.
//
// The context given to the client is deliberately one without end: the client ignores cancellation of a record in flight
// anyway, and a cancelled one is what breaks sequences (see producerOptions). The timer is ours.
func (p *producer) write(d *delivery, extra []kgo.RecordHeader, wait time.Duration) (position, error) {
	topic, held := d.route.Topic, int64(cap(d.body.b))
	if !p.rooms.enter(topic, held) {
		return position{}, errStalled
	}
	w := p.writes.Get().(*write) // the pool holds nothing else
	w.body, w.start = d.body, time.Now()
	w.state.Store(writeWaiting)
	w.rec = kgo.Record{
		Topic:     topic,
		Key:       []byte(d.route.Key),
		Value:     d.body.b,
		Timestamp: d.event.Received,
		Headers:   append(schemas.AppendHeaders(w.headers[:0], &d.event), extra...),
	}
	d.body = nil
	p.client.TryProduce(context.Background(), &w.rec, w.settle)
	w.timer.Reset(wait)
	select {
	case err := <-w.done:
		w.timer.Stop()
		return p.reuse(w), err
	case <-w.timer.C:
	}
	// Counted before the step, since the promise takes it off again as soon as it sees that the write was given up.
	p.health.addPending(1)
	if w.state.CompareAndSwap(writeWaiting, writeGivenUp) {
		p.health.failed(errAckTimeout)
		return position{}, errAckTimeout // w is the promise's now and is not used again
	}
	p.health.addPending(-1)
	err := <-w.done
	return p.reuse(w), err
}

// reuse gives a settled write back and returns where its record is. The record is cleared, so that a kept write keeps no
// body alive.
func (p *producer) reuse(w *write) position {
	at := position{w.rec.Partition, w.rec.Offset}
	w.rec = kgo.Record{}
	clear(w.headers[:])
	p.writes.Put(w)
	return at
}

// promise is called by the client once, when Kafka has answered or the client has given up.
func (w *write) promise(_ *kgo.Record, err error) {
	p := w.owner
	p.metrics.ack.Observe(time.Since(w.start).Seconds())
	p.health.answered(err)
	p.rooms.leave(w.rec.Topic, int64(cap(w.body.b)))
	w.body.release()
	w.body = nil
	if w.state.CompareAndSwap(writeWaiting, writeSettled) {
		w.done <- err
		return
	}
	p.health.addPending(-1)
	if err != nil {
		p.metrics.late.WithLabelValues(lateLost).Inc()
	} else {
		p.metrics.late.WithLabelValues(lateStored).Inc()
	}
}
