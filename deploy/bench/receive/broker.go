package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/deploy/embedded"
	"millrace/partitioning/topicplan"
	"millrace/schemas"
)

// withBroker runs a receiver and the embedded broker in one process, as `millrace dev` does.
func withBroker(ctx context.Context, ln net.Listener, dir string, fsync bool) (func(context.Context) error, error) {
	cfg := embedded.DefaultBrokerConfig()
	cfg.Addr, cfg.DataDir, cfg.Fsync = "127.0.0.1:0", filepath.Join(dir, "kafka"), fsync
	broker, err := embedded.NewBroker(cfg, slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		return nil, fmt.Errorf("build broker: %w", err)
	}
	err = errors.Join(broker.Listen(ctx), broker.Start(ctx))
	if err == nil {
		err = createTopics(ctx, []string{broker.Addr()}, 6)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start broker: %w", err), broker.Close())
	}
	run, err := receiver(ln, []string{broker.Addr()})
	if err != nil {
		return nil, errors.Join(err, broker.Close())
	}
	return func(ctx context.Context) error { return errors.Join(run(ctx), broker.Close()) }, nil
}

// createTopics creates the domain topics unreplicated, since both brokers here are single.
func createTopics(ctx context.Context, brokers []string, partitions int32) error {
	options := schemas.DefaultPlanOptions()
	options.Partitions, options.Replication, options.MinInsyncReplicas = partitions, 1, 1
	wanted, err := schemas.TopicPlan(options)
	if err != nil {
		return fmt.Errorf("plan topics: %w", err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		return fmt.Errorf("connect to Kafka: %w", err)
	}
	defer client.Close()
	plan, err := topicplan.Make(ctx, client, wanted)
	if err != nil {
		return fmt.Errorf("compare topics: %w", err)
	}
	return topicplan.Apply(ctx, client, plan)
}
