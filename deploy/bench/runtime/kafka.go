package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/partitioning/topicplan"
	"millrace/schemas"
)

// askWithin is how long the broker may take for an answer.
const askWithin = 30 * time.Second

func (b *bench) brokers() string { return strings.Join(b.kafka.Brokers(), ",") }

func (b *bench) planOptions() schemas.PlanOptions {
	o := schemas.DefaultPlanOptions()
	o.Partitions, o.Replication, o.MinInsyncReplicas = int32(b.o.partitions), 1, 1 //nolint:gosec // a person's small number
	return o
}

// makeTopic creates a topic with as many partitions as the bench has.
func (b *bench) makeTopic(ctx context.Context, name string) error {
	o := b.planOptions()
	return b.makeTopics(ctx, []schemas.TopicSpec{{Name: name, Partitions: o.Partitions, Replication: o.Replication}})
}

func (b *bench) makeTopics(ctx context.Context, wanted []schemas.TopicSpec) error {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	plan, err := topicplan.Make(ctx, b.client, wanted)
	if err != nil {
		return fmt.Errorf("compare topics: %w", err)
	}
	return topicplan.Apply(ctx, b.client, plan)
}

// newGroup names a fresh consumer group, which makes every row start at the beginning of its topic.
func (b *bench) newGroup() string {
	b.groups++
	return fmt.Sprintf("bench-%d", b.groups)
}

// newService is newGroup with the topics that a millrace service in it needs.
func (b *bench) newService(ctx context.Context, topic string, state bool) (string, error) {
	name := b.newGroup()
	wanted, err := schemas.GroupTopics(name, []string{topic}, state, b.planOptions())
	if err != nil {
		return "", err
	}
	return name, b.makeTopics(ctx, wanted)
}

// dropService deletes a group's topics: what a row leaves behind must not slow the next.
func (b *bench) dropService(ctx context.Context, topic, name string, more ...string) error {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	adm := kadm.NewClient(b.client)
	topics := []string{schemas.RetryTopic(topic, name), schemas.DeadLetterTopic(topic, name), schemas.StateTopic(topic, name)}
	if _, err := adm.DeleteTopics(ctx, append(topics, more...)...); err != nil {
		return fmt.Errorf("delete the topics of group %s: %w", name, err)
	}
	return nil
}

// committed returns how many records a group has committed in a topic that has lost none.
func (b *bench) committed(ctx context.Context, group, topic string) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	offsets, err := kadm.NewClient(b.client).FetchOffsets(ctx, group)
	if err != nil {
		return 0, fmt.Errorf("read the offsets of group %s: %w", group, err)
	}
	var sum int64
	for _, o := range offsets[topic] {
		if o.Err != nil {
			return 0, fmt.Errorf("read the offsets of group %s: %w", group, o.Err)
		}
		sum += max(o.At, 0)
	}
	return sum, nil
}

// readCommitted calls f with every record of a topic that a read-committed reader sees, in the order of each partition.
// Nobody may be writing to it.
func (b *bench) readCommitted(ctx context.Context, topic string, f func(*kgo.Record) error) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	ends, err := kadm.NewClient(b.client).ListCommittedOffsets(ctx, topic)
	if err != nil {
		return fmt.Errorf("read the ends of %s: %w", topic, err)
	}
	left := map[int32]int64{}
	from := map[int32]kgo.Offset{}
	ends.Each(func(o kadm.ListedOffset) {
		from[o.Partition] = kgo.NewOffset().AtStart()
		if o.Offset > 0 {
			left[o.Partition] = o.Offset
		}
	})
	// The last offset before the end may be that of a transaction's marker, so these are kept to see the end.
	reader, err := kgo.NewClient(kgo.SeedBrokers(b.kafka.Brokers()...), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}))
	if err != nil {
		return fmt.Errorf("read %s: %w", topic, err)
	}
	defer reader.Close()
	for len(left) > 0 {
		fetches := reader.PollFetches(ctx)
		if err := errors.Join(fetches.Err(), ctx.Err()); err != nil {
			return fmt.Errorf("read %s: %w", topic, err)
		}
		var failed error
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() && failed == nil {
				failed = f(r)
			}
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
		})
		if failed != nil {
			return fmt.Errorf("read %s: %w", topic, failed)
		}
	}
	return nil
}
