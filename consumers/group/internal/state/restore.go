package state

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/group/internal/logread"
)

const (
	// maxAge is how old a store may be to be brought up to date instead of being read anew: half of what Kafka keeps the notes of
	// removals by default (delete.retention.ms, 24 h).
	maxAge = 12 * time.Hour

	restoreRecords = 1000
	restoreBytes   = 1 << 20
)

// Restore brings the store of a partition up to the high watermark of its changelog and returns it as a Partition. It waits for
// transactions that are open there, as long as ctx allows. A store that cannot be trusted is wiped first: it is a copy of another
// incarnation of the topic, or beyond its end, or so old that it may have missed removals.
func Restore(ctx context.Context, r *logread.Reader, st Store, topic string, partition int32) (*Partition, error) {
	p := &Partition{st: st, overlay: map[string]pending{}}
	if err := p.restore(ctx, r, topic, partition); err != nil {
		return nil, fmt.Errorf("restore state from %s/%d: %w", topic, partition, err)
	}
	return p, nil
}

func (p *Partition) restore(ctx context.Context, r *logread.Reader, topic string, partition int32) error {
	id, err := r.TopicID(ctx, topic)
	if err != nil {
		return err
	}
	starts, err := r.Starts(ctx, topic, []int32{partition})
	if err != nil {
		return err
	}
	asked := time.Now()
	ends, err := r.Ends(ctx, topic, []int32{partition})
	if err != nil {
		return err
	}
	start, end := starts[partition], ends[partition]
	if !p.trusted(id, start, end) {
		// Without a mark it stays untrusted until it is complete: a copy of a part may miss removals of what it has.
		if err := p.st.Wipe(); err != nil {
			return err
		}
	}
	from := max(p.st.Position(), start)
	b := &filler{st: p.st}
	next, err := r.Scan(ctx, topic, partition, from, end, b.add)
	if err != nil {
		return err
	}
	if err := b.flush(next); err != nil {
		return err
	}
	p.mark = Mark{Topic: id, Current: asked}
	return p.st.SetMark(p.mark)
}

// trusted tells whether the store is an earlier state of this changelog.
func (p *Partition) trusted(id [16]byte, start, end int64) bool {
	m, at := p.st.Mark(), p.st.Position()
	return m.Topic == id && at >= start && at <= end && time.Since(m.Current) < maxAge
}

// filler applies records in batches.
type filler struct {
	st    Store
	kvs   []KV
	bytes int
}

func (b *filler) add(r *kgo.Record) error {
	b.kvs = append(b.kvs, KV{r.Key, r.Value}) // stores copy: a value must not keep its whole batch alive
	b.bytes += len(r.Key) + len(r.Value)
	if len(b.kvs) < restoreRecords && b.bytes < restoreBytes {
		return nil
	}
	return b.flush(r.Offset + 1)
}

func (b *filler) flush(next int64) error {
	if err := b.st.Apply(b.kvs, next); err != nil {
		return err
	}
	clear(b.kvs) // the records they point to can go
	b.kvs, b.bytes = b.kvs[:0], 0
	return nil
}
