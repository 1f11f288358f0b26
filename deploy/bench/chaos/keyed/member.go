package keyed

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/group"
	"millrace/consumers/group/outgoing"
	"millrace/deploy/bench/chaos/keyed/ledger"
	"millrace/deploy/internal/child"
)

// MemberRole is the first argument that turns the program into a member process.
const MemberRole = "keyed-member"

// memberSpec is what a member process is told.
type memberSpec struct {
	Process string
	Seeds   []string
	Dir     string
	Backend string // URL of the shops' backends, "" for none
	World   ledger.World
	Rates   ledger.Rates
	Config  group.Config
}

// Member is the member process: a service on the keyed runtime. It runs until ctx ends.
func Member(ctx context.Context, args []string) error {
	f := flag.NewFlagSet(MemberRole, flag.ContinueOnError)
	text := f.String("spec", "", "what the member is, as JSON")
	if err := f.Parse(args); err != nil {
		return fmt.Errorf("read flags: %w", err)
	}
	var spec memberSpec
	if err := child.Spec(*text, &spec); err != nil {
		return err
	}
	log, err := ledger.OpenLog(spec.Dir, spec.Process)
	if err != nil {
		return err
	}
	defer log.Close()
	ctx, stop := child.WithParent(ctx)
	defer stop()
	return runMember(ctx, &spec, log)
}

func runMember(ctx context.Context, spec *memberSpec, log *ledger.Log) error {
	logger := slog.New(slog.NewJSONHandler(os.Stderr, nil)).With("process", spec.Process)
	registry := prometheus.NewRegistry()
	h := &handler{world: spec.World, rates: spec.Rates, log: log, backend: spec.Backend, visits: map[ledger.Event]int{}}
	service := group.Service{
		Name: "chaos", Topics: []string{sourceTopic}, Handler: h, Emits: []string{outTopic}, State: true,
	}
	if spec.Backend != "" {
		cfg := outgoing.DefaultConfig()
		client, err := outgoing.New("backend", cfg, outgoing.Deps{Logger: logger, Registerer: registry})
		if err != nil {
			return err
		}
		h.client, service.Gate = client, client
		h.http = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: cfg.Concurrency}}
	}
	runtime, err := group.New(service, spec.Config, group.Deps{ //nolint:contextcheck // New starts nothing
		Kafka:  []kgo.Opt{kgo.SeedBrokers(spec.Seeds...), kgo.ClientID(spec.Process), kgo.WithHooks(&expulsions{log: log})},
		Logger: logger, Registerer: registry,
	})
	if err != nil {
		return fmt.Errorf("build the runtime: %w", err)
	}
	logger.InfoContext(ctx, "starting", "pid", os.Getpid())
	return errors.Join(runtime.Run(ctx), h.failure())
}

// expulsions writes down when the group has thrown the member out, which explains what comes of it.
type expulsions struct{ log *ledger.Log }

// OnGroupManageError implements kgo.HookGroupManageError.
func (e *expulsions) OnGroupManageError(err error) { _ = e.log.Lost(time.Now(), err.Error()) }
