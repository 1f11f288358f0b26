package group

import (
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/group/internal/schedule"
	"millrace/schemas"
)

// This file is the form of what stands in the retry and dead-letter topics.

// entityKey is the key of an item's source record.
func entityKey(it *schedule.Item) []byte {
	if it.Log < 0 {
		return it.Record.Key
	}
	key, _, _ := schemas.SplitRetryKey(it.Record.Key)
	return key
}

// sourceHeaders returns the headers that the record came with, without ours.
func sourceHeaders(r *kgo.Record, room int) []kgo.RecordHeader {
	out := make([]kgo.RecordHeader, 0, len(r.Headers)+room)
	for _, h := range r.Headers {
		if !schemas.IsGroupHeader(h.Key) {
			out = append(out, h)
		}
	}
	return out
}

type headers []kgo.RecordHeader

func (h *headers) text(key, value string) {
	*h = append(*h, kgo.RecordHeader{Key: key, Value: []byte(value)})
}

func (h *headers) number(key string, n int64) { h.text(key, strconv.FormatInt(n, 10)) }

func (h *headers) time(key string, t time.Time) {
	if !t.IsZero() {
		h.text(key, t.UTC().Format(time.RFC3339Nano))
	}
}

// failureHeaders are what both topics have: where the event came from and what has happened to it.
func failureHeaders(p *partition, it *schedule.Item, base []kgo.RecordHeader) headers {
	h := headers(base)
	h.text(schemas.HeaderSourceTopic, p.tp.Topic)
	h.number(schemas.HeaderSourcePartition, int64(p.tp.Partition))
	h.number(schemas.HeaderSourceOffset, it.Offset)
	h.number(schemas.HeaderAttempts, int64(it.Attempts))
	h.time(schemas.HeaderFirstFailure, it.FirstFailure)
	h.time(schemas.HeaderLastFailure, it.LastFailure)
	if it.Class != "" {
		h.text(schemas.HeaderErrorClass, it.Class)
		h.text(schemas.HeaderError, it.Err)
	}
	if it.Replay != "" {
		h.text(schemas.HeaderReplay, it.Replay)
	}
	return h
}

// addedHeaders is room for what failureHeaders and retryRecord add.
const addedHeaders = 14

// retryRecord is an event that waits. Its value is never null: that would say that it waits no longer.
func (r *Runtime) retryRecord(p *partition, c *schedule.Completion) *kgo.Record {
	it := c.Item
	h := failureHeaders(p, it, sourceHeaders(it.Record, addedHeaders))
	h.time(schemas.HeaderRetrySince, it.Since)
	h.time(schemas.HeaderRetryDue, c.Due())
	if c.Aside {
		h.text(schemas.HeaderRetryAside, "1")
	}
	value := it.Record.Value
	if value == nil {
		value = []byte{}
	}
	if c.Kind == schedule.Parked {
		h.text(schemas.HeaderRetryParked, "1")
		value = []byte{}
	}
	return &kgo.Record{
		Topic: schemas.RetryTopic(p.tp.Topic, r.cfg.Member.Group), Partition: p.tp.Partition,
		Key: schemas.RetryKey(entityKey(it), it.Offset), Value: value, Headers: h,
	}
}

// settledRecord says that an event waits no longer.
func (r *Runtime) settledRecord(p *partition, it *schedule.Item) *kgo.Record {
	return &kgo.Record{
		Topic: schemas.RetryTopic(p.tp.Topic, r.cfg.Member.Group), Partition: p.tp.Partition,
		Key: schemas.RetryKey(entityKey(it), it.Offset),
	}
}

// deadLetter is the source record with headers that say why it is here. bare leaves the body out, for one that the broker finds too large.
func (r *Runtime) deadLetter(p *partition, it *schedule.Item, bare bool) *kgo.Record {
	d := &kgo.Record{
		Topic: schemas.DeadLetterTopic(p.tp.Topic, r.cfg.Member.Group), Partition: p.tp.Partition,
		Key: entityKey(it), Value: it.Record.Value, Headers: failureHeaders(p, it, sourceHeaders(it.Record, addedHeaders)),
	}
	if bare {
		d.Value = nil
		d.Headers = failureHeaders(p, it, nil)
	}
	return d
}

// readRetry reads a record of the retry topic. ok is false when the key is not one of ours.
func readRetry(s *schedule.Scheduler, rec *kgo.Record) (w schedule.Waiting, what schedule.Restored, settled, ok bool) {
	entity, offset, ok := schemas.SplitRetryKey(rec.Key)
	if !ok {
		return w, what, false, false
	}
	w = schedule.Waiting{Key: s.Hash(entity), Offset: offset, Log: rec.Offset}
	what.Record = rec
	settled = len(rec.Value) == 0
	for i := range rec.Headers {
		h := &rec.Headers[i]
		switch h.Key {
		case schemas.HeaderAttempts: // an event without a body has it, a settled one has not
			what.Attempts, _ = strconv.Atoi(string(h.Value)) // 0 is what is left to say
			settled = false
		case schemas.HeaderRetryDue:
			w.Due = parseTime(h.Value)
		case schemas.HeaderRetryParked:
			w.Parked = true
		case schemas.HeaderRetryAside:
			w.Aside = true
		case schemas.HeaderFirstFailure:
			what.FirstFailure = parseTime(h.Value)
		case schemas.HeaderLastFailure:
			what.LastFailure = parseTime(h.Value)
		case schemas.HeaderRetrySince:
			what.Since = parseTime(h.Value)
		case schemas.HeaderErrorClass:
			what.Class = string(h.Value)
		case schemas.HeaderError:
			what.Err = string(h.Value)
		case schemas.HeaderReplay:
			what.Replay = string(h.Value)
		}
	}
	return w, what, settled, true
}

func parseTime(b []byte) time.Time {
	t, err := time.Parse(time.RFC3339Nano, string(b))
	if err != nil {
		return time.Time{}
	}
	return t
}

// personal tells which tool of a person wrote a record of the retry topic; empty: none did.
func personal(rec *kgo.Record) string {
	for i := range rec.Headers {
		if rec.Headers[i].Key == schemas.HeaderRetryBy {
			return string(rec.Headers[i].Value)
		}
	}
	return ""
}
