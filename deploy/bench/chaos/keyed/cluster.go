package keyed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"millrace/deploy/bench/chaos/cluster"
	"millrace/partitioning/kafkatest"
	"millrace/schemas"
)

// Names in Kafka.
const (
	sourceTopic = "chaos.events"
	outTopic    = "chaos.emitted"
	groupID     = "chaos"
)

const brokers = 3

// startKafka starts the brokers and makes the topics.
func startKafka(ctx context.Context, o *Options, progress io.Writer) (*kafkatest.Cluster, error) {
	kafka, err := kafkatest.New(ctx, kafkatest.Config{
		Brokers: brokers, Dir: o.Dir, Progress: progress,
		Properties: map[string]string{
			// Of the consumer protocol; the classic one has it from the members.
			"group.consumer.session.timeout.ms":    strconv.FormatInt(o.Session.Milliseconds(), 10),
			"group.consumer.heartbeat.interval.ms": strconv.FormatInt((o.Session / 6).Milliseconds(), 10),
			// Compaction has to happen while the members read what is compacted.
			"log.cleaner.backoff.ms": "2000",
		},
	})
	if err != nil {
		return nil, fmt.Errorf("start Kafka: %w", err)
	}
	if err := makeTopics(ctx, kafka.Brokers()); err != nil {
		return nil, errors.Join(err, kafka.Close())
	}
	return kafka, nil
}

func makeTopics(ctx context.Context, seeds []string) error {
	options := schemas.DefaultPlanOptions()
	options.Partitions = partitions
	wanted, err := schemas.GroupTopics(groupID, []string{sourceTopic}, true, options)
	if err != nil {
		return err
	}
	for _, spec := range wanted {
		if spec.Configs["cleanup.policy"] == "compact" {
			spec.Configs["segment.ms"], spec.Configs["min.cleanable.dirty.ratio"] = "10000", "0.01"
			spec.Configs["delete.retention.ms"] = "60000"
		}
	}
	for _, name := range []string{sourceTopic, outTopic} {
		wanted = append(wanted, schemas.TopicSpec{Name: name, Partitions: partitions, Replication: brokers, Configs: map[string]string{"min.insync.replicas": "2"}})
	}
	return cluster.MakeTopics(ctx, seeds, wanted)
}
