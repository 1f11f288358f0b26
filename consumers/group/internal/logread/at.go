package logread

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"
)

// At calls f for the records at exactly these offsets, which are sorted.
func (r *Reader) At(ctx context.Context, topic string, partition int32, offsets []int64, f func(*kgo.Record)) error {
	for _, o := range offsets {
		_, err := r.Scan(ctx, topic, partition, o, o+1, func(rec *kgo.Record) error { f(rec); return nil })
		if err != nil {
			return err
		}
	}
	return nil
}
