package sink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/partitioning/kafkatest"
	"millrace/partitioning/topicplan"
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
	client, err := kgo.NewClient(kgo.SeedBrokers(seeds...))
	if err != nil {
		return fmt.Errorf("connect to Kafka: %w", err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	plan, err := topicplan.Make(ctx, client, slices.Concat(wanted, activity, store, letters))
	if err != nil {
		return fmt.Errorf("compare topics: %w", err)
	}
	return topicplan.Apply(ctx, client, plan)
}

// eventTopics are the topics that the story writes to.
func eventTopics() []string {
	var names []string
	for _, d := range schemas.Domains() {
		names = append(names, d.KafkaTopic())
	}
	return names
}

// keepLogs copies the brokers' logs, which go with the cluster.
func keepLogs(kafka *kafkatest.Cluster, dir string) error {
	var errs []error
	for i := range brokers {
		data, err := os.ReadFile(kafka.LogFile(i))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, fmt.Sprintf("broker-%d.log", i)), data, 0o600) //nolint:gosec // a folder of ours
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
