package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"millrace/cmd/millrace/supervise"
	"millrace/consumers/analytics"
	"millrace/consumers/analytics/database"
	"millrace/ingest"
	"millrace/schemas"
)

func (a *app) ingestCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ingest",
		Short: "Receive webhooks and store them in Kafka",
		Long: "Receive signed webhooks on ingest.listen (POST /webhooks) and answer 200 once Kafka has each. Waits for Kafka at the\n" +
			"start, and refuses to run on topics that are not as planned. Run as many as you like behind a load balancer;\n" +
			"/readyz on admin.listen tells it when to send.",
		Example: "  millrace ingest --config millrace.yaml\n" +
			"  MILLRACE_INGEST_SECRETS=... millrace ingest --kafka-brokers k1:9092,k2:9092 --ingest-listen :8080",
		Args: cobra.NoArgs,
	}
	s := a.use(cmd, []string{"kafka", "topics", "ingest", "admin", "log"}, nil, nil)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		l, err := s.checked()
		if err != nil {
			return err
		}
		svc := a.newService("ingest", l)
		receiver, err := svc.receiver()
		if err != nil {
			return err
		}
		return svc.run(cmd.Context(), receiver.Ready, nil,
			supervise.Component{Name: "topics", Prepare: func(ctx context.Context) error {
				wanted, err := schemas.TopicPlan(svc.cfg.Topics)
				if err != nil {
					return err
				}
				return awaitTopics(ctx, svc.cfg, svc.log, svc.ready.waiting, wanted)
			}},
			supervise.Component{Name: "ingest", Run: receiver.Run},
		)
	}
	return cmd
}

// receiver builds the HTTP receiver of webhooks.
func (s *service) receiver() (*ingest.Server, error) {
	options, err := kafkaOptions(s.cfg.Kafka, s.log, s.registry, "ingest")
	if err != nil {
		return nil, err
	}
	return ingest.New(s.cfg.Ingest, ingest.Deps{
		KafkaOptions: options, Logger: s.log, Registerer: s.registry, Listener: s.listeners.ingest,
	})
}

func (a *app) consumeCommand() *cobra.Command {
	commands := []*cobra.Command{a.consumeAnalytics()}
	for _, k := range keyedServices() {
		commands = append(commands, a.consumeKeyed(k))
	}
	return group("consume", "Run one consumer of the events", commands...)
}

func (a *app) consumeAnalytics() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "analytics",
		Short: "Bring every event from Kafka into ClickHouse",
		Long: "Read all domain topics, what the services did, and the event store of orders as one consumer group, and insert every\n" +
			"record into ClickHouse. Offsets are committed after the insert; while ClickHouse is away it waits and nothing is skipped.\n" +
			"The tables must be up to date: see `millrace clickhouse migrate`. Run as many as you like: they share the partitions.",
		Example: "  millrace consume analytics --config millrace.yaml\n" +
			"  millrace consume analytics --kafka-brokers k1:9092 --clickhouse-url http://ch1:8123 --admin-listen 127.0.0.1:9465",
		Args: cobra.NoArgs,
	}
	s := a.use(cmd, []string{"kafka", "topics", "clickhouse", "analytics", "admin", "log"}, nil, nil)
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		l, err := s.checked()
		if err != nil {
			return err
		}
		svc := a.newService("consume analytics", l)
		db, err := svc.cfg.ClickHouse.Open()
		if err != nil {
			return fmt.Errorf("open clickhouse %s: %w", svc.cfg.ClickHouse.URL, err)
		}
		defer func() { err = errors.Join(err, db.Close()) }()
		sink, err := svc.sink(db)
		if err != nil {
			return err
		}
		return svc.run(cmd.Context(), db.Ping, nil,
			supervise.Component{Name: "topics", Prepare: func(ctx context.Context) error {
				wanted, err := analyticsTopics(svc.cfg)
				if err != nil {
					return err
				}
				return awaitTopics(ctx, svc.cfg, svc.log, svc.ready.waiting, wanted)
			}},
			supervise.Component{Name: "analytics", Run: sink.Run},
		)
	}
	return cmd
}

// sink builds the consumer that fills ClickHouse.
func (s *service) sink(db *database.DB) (*analytics.Sink, error) {
	options, err := kafkaOptions(s.cfg.Kafka, s.log, s.registry, "analytics")
	if err != nil {
		return nil, err
	}
	return analytics.New(s.cfg.Analytics, analytics.Deps{Kafka: options, ClickHouse: db, Logger: s.log, Registerer: s.registry})
}
