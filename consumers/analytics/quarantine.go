package analytics

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"millrace/consumers/internal/pause"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/schemas"
)

// rejected is a record that cannot become a row, and why.
type rejected struct {
	record *kgo.Record
	err    *rowError
	bare   bool // too large with its headers and value: only its coordinates can be set aside
}

// setAside puts the rejected records into the quarantine topic and returns when the brokers have acknowledged all of them;
// only then may their offsets be committed. It tries again for ever; the only errors are ctx's. A batch that is replayed
// after a crash sets its records aside again: the headers tell source and offset, so that repeats can be recognised.
func (s *Sink) setAside(ctx context.Context, list []rejected) error {
	for n := 0; len(list) > 0; n++ {
		failed, err := s.produceAll(ctx, list)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && n == 0 {
			s.logger.ErrorContext(ctx, "quarantine records: they are kept and tried again", "records", len(failed), "err", err)
		}
		if list = failed; len(list) > 0 {
			if err := pause.Sleep(ctx, pause.Backoff(n, s.cfg.RetryBackoffMin, s.cfg.RetryBackoffMax)); err != nil {
				return err
			}
		}
	}
	return nil
}

// produceAll produces each record once and waits for every answer or ctx's end. It returns what was refused.
//
// Answers come by promise and channel, not by ProduceSync: that one does not return while a record in flight has no
// answer, however long its context is over.
func (s *Sink) produceAll(ctx context.Context, list []rejected) (failed []rejected, err error) {
	type answer struct {
		rejected
		err error
	}
	producer, err := s.quarantine()
	if err != nil {
		return list, err
	}
	answers := make(chan answer, len(list))
	for _, q := range list {
		producer.Produce(ctx, quarantineRecord(q), func(_ *kgo.Record, err error) { answers <- answer{q, err} })
	}
	for range list {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case a := <-answers:
			if a.err != nil {
				a.bare = a.bare || errors.Is(a.err, kerr.MessageTooLarge)
				failed, err = append(failed, a.rejected), a.err
				continue
			}
			s.metrics.quarantined.WithLabelValues(string(a.rejected.err.reason)).Inc()
			s.logger.WarnContext(ctx, "record set aside", "topic", a.record.Topic, "partition", a.record.Partition, "offset", a.record.Offset,
				"reason", string(a.rejected.err.reason), "err", a.rejected.err.err)
		}
	}
	return failed, err
}

// quarantine returns the client that produces, which is made when it is first needed: hardly any sink ever needs it.
func (s *Sink) quarantine() (*kgo.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.producer == nil {
		producer, err := kgo.NewClient(s.kafka...)
		if err != nil {
			return nil, fmt.Errorf("kafka client: %w", err)
		}
		s.producer = producer
	}
	return s.producer, nil
}

func (s *Sink) closeProducer() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.producer != nil {
		s.producer.Close()
	}
}

// producerOptions completes the connection options.
func producerOptions(connection []kgo.Opt) []kgo.Opt {
	return append(append([]kgo.Opt(nil), connection...),
		kgo.MetadataMinAge(250*time.Millisecond),
		kgo.UnknownTopicRetries(-1),
		kgo.ProducerLinger(0),
		// Quarantined records may be as large as any event; the default of 1 MB would refuse them here.
		kgo.ProducerBatchMaxBytes(schemas.MaxBodyBytes+1<<20),
	)
}

// quarantineRecord is the record as it was, with headers that say why and whence it came. These headers can make a foreign
// record of the largest size too large; then they go alone, and the record itself is in its topic as long as that keeps it.
func quarantineRecord(q rejected) *kgo.Record {
	r := q.record
	headers := make([]kgo.RecordHeader, 0, len(r.Headers)+4)
	key, value := r.Key, r.Value
	if q.bare {
		key, value = nil, nil
	} else {
		headers = append(headers, r.Headers...)
	}
	add := func(key, value string) {
		headers = append(headers, kgo.RecordHeader{Key: key, Value: []byte(value)})
	}
	add(schemas.HeaderQuarantineReason, fmt.Sprintf("analytics: %v", q.err))
	add(schemas.HeaderQuarantineTopic, r.Topic)
	add(schemas.HeaderQuarantinePartition, strconv.Itoa(int(r.Partition)))
	add(schemas.HeaderQuarantineOffset, strconv.FormatInt(r.Offset, 10))
	return &kgo.Record{Topic: schemas.DomainQuarantine.KafkaTopic(), Key: key, Value: value, Headers: headers}
}
