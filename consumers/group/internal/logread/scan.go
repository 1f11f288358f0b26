package logread

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// scanBytes is what one answer may have; a larger batch comes alone.
const scanBytes = 4 << 20

// Scan calls f for each committed record with from <= offset < to, in order, and returns when nothing below to can come any more: it
// waits for transactions that are open below to. next is the position to go on from, at least to when err is nil; it is
// good also with an error, except that of f: then it is the offset of the record that f has refused. A range that begins
// below the log's start is read from there. What f keeps of a record keeps its whole batch: see Detach.
func (r *Reader) Scan(ctx context.Context, topic string, partition int32, from, to int64, f func(*kgo.Record) error) (next int64, err error) {
	if from >= to {
		return from, nil
	}
	doing := func(err error) error {
		return fmt.Errorf("read %s/%d at offset %d of %d: %w", topic, partition, next, to, err)
	}
	next = from
	c, err := r.cursor(ctx, topic, partition, readCommitted)
	if err != nil {
		return next, doing(err)
	}
	var answer *kmsg.FetchResponseTopicPartition
	for next < to {
		if answer, err = c.fetch(ctx, next, scanBytes); err != nil {
			if errors.Is(err, errOutOfRange) {
				next, err = c.start(ctx, next)
			}
			if err != nil {
				return next, doing(err)
			}
			continue
		}
		if next, err = c.each(answer, next, to, f); err != nil {
			return next, doing(err)
		}
	}
	return next, nil
}

// start returns the log's start, for a position that is out of range. It is an error when that is not because the log begins later.
func (c *cursor) start(ctx context.Context, at int64) (int64, error) {
	starts, err := c.r.Starts(ctx, c.topic, []int32{c.partition})
	if err != nil {
		return at, err
	}
	if start := starts[c.partition]; start > at {
		return start, nil
	}
	return at, fmt.Errorf("%w, which begins at %d", errOutOfRange, starts[c.partition])
}

// each calls f for the records of an answer from an offset on and below another, and returns the position after them.
func (c *cursor) each(answer *kmsg.FetchResponseTopicPartition, from, to int64, f func(*kgo.Record) error) (int64, error) {
	part, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
		Offset:         from,
		IsolationLevel: kgo.ReadCommitted(),
		Topic:          c.topic,
		Partition:      c.partition,
	}, answer, c.r.dec, nil)
	for _, r := range part.Records {
		// What has come since the caller asked where the log ends is in the same answer: it is not passed, so it must not be passed over.
		if r.Offset >= to {
			return r.Offset, nil
		}
		if err := f(r); err != nil {
			return r.Offset, err
		}
	}
	if part.Err != nil {
		return next, part.Err
	}
	return next, nil
}
