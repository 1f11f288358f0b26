package analytics

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

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

// rejectRefused is why a record that could be made a row is set aside: the table does not take it.
const rejectRefused reject = "refused"

// without returns the records that are not among the rejected, which are in the order of the records.
func without(records []*kgo.Record, dead []rejected) []*kgo.Record {
	if len(dead) == 0 {
		return records
	}
	gone := make(map[*kgo.Record]bool, len(dead))
	for _, d := range dead {
		gone[d.record] = true
	}
	return slices.DeleteFunc(slices.Clone(records), func(r *kgo.Record) bool { return gone[r] })
}

// setAside puts the rejected records into the dead-letter topics of the group and returns when the brokers have acknowledged all of
// them; only then may their batch be finalised. It tries again for ever; the only errors are ctx's. A batch that is replayed sets
// its records aside again: a letter is named by its source offset, so a repeat is the same letter.
func (s *Sink) setAside(ctx context.Context, list []rejected) error {
	for n := 0; len(list) > 0; n++ {
		failed, err := s.produceAll(ctx, list)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && n == 0 {
			s.logger.ErrorContext(ctx, "write dead letters: their records are kept and tried again", "records", len(failed), "err", err)
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
	producer, err := s.letters()
	if err != nil {
		return list, err
	}
	answers := make(chan answer, len(list))
	now := time.Now()
	for _, q := range list {
		producer.Produce(ctx, letter(q, s.cfg.Group, now), func(_ *kgo.Record, err error) { answers <- answer{q, err} })
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
			s.metrics.deadLetters.WithLabelValues(string(a.rejected.err.reason)).Inc()
			s.logger.WarnContext(ctx, "record became a dead letter", "topic", a.record.Topic, "partition", a.record.Partition, "offset", a.record.Offset,
				"reason", string(a.rejected.err.reason), "err", a.rejected.err.err)
		}
	}
	return failed, err
}

// letters returns the client that writes dead letters, which is made when it is first needed: hardly any sink ever needs it.
func (s *Sink) letters() (*kgo.Client, error) {
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
		kgo.RecordPartitioner(kgo.ManualPartitioner()), // a letter stands in the partition with the number of its source
		kgo.ProducerLinger(0),
		// Dead letters may be as large as any event; the default of 1 MB would refuse them here.
		kgo.ProducerBatchMaxBytes(schemas.MaxMessageBytes+schemas.DeadLetterRoomBytes),
	)
}

// maxErrorText bounds the header with ClickHouse's words.
const maxErrorText = 1000

// letter is the record as it was, with headers that say why and whence it came, as the dead letters of other services have them.
// These headers can make a foreign record of the largest size too large; then they go alone, and the record itself is in its
// topic as long as that keeps it.
func letter(q rejected, group string, now time.Time) *kgo.Record {
	r := q.record
	const added = 8
	headers := make([]kgo.RecordHeader, 0, len(r.Headers)+added)
	class, value := schemas.ClassPermanent, r.Value
	if q.err.reason == rejectNotAnEvent {
		class = schemas.ClassUnreadable
	}
	if q.bare {
		class, value = schemas.ClassTooLarge, nil
	} else {
		for _, h := range r.Headers {
			if !schemas.IsGroupHeader(h.Key) {
				headers = append(headers, h)
			}
		}
	}
	add := func(key, value string) {
		headers = append(headers, kgo.RecordHeader{Key: key, Value: []byte(value)})
	}
	failed := now.UTC().Format(time.RFC3339Nano)
	add(schemas.HeaderSourceTopic, r.Topic)
	add(schemas.HeaderSourcePartition, strconv.Itoa(int(r.Partition)))
	add(schemas.HeaderSourceOffset, strconv.FormatInt(r.Offset, 10))
	add(schemas.HeaderAttempts, "1")
	add(schemas.HeaderFirstFailure, failed)
	add(schemas.HeaderLastFailure, failed)
	add(schemas.HeaderErrorClass, class)
	add(schemas.HeaderError, cutText(q.err.Error(), maxErrorText))
	return &kgo.Record{Topic: schemas.DeadLetterTopic(r.Topic, group), Partition: r.Partition, Key: r.Key, Value: value, Headers: headers}
}

// cutText cuts a text to so many bytes, between two characters.
func cutText(text string, most int) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}
