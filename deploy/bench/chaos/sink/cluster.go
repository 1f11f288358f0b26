package sink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"millrace/deploy/bench/chaos/cluster"
	"millrace/partitioning/kafkatest"
	"millrace/schemas"
)

const brokers = 3

// startKafka starts the brokers and makes the topics.
func startKafka(ctx context.Context, o *Options, progress io.Writer) (*kafkatest.Cluster, error) {
	kafka, err := kafkatest.New(ctx, kafkatest.Config{Brokers: brokers, Dir: o.Dir, Progress: progress})
	if err != nil {
		return nil, fmt.Errorf("start Kafka: %w", err)
	}
	if err := makeTopics(ctx, o, kafka.Brokers()); err != nil {
		return nil, errors.Join(err, kafka.Close())
	}
	return kafka, nil
}

func makeTopics(ctx context.Context, o *Options, seeds []string) error {
	options := schemas.DefaultPlanOptions()
	options.Partitions = int32(o.Partitions) //nolint:gosec // bounded by the flag
	wanted, err := schemas.TopicPlan(options)
	if err != nil {
		return err
	}
	activity, err := schemas.ActivityTopics(options)
	if err != nil {
		return err
	}
	store, err := schemas.OrderEventsTopics(options)
	if err != nil {
		return err
	}
	letters, err := schemas.GroupTopics(groupID, append(eventTopics(), schemas.ActivityTopic, schemas.OrderEventsTopic), false, options)
	if err != nil {
		return err
	}
	return cluster.MakeTopics(ctx, seeds, slices.Concat(wanted, activity, store, letters))
}

// eventTopics are the topics that the story writes to.
func eventTopics() []string {
	var names []string
	for _, d := range schemas.Domains() {
		names = append(names, d.KafkaTopic())
	}
	return names
}
