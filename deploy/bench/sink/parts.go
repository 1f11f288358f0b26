package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/analytics/database"
	"millrace/deploy/embedded/engine"
	"millrace/deploy/embedded/fetch"
	"millrace/partitioning/kafkatest"
	"millrace/partitioning/topicplan"
	"millrace/schemas"
)

// bench is one run.
type bench struct {
	o         options
	dir       string
	log       io.Writer
	report    *report
	logger    *slog.Logger
	url       string // of the engine
	engine    *engine.Supervisor
	stop      func() error    // of the engine
	databases int             // each run has a fresh one
	groups    int             // and a fresh consumer group
	fullRate  map[int]float64 // of the sink, by body size
	verified  int             // rows that were compared with Kafka
}

// records returns how many records the broker has.
func (k *kafka) records(ctx context.Context) (int, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(k.cluster.Brokers()...))
	if err != nil {
		return 0, fmt.Errorf("connect to Kafka: %w", err)
	}
	defer client.Close()
	names := make([]string, 0, len(schemas.Domains()))
	for _, d := range schemas.Domains() {
		names = append(names, d.KafkaTopic())
	}
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, names...)
	if err != nil {
		return 0, fmt.Errorf("ask Kafka for its ends: %w", err)
	}
	n := 0
	ends.Each(func(o kadm.ListedOffset) { n += int(o.Offset) })
	return n, nil
}

func newBench(ctx context.Context, o options) (_ *bench, err error) {
	b := &bench{o: o, log: os.Stderr, report: &report{}, fullRate: map[int]float64{}}
	b.logger = slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if b.dir, err = os.MkdirTemp(o.dir, "millrace-bench-"); err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	if err := b.startEngine(ctx); err != nil {
		return nil, errors.Join(err, b.close())
	}
	b.describe()
	return b, nil
}

func (b *bench) close() error {
	var err error
	if b.stop != nil {
		err = b.stop()
	}
	return errors.Join(err, os.RemoveAll(b.dir))
}

// startEngine starts the engine of `millrace dev`, with its default settings.
func (b *bench) startEngine(ctx context.Context) error {
	library, err := fetch.Library(ctx, fetch.Config{}, fetch.Deps{Progress: b.log, Logger: b.logger})
	if err != nil {
		return fmt.Errorf("find the engine: %w", err)
	}
	cfg := engine.DefaultConfig()
	cfg.Addr, cfg.DataDir, cfg.Library = "127.0.0.1:0", filepath.Join(b.dir, "clickhouse"), library
	if b.engine, err = engine.New(cfg, engine.Deps{Logger: b.logger}); err != nil {
		return fmt.Errorf("make engine: %w", err)
	}
	if err := b.engine.Listen(ctx); err != nil {
		return fmt.Errorf("start engine: %w", err)
	}
	// It ends after the children that insert into it, not with ctx.
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- b.engine.Run(running) }()
	b.stop = func() error { cancel(); return <-ended }
	b.url = b.engine.URL()
	return b.engine.WaitReady(ctx)
}

// freshDatabase makes a database with the program's tables and views.
func (b *bench) freshDatabase(ctx context.Context) (*database.DB, error) {
	b.databases++
	db, err := openDatabase(b.url, fmt.Sprintf("bench_%d", b.databases), "")
	if err != nil {
		return nil, err
	}
	if _, err := database.Migrate(ctx, db, database.MigrateOptions{Logger: slog.New(slog.DiscardHandler)}); err != nil {
		return nil, errors.Join(fmt.Errorf("make tables: %w", err), db.Close())
	}
	return db, nil
}

// openDatabase connects as the sink does by default; compression is "" for the default.
func openDatabase(url, name, compression string) (*database.DB, error) {
	c := database.DefaultConfig()
	c.URL, c.Database = url, name
	if compression != "" {
		c.Compression = compression
	}
	return c.Open()
}

// drop removes a database with its data, so that its merges do not run beside the next measurement.
func (b *bench) drop(ctx context.Context, db *database.DB) error {
	err := db.Conn().Exec(ctx, "DROP DATABASE IF EXISTS "+db.Quoted())
	if err != nil {
		err = fmt.Errorf("drop database: %w", err)
	}
	return errors.Join(err, db.Close())
}

// kafka is a broker with the program's topics.
type kafka struct {
	cluster    *kafkatest.Cluster
	partitions int
}

func (b *bench) startKafka(ctx context.Context, partitions int) (_ *kafka, err error) {
	cluster, err := kafkatest.New(ctx, kafkatest.Config{FullJIT: true, Heap: "1g", Dir: b.dir, Progress: b.log})
	if err != nil {
		return nil, fmt.Errorf("start Kafka: %w", err)
	}
	k := &kafka{cluster, partitions}
	if err := k.makeTopics(ctx); err != nil {
		return nil, errors.Join(err, k.close())
	}
	return k, nil
}

// makeTopics creates the program's topics unreplicated.
func (k *kafka) makeTopics(ctx context.Context) error {
	options := schemas.DefaultPlanOptions()
	options.Partitions, options.Replication, options.MinInsyncReplicas = int32(k.partitions), 1, 1 //nolint:gosec // a person's small number
	wanted, err := schemas.TopicPlan(options)
	if err != nil {
		return fmt.Errorf("plan topics: %w", err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(k.cluster.Brokers()...))
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

func (k *kafka) brokers() string { return strings.Join(k.cluster.Brokers(), ",") }

func (k *kafka) close() error {
	if err := k.cluster.Close(); err != nil {
		return fmt.Errorf("stop Kafka: %w", err)
	}
	return nil
}
