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

// An answer has at least one whole batch, so the least size costs little where batches are large.
const (
	minAtBytes = 64 << 10
	maxAtBytes = 1 << 20
	// skipBytes is about what can be read in the time of one more request: what lies between two wanted records is read over up to here.
	skipBytes = 128 << 10
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
	perOffset := 0.0 // bytes, as last seen; 0 when nothing is known
	for idle := 0; len(offsets) > 0; {
		answer, err := c.fetch(ctx, offsets[0], answerSize(offsets, perOffset))
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
		first := offsets[0]
		rest, next, err := c.pick(answer, offsets, f)
		if err != nil {
			return doing(err)
		}
		offsets = rest
		if next > first {
			idle, perOffset = 0, float64(len(answer.RecordBatches))/float64(next-first)
			continue
		}
		idle++ // a new leader may not know yet that the record is safe
		if sleep(ctx, idle) != nil {
			return doing(ctx.Err())
		}
	}
	return nil
}

// answerSize returns how much to ask for: up to the last of the wanted records between which reading on is cheaper than asking again.
func answerSize(offsets []int64, perOffset float64) int32 {
	size := float64(minAtBytes)
	for i := 1; i < len(offsets) && size < maxAtBytes; i++ {
		gap := float64(offsets[i]-offsets[i-1]) * perOffset
		if gap > skipBytes {
			break
		}
		size += gap
	}
	return int32(min(size, maxAtBytes))
}

// pick calls f for the wanted records of an answer, and returns the offsets that it says nothing about and the one after its last batch.
// Only batches that have a wanted offset are decoded.
func (c *cursor) pick(answer *kmsg.FetchResponseTopicPartition, offsets []int64, f func(*kgo.Record)) (rest []int64, next int64, err error) {
	for raw := answer.RecordBatches; ; {
		b, ok := firstBatch(raw)
		if !ok {
			return offsets, next, nil
		}
		if offsets = after(offsets, b.first); len(offsets) > 0 && offsets[0] <= b.last {
			one := *answer
			one.RecordBatches = raw[:b.size]
			if err := c.pickBatch(&one, offsets, f); err != nil {
				return offsets, next, err
			}
		}
		next = b.last + 1
		offsets, raw = after(offsets, next), raw[b.size:]
	}
}

func (c *cursor) pickBatch(answer *kmsg.FetchResponseTopicPartition, offsets []int64, f func(*kgo.Record)) error {
	part, _ := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{Offset: offsets[0], Topic: c.topic, Partition: c.partition}, answer, c.r.dec, nil)
	for _, r := range part.Records {
		if offsets = after(offsets, r.Offset); len(offsets) > 0 && offsets[0] == r.Offset {
			f(Detach(r))
		}
	}
	return part.Err
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
