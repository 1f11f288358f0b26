package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/cmd/millrace/config"
	"millrace/partitioning/kafkaconn"
	"millrace/partitioning/topicplan"
	"millrace/schemas"
)

// kafkaOptions are the options of the Kafka clients of one part of the program. client tells their metrics apart from those of
// other parts in the process.
func kafkaOptions(cfg kafkaconn.Config, log *slog.Logger, reg prometheus.Registerer, client string) ([]kgo.Opt, error) {
	options, err := cfg.Options(log)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	return append(options, kgo.WithHooks(newClientsMetrics(reg, client))), nil
}

const (
	// topicsTimeout is how long one look at, or change of, the cluster's topics may take.
	topicsTimeout = 30 * time.Second
	// topicsAskTimeout is the same while a service waits for Kafka, and topicsRetry the pause after it.
	topicsAskTimeout = 5 * time.Second
	topicsRetry      = time.Second
	// topicsSettle is how long missing topics may still turn up: each broker learns of a new topic in its own time, so the one
	// that is asked may be behind the one that created it.
	topicsSettle = 5 * time.Second
)

// withKafka hands out a client for as long as do runs.
func withKafka(ctx context.Context, cfg config.Config, log *slog.Logger, do func(context.Context, *kgo.Client) error) error {
	options, err := cfg.Kafka.Options(log)
	if err != nil {
		return fmt.Errorf("kafka: %w", err)
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return fmt.Errorf("kafka: %w", err)
	}
	defer client.Close()
	return do(ctx, client)
}

// awaitTopics returns nil once Kafka answers and the wanted topics are as planned. Kafka away means waiting, told through
// waiting; topics that have another number of partitions are an error, because events written to other partitions would
// lose their order for good, and so are topics that are missing, also after topicsSettle.
func awaitTopics(ctx context.Context, cfg config.Config, log *slog.Logger, waiting func(error), wanted []schemas.TopicSpec) error {
	return withKafka(ctx, cfg, log, func(ctx context.Context, client *kgo.Client) error {
		for begin := time.Now(); ; {
			ask, cancel := context.WithTimeout(ctx, topicsAskTimeout)
			plan, err := topicplan.Check(ask, client, wanted)
			cancel()
			switch {
			case err == nil:
				warnAbout(ctx, log, plan)
				return nil
			case errors.Is(err, topicplan.ErrConflict):
				return err
			case errors.Is(err, topicplan.ErrMissing) && time.Since(begin) > topicsSettle:
				return err
			case ctx.Err() != nil:
				return ctx.Err()
			}
			log.WarnContext(ctx, "waiting for kafka", "err", err)
			waiting(fmt.Errorf("waiting for Kafka: %w", err))
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(topicsRetry):
			}
		}
	})
}

// warnAbout logs the differences that a service can live with.
func warnAbout(ctx context.Context, log *slog.Logger, plan topicplan.Plan) {
	for _, c := range plan.Changes {
		log.WarnContext(ctx, "topic differs from the plan", "topic", c.Topic, "setting", c.Setting, "have", c.Have, "want", c.Want)
	}
}
