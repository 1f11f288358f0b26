package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
)

// bare reads the topic in a group and counts: no order per key, no concurrency, no verdicts, offsets committed as they are polled. It
// is the least that a consumer on the same client library can do, and so what the runtime's own work is measured against.
func (h *handler) bare(ctx context.Context) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(h.spec.Brokers...), kgo.ConsumerGroup(h.spec.Group), kgo.ConsumeTopics(h.spec.Topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		return fmt.Errorf("connect to Kafka: %w", err)
	}
	defer client.Close()
	for {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err := fetches.Err(); err != nil {
			return errors.Join(errors.New("read the topic"), err)
		}
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			n := int64(len(p.Records))
			h.partitions[p.Partition].Add(n)
			h.handled.Add(n)
		})
	}
}
