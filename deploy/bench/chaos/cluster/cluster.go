// Package cluster is what the runs do with their real Kafka beside starting it.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/partitioning/kafkatest"
	"millrace/partitioning/topicplan"
	"millrace/schemas"
)

// MakeTopics makes the topics that are wanted.
func MakeTopics(ctx context.Context, seeds []string, wanted []schemas.TopicSpec) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(seeds...))
	if err != nil {
		return fmt.Errorf("connect to Kafka: %w", err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	plan, err := topicplan.Make(ctx, client, wanted)
	if err != nil {
		return fmt.Errorf("compare topics: %w", err)
	}
	return topicplan.Apply(ctx, client, plan)
}

// KeepLogs copies the brokers' logs, which go with the cluster, into a folder.
func KeepLogs(kafka *kafkatest.Cluster, brokers int, dir string) error {
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
