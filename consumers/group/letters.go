package group

import (
	"context"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/schemas"
)

// countPartition reads on in a dead-letter partition. What cannot be read now is read the next time.
func (r *Runtime) countPartition(ctx context.Context, topic string, p *partition, c *letterCount) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	ends, err := r.reader.Ends(ctx, topic, []int32{p.tp.Partition})
	if err != nil || ends[p.tp.Partition] <= c.next {
		return
	}
	next, err := r.reader.Scan(ctx, topic, p.tp.Partition, c.next, ends[p.tp.Partition], func(rec *kgo.Record) error {
		offset, resolved := letterOf(rec)
		switch {
		case offset < 0:
		case resolved:
			delete(c.open, offset)
		default:
			c.open[offset] = struct{}{}
		}
		return nil
	})
	if err == nil || next > c.next {
		c.next = next
	}
}

// letterOf returns the source offset that a record of a dead-letter topic is about, -1 for none, and whether it settles the letter.
func letterOf(rec *kgo.Record) (offset int64, resolved bool) {
	offset = -1
	for i := range rec.Headers {
		switch h := &rec.Headers[i]; h.Key {
		case schemas.HeaderSourceOffset:
			if n, err := strconv.ParseInt(string(h.Value), 10, 64); err == nil {
				offset = n
			}
		case schemas.HeaderResolution:
			resolved = true
		}
	}
	return offset, resolved
}
