package sink

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/analytics"
	"millrace/consumers/analytics/database"
	"millrace/deploy/internal/child"
)

// MemberRole is the first argument that turns the program into a sink.
const MemberRole = "sink-member"

// memberSpec is what a sink process is told.
type memberSpec struct {
	Process      string
	Seeds        []string
	URL          string // of ClickHouse, as the proxy shows it
	SkipReadBack bool
	Config       analytics.Config
}

// Member is the sink process. It runs until ctx ends.
func Member(ctx context.Context, args []string) error {
	f := flag.NewFlagSet(MemberRole, flag.ContinueOnError)
	text := f.String("spec", "", "what the sink is, as JSON")
	if err := f.Parse(args); err != nil {
		return fmt.Errorf("read flags: %w", err)
	}
	var spec memberSpec
	if err := child.Spec(*text, &spec); err != nil {
		return err
	}
	ctx, stop := child.WithParent(ctx)
	defer stop()
	return runMember(ctx, &spec)
}

func runMember(ctx context.Context, spec *memberSpec) error {
	logger := slog.New(slog.NewJSONHandler(os.Stderr, nil)).With("process", spec.Process)
	cfg := database.DefaultConfig()
	cfg.URL = spec.URL
	db, err := cfg.Open()
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	defer db.Close()
	sink, err := analytics.New(spec.Config, analytics.Deps{ //nolint:contextcheck // New starts nothing
		Kafka:      []kgo.Opt{kgo.SeedBrokers(spec.Seeds...), kgo.ClientID(spec.Process)},
		ClickHouse: db, Logger: logger, Registerer: prometheus.NewRegistry(), SkipReadBack: spec.SkipReadBack,
	})
	if err != nil {
		return fmt.Errorf("build the sink: %w", err)
	}
	logger.InfoContext(ctx, "starting", "pid", os.Getpid())
	return sink.Run(ctx)
}
