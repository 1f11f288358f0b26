package analytics

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/group/member"
)

// pendingOf returns the mark that a predecessor has left with the committed offset; ok is false where there is none to follow.
func (s *Sink) pendingOf(ctx context.Context, tp member.TP, c member.Committed) (m mark, ok bool) {
	if c.Metadata == "" {
		return mark{}, false
	}
	m, err := parseMark(c.Metadata)
	if err == nil && m.start == c.Offset {
		return m, true
	}
	// A tool that moves offsets may copy the metadata with them, and another program may have used the group.
	s.metrics.marksIgnored.Inc()
	s.logger.WarnContext(ctx, "commit metadata is not about the committed offset and is ignored", "topic", tp.Topic, "partition", tp.Partition,
		"offset", c.Offset, "metadata", cutText(c.Metadata, 100), "err", err)
	return mark{}, false
}

// replay brings in the batch that a predecessor was about to insert, or has inserted: exactly the same range of offsets, whatever the
// limits of a batch are now, so that ClickHouse knows it by its token. It is called before anything of the partition is fetched, and
// reads the range by itself, since only a reader of its own learns that the end of a range was passed where nothing came: what aborted
// transactions, compaction or retention have taken away comes to no consumer.
//
// Memory is bounded: s.replays lets few ranges be held at once.
func (s *Sink) replay(ctx context.Context, p *partition, m mark) error {
	select {
	case s.replays <- struct{}{}:
		defer func() { <-s.replays }()
	case <-ctx.Done():
		return ctx.Err()
	}
	b := &batch{bounds: bounds{topic: p.Topic, partition: p.Partition, start: m.start, end: m.end}}
	err := s.member.Span(ctx, p.TP, m.start, m.end, func(r *kgo.Record) error {
		b.records = append(b.records, r)
		b.bytes += recordBytes(r)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the pending batch %s: %w", b.token(), err)
	}
	s.mu.Lock()
	p.next = m.end
	p.begin(b)
	s.buffered += b.bytes
	s.mu.Unlock()
	s.logger.InfoContext(ctx, "a pending batch is inserted again", "topic", b.topic, "partition", b.partition, "offset", b.start, "end_offset", b.end,
		"records", len(b.records), "records_then", m.records)
	err = s.land(ctx, b, true)
	s.release(b)
	s.finish(p, b, err == nil)
	if err != nil {
		return err
	}
	s.metrics.replayed.Inc()
	return nil
}
