package member

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/group/internal/logread"
)

// ErrLogShort is returned by Span when the log ends before the end of the range: it was cut short, or the topic made anew.
var ErrLogShort = errors.New("kafka's log ends before the range does")

// Span calls f for each committed record with from <= offset < to, in order, and returns when nothing in the range can come any
// more: it knows the positions of control records, of aborted records and of what compaction or retention has removed, and does not
// wait for them. It is beside the group: a Work may call it in Prepare, where nothing is fetched yet. The only position that it
// moves is its own.
//
// What f keeps of a record keeps the record's whole batch. Errors: f's, ctx's, ErrLogShort, and what a repeat does not mend.
func (m *Member) Span(ctx context.Context, tp TP, from, to int64, f func(*kgo.Record) error) error {
	reader := logread.New(m.client())
	ends, err := reader.Ends(ctx, tp.Topic, []int32{tp.Partition})
	if err != nil {
		return fmt.Errorf("find the end of %s: %w", tp, err)
	}
	if end := ends[tp.Partition]; end < to {
		return fmt.Errorf("%w: %s ends at %d and is wanted from %d to %d", ErrLogShort, tp, end, from, to)
	}
	if _, err := reader.Scan(ctx, tp.Topic, tp.Partition, from, to, f); err != nil {
		return fmt.Errorf("read a range of %s: %w", tp, err)
	}
	return nil
}
