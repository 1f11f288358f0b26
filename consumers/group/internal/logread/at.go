package logread

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// An answer has at least one whole batch, so the least size costs nothing where batches are large; where many of the wanted records
// stand side by side, larger answers save requests.
const (
	minAtBytes = 64 << 10
	maxAtBytes = 1 << 20
	manyHits   = 8
)

// At calls f for the records at these offsets, which are sorted and known to be committed: it does not wait for transactions that are
// open. Those that the log no longer has are passed over. f may keep its record: it shares nothing with its batch, which can be a
// thousand times as large.
func (r *Reader) At(ctx context.Context, topic string, partition int32, offsets []int64, f func(*kgo.Record)) error {
	if len(offsets) == 0 {
		return nil
	}
	doing := func(err error) error {
		return fmt.Errorf("read %s/%d at offset %d: %w", topic, partition, offsets[0], err)
	}
	c, err := r.cursor(ctx, topic, partition, readUncommitted)
	if err != nil {
		return doing(err)
	}
	size := int32(minAtBytes)
	for idle := 0; len(offsets) > 0; {
		answer, err := c.fetch(ctx, offsets[0], size)
		if errors.Is(err, errOutOfRange) {
			start, err := c.start(ctx, offsets[0])
			if err != nil {
				return doing(err)
			}
			offsets = after(offsets, start)
			continue
		}
		if err != nil {
			return doing(err)
		}
		before := len(offsets)
		var hits int
		if offsets, hits, err = c.pick(answer, offsets, f); err != nil {
			return doing(err)
		}
		switch {
		case len(offsets) == before: // a new leader may not know yet that the record is safe
			idle++
			if err := sleep(ctx, idle); err != nil {
				return doing(err)
			}
		case hits >= manyHits:
			idle, size = 0, min(2*size, maxAtBytes)
		default:
			idle, size = 0, max(size/2, minAtBytes)
		}
	}
	return nil
}

// pick calls f for the wanted records of an answer, and returns the offsets that it says nothing about. Only batches that have a wanted
// offset are decoded.
func (c *cursor) pick(answer *kmsg.FetchResponseTopicPartition, offsets []int64, f func(*kgo.Record)) (rest []int64, hits int, err error) {
	raw := answer.RecordBatches
	for len(offsets) > 0 {
		b, ok := firstBatch(raw)
		if !ok {
			break
		}
		if offsets = after(offsets, b.first); len(offsets) > 0 && offsets[0] <= b.last {
			one := *answer
			one.RecordBatches = raw[:b.size]
			n := 0
			if n, err = c.pickBatch(&one, offsets, f); err != nil {
				return offsets, hits, err
			}
			hits += n
		}
		offsets = after(offsets, b.last+1)
		raw = raw[b.size:]
	}
	return offsets, hits, nil
}

func (c *cursor) pickBatch(answer *kmsg.FetchResponseTopicPartition, offsets []int64, f func(*kgo.Record)) (hits int, err error) {
	part, _ := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{Offset: offsets[0], Topic: c.topic, Partition: c.partition}, answer, c.r.dec, nil)
	for _, r := range part.Records {
		if offsets = after(offsets, r.Offset); len(offsets) > 0 && offsets[0] == r.Offset {
			f(Detach(r))
			hits++
		}
	}
	return hits, part.Err
}

// batchBounds is what the head of a batch says.
type batchBounds struct {
	first, last int64 // offsets
	size        int
}

// firstBatch reads the head of the first batch; ok is false where there is none, or where it is cut.
func firstBatch(raw []byte) (b batchBounds, ok bool) {
	const (
		lengthAt, lastAt = 8, 23
		headSize         = 61
		lengthEnd        = 12 // the length counts from here
	)
	if len(raw) < headSize {
		return b, false
	}
	b.first = int64(binary.BigEndian.Uint64(raw))                            //nolint:gosec // as the format has it
	b.last = b.first + int64(int32(binary.BigEndian.Uint32(raw[lastAt:])))   //nolint:gosec // as the format has it
	b.size = lengthEnd + int(int32(binary.BigEndian.Uint32(raw[lengthAt:]))) //nolint:gosec // as the format has it
	return b, b.size >= headSize && b.size <= len(raw)
}

// after drops the offsets below at.
func after(offsets []int64, at int64) []int64 {
	i, _ := slices.BinarySearch(offsets, at)
	return offsets[i:]
}

// Detach copies a record out of its batch, which otherwise lives as long as the last of its records.
func Detach(r *kgo.Record) *kgo.Record {
	out := *r
	out.Key, out.Value = slices.Clone(r.Key), slices.Clone(r.Value)
	out.Headers = make([]kgo.RecordHeader, len(r.Headers))
	for i, h := range r.Headers {
		out.Headers[i] = kgo.RecordHeader{Key: strings.Clone(h.Key), Value: slices.Clone(h.Value)}
	}
	return &out
}
