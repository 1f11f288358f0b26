package logread

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// First returns when the first committed record with from <= offset < to was written; found is false where there is none. next is
// where to go on when err ends the search: nothing before it is such a record. It asks for little, and for more each time it has to go
// on over aborted records. (Not for a single batch: the embedded broker tells of a transaction's end only where that is in the answer.)
func (r *Reader) First(ctx context.Context, topic string, partition int32, from, to int64) (written time.Time, next int64, found bool, err error) {
	next = from
	doing := func(err error) error {
		return fmt.Errorf("find the first record of %s/%d at offset %d of %d: %w", topic, partition, next, to, err)
	}
	c, err := r.cursor(ctx, topic, partition, readCommitted)
	if err != nil {
		return written, next, false, doing(err)
	}
	for size := int32(minAtBytes); next < to; size = min(4*size, maxAtBytes) {
		answer, err := c.fetch(ctx, next, size)
		if errors.Is(err, errOutOfRange) {
			if next, err = c.start(ctx, next); err != nil {
				return written, next, false, doing(err)
			}
			continue
		}
		if err != nil {
			return written, next, false, doing(err)
		}
		part, after := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
			Offset: next, IsolationLevel: kgo.ReadCommitted(), Topic: topic, Partition: partition,
		}, answer, r.dec, nil)
		if len(part.Records) > 0 {
			first := part.Records[0]
			return first.Timestamp, first.Offset, first.Offset < to, nil
		}
		if part.Err != nil {
			return written, after, false, doing(part.Err)
		}
		next = after
	}
	return written, next, false, nil
}
