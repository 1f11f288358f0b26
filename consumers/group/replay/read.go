package replay

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"millrace/schemas"
)

// read is an event that the selection chooses, or, without a record, that there is none up to next.
type read struct {
	span   *span
	record *kgo.Record
	next   int64
}

// passEvery is after how many offsets without a chosen event that is told.
const passEvery = 20_000

// read reads what the spans have left, in order within each. The second channel has the error, or nil, when all is read.
func (r *Run) read(ctx context.Context) (<-chan read, <-chan error) {
	out, failed := make(chan read), make(chan error, 1)
	go func() {
		defer close(failed)
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(readers)
		for _, s := range r.spans {
			if s.next < s.mark.End {
				from, end := s.next, s.mark.End // the writer moves the span
				g.Go(func() error { return r.readSpan(ctx, s, from, end, out) })
			}
		}
		failed <- g.Wait()
		close(out)
	}()
	return out, failed
}

func (r *Run) readSpan(ctx context.Context, s *span, from, end int64, out chan<- read) error {
	send := func(e read) error {
		select {
		case out <- e:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	told := from
	_, err := r.desk.logs.Scan(ctx, s.topic, s.partition, from, end, func(rec *kgo.Record) error {
		switch {
		case r.selection.chooses(rec):
			told = rec.Offset + 1
			return send(read{span: s, record: rec, next: told})
		case rec.Offset-told >= passEvery:
			told = rec.Offset + 1
			return send(read{span: s, next: told})
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the events of %s: %w", s.topic, err)
	}
	return send(read{span: s, next: end})
}

// Count is what a run is about.
type Count struct {
	Chosen  int64
	Skipped map[string]int64 // of these, what would be left alone now, by reason
	Topics  map[string]int64 // chosen events by Shopify topic, or kind of event
	Places  []PlaceCount     // the partitions that have any, sorted
}

// PlaceCount is a Count of one partition.
type PlaceCount struct {
	Topic     string
	Partition int32
	Chosen    int64
}

// Count reads what is left of a run, and writes nothing.
func (r *Run) Count(ctx context.Context) (Count, error) {
	c := Count{Skipped: map[string]int64{}, Topics: map[string]int64{}}
	backlog, err := r.newBacklog(ctx)
	if err != nil {
		return c, err
	}
	progress := r.watch(ctx, func() string { return StageCounting })
	defer progress.end()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in, failed := r.read(ctx)
	sum := r.Result()
	at := map[*span]int64{}
	perSpan := map[*span]int64{}
	for e := range in {
		sum.Passed += e.next - max(at[e.span], e.span.next)
		at[e.span] = e.next
		progress.set(sum.Passed, sum.Total)
		if e.record == nil {
			continue
		}
		c.Chosen++
		perSpan[e.span]++
		c.Topics[topicOf(e.record)]++
		if reason := backlog.skip(place{e.span.topic, e.span.partition}, e.record.Offset); reason != "" {
			c.Skipped[reason]++
		}
	}
	for _, s := range r.spans {
		if n := perSpan[s]; n > 0 {
			c.Places = append(c.Places, PlaceCount{s.topic, s.partition, n})
		}
	}
	return c, <-failed
}

// Open is how many of the chosen events would be written.
func (c *Count) Open() int64 {
	n := c.Chosen
	for _, skipped := range c.Skipped {
		n -= skipped
	}
	return n
}

// topicOf is the kind of an event; "?" where it does not say.
func topicOf(r *kgo.Record) string {
	topic := "?"
	for i := range r.Headers {
		switch h := &r.Headers[i]; h.Key {
		case schemas.HeaderShopifyTopic:
			return string(h.Value)
		case schemas.HeaderType:
			if t, ok := schemas.OrderEventTopicOf(string(h.Value)); ok {
				topic = t
			}
		}
	}
	return topic
}

// chosen is an event that is written.
type chosen struct {
	span   *span
	record *kgo.Record // for the retry topic
}

// chosenOf makes the record by which an event waits for its turn: as that of a redriven dead letter.
func chosenOf(r *Run, e read) chosen {
	rec := e.record
	headers := make([]kgo.RecordHeader, 0, len(rec.Headers)+7)
	for _, h := range rec.Headers {
		if !schemas.IsGroupHeader(h.Key) {
			headers = append(headers, h)
		}
	}
	value := rec.Value
	if value == nil { // null would say that nothing waits
		value = []byte{}
	}
	text := func(key, value string) { headers = append(headers, kgo.RecordHeader{Key: key, Value: []byte(value)}) }
	text(schemas.HeaderSourceTopic, rec.Topic)
	text(schemas.HeaderSourcePartition, strconv.Itoa(int(rec.Partition)))
	text(schemas.HeaderSourceOffset, strconv.FormatInt(rec.Offset, 10))
	text(schemas.HeaderAttempts, "0")
	text(schemas.HeaderRetryDue, time.Now().UTC().Format(time.RFC3339Nano))
	text(schemas.HeaderRetryBy, schemas.RetryByReplay)
	text(schemas.HeaderReplay, r.id)
	return chosen{e.span, &kgo.Record{
		Topic: schemas.RetryTopic(rec.Topic, r.selection.Group), Partition: rec.Partition, Key: schemas.RetryKey(rec.Key, rec.Offset), Value: value, Headers: headers,
	}}
}
