package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// filled says what is in the topic.
type filled struct {
	records int
	bytes   int // keys, values and headers
	largest int // the last offset of any partition
}

// fill writes n records of the kinds in turn.
func (b *bench) fill(ctx context.Context, k *kafka, kinds []kind, n int) (filled, error) {
	started := time.Now()
	producer, err := kgo.NewClient(producerOptions(k, 5*time.Millisecond)...)
	if err != nil {
		return filled{}, fmt.Errorf("make producer: %w", err)
	}
	defer producer.Close()
	var mu sync.Mutex
	f := filled{records: n}
	random := rand.New(rand.NewPCG(uint64(n), 1)) //nolint:gosec // test data, the same in every run
	for i := range n {
		r := kinds[i%len(kinds)].record(i, time.Now(), random)
		f.bytes += recordBytes(r)
		producer.Produce(ctx, r, func(r *kgo.Record, produceErr error) {
			mu.Lock()
			defer mu.Unlock()
			err = errors.Join(err, produceErr)
			f.largest = max(f.largest, int(r.Offset))
		})
		if ctx.Err() != nil {
			break
		}
	}
	flushErr := producer.Flush(ctx)
	mu.Lock()
	defer mu.Unlock()
	if err = errors.Join(flushErr, err); err != nil {
		return filled{}, fmt.Errorf("fill the topic: %w", err)
	}
	b.note("%d records, %.0f MB, written in %.0f s", n, float64(f.bytes)/1e6, time.Since(started).Seconds())
	return f, nil
}
