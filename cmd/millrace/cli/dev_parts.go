package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/cmd/millrace/supervise"
	"millrace/cmd/storesim/sim"
	"millrace/consumers/analytics/database"
	"millrace/deploy/embedded"
	"millrace/deploy/embedded/engine"
	"millrace/deploy/embedded/fetch"
	"millrace/partitioning/topicplan"
)

// engineStopTimeout is how long the engine may take to stop before it is killed: it has acknowledged nothing that it
// would still have to write.
const engineStopTimeout = 3 * time.Second

// start takes the addresses, fetches the engine, and runs the parts in the order of their needs: each writes only to
// parts before it, so that stopping in reverse loses nothing.
func (d *dev) start(ctx context.Context) error {
	kafka, clickHouse, err := d.servers(ctx)
	if err != nil {
		return err
	}
	db, err := d.cfg.ClickHouse.Open()
	if err != nil {
		return fmt.Errorf("open clickhouse %s: %w", d.cfg.ClickHouse.URL, err)
	}
	defer func() { _ = db.Close() }()
	sink, err := d.sink(db) //nolint:contextcheck // this only builds it: it gets its context from Run
	if err != nil {
		return err
	}
	receiver, err := d.receiver()
	if err != nil {
		return err
	}
	parts := []supervise.Component{
		kafka,
		clickHouse,
		{Name: "topics", Prepare: func(ctx context.Context) error { return d.applyTopics(ctx) }},
		{Name: "tables", Prepare: func(ctx context.Context) error {
			return migrateWhenThere(ctx, db, database.MigrateOptions{Logger: d.log})
		}},
		{Name: "analytics", Run: sink.Run},
	}
	if d.simulatedWorld {
		world, err := d.world(ctx)
		if err != nil {
			return err
		}
		parts = append(parts, world)
	}
	services, servicesReady, err := d.services() //nolint:contextcheck // this only builds them: they get their context from Run
	if err != nil {
		return err
	}
	parts = append(parts, services...)
	parts = append(parts, supervise.Component{Name: "ingest", Run: receiver.Run, Ready: receiver.Ready})
	if d.cfg.Dev.Simulate > 0 {
		simulator, err := d.simulator()
		if err != nil {
			return err
		}
		parts = append(parts, supervise.Component{Name: "simulator", Run: simulator.Run})
	}
	if d.noConsole == nil {
		page, err := d.console(db, d.cfg.Dev.Simulate) //nolint:contextcheck // this only builds it: it gets its context from Run
		if err != nil {
			return err
		}
		defer page.close()
		parts = append(parts, supervise.Component{Name: "console", Run: page.server.Run})
	}
	if isTerminal(d.out) {
		parts = append(parts, supervise.Component{Name: "status", Run: func(ctx context.Context) error {
			return statusLines(ctx, d.out, d.registry)
		}})
	}
	ready := func(ctx context.Context) error {
		return errors.Join(receiver.Ready(ctx), db.Ping(ctx), servicesReady(ctx))
	}
	started := func() {
		fmt.Fprint(d.out, d.banner())
		d.show(ctx)
	}
	context.AfterFunc(ctx, func() { fmt.Fprintln(d.out, "\nStopping in order; Ctrl-C again ends at once.") })
	if err := d.service.run(ctx, ready, started, parts...); err != nil {
		return err
	}
	fmt.Fprintf(d.out, "Stopped. The data are in %s.\n", d.data)
	return nil
}

// servers binds all addresses, builds the embedded servers that are wanted, and points the configuration of the other
// parts at them. A server of somebody else's is a part without functions.
func (d *dev) servers(ctx context.Context) (kafka, clickHouse supervise.Component, err error) {
	kafka, clickHouse = supervise.Component{Name: "kafka"}, supervise.Component{Name: "clickhouse"}
	errs := []error{d.listenAll(ctx)}
	if !d.externalKafka {
		kafka, err = d.embeddedKafka(ctx)
		errs = append(errs, err)
	}
	var held net.Listener
	if !d.externalClickHouse {
		held, err = d.listen(ctx, d.cfg.Dev.ClickHouse, "clickhouse")
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return kafka, clickHouse, err
	}
	if !d.externalClickHouse {
		clickHouse, err = d.embeddedClickHouse(ctx, held)
	}
	return kafka, clickHouse, err
}

// embeddedKafka binds the broker's address and builds the part that runs it.
func (d *dev) embeddedKafka(ctx context.Context) (supervise.Component, error) {
	part := supervise.Component{Name: "kafka"}
	cfg := embedded.DefaultBrokerConfig()
	cfg.Addr, cfg.DataDir, cfg.Fsync = d.cfg.Dev.Kafka, filepath.Join(d.data, "kafka"), d.cfg.Dev.Fsync
	broker, err := embedded.NewBroker(cfg, d.log)
	if err != nil {
		return part, fmt.Errorf("--kafka: %w", err)
	}
	if err := broker.Listen(ctx); err != nil {
		return part, taken("kafka", cfg.Addr, err)
	}
	d.open = append(d.open, broker)
	d.cfg.Kafka.Brokers = []string{broker.Addr()}
	part.Prepare = broker.Start
	part.Run = func(ctx context.Context) error {
		<-ctx.Done()
		return broker.Close()
	}
	return part, nil
}

// embeddedClickHouse fetches the engine's library if this machine does not have it yet, and builds the part that runs it
// on the address that held holds.
func (d *dev) embeddedClickHouse(ctx context.Context, held net.Listener) (supervise.Component, error) {
	part := supervise.Component{Name: "clickhouse"}
	library, err := fetch.Library(ctx, fetch.Config{}, fetch.Deps{Progress: d.errOut, Logger: d.log})
	if err != nil {
		return part, fmt.Errorf("get the ClickHouse engine (--clickhouse-url uses a running server instead): %w", err)
	}
	cfg := engine.DefaultConfig()
	cfg.Addr, cfg.DataDir, cfg.Library = held.Addr().String(), filepath.Join(d.data, "clickhouse"), library
	cfg.Fsync, cfg.StopTimeout = d.cfg.Dev.Fsync, engineStopTimeout
	cfg.User, cfg.Password = cmp.Or(d.cfg.ClickHouse.User, cfg.User), d.cfg.ClickHouse.Password
	supervisor, err := engine.New(cfg, engine.Deps{Logger: d.log})
	if err != nil {
		return part, err
	}
	// Another program could take the address between these two lines; then it is the same error, only later.
	_ = held.Close()
	if err := supervisor.Listen(ctx); err != nil {
		return part, taken("clickhouse", cfg.Addr, err)
	}
	d.open = append(d.open, supervisor)
	d.cfg.ClickHouse.URL = supervisor.URL()
	d.cfg.ClickHouse.Fsync = d.cfg.ClickHouse.Fsync || d.cfg.Dev.Fsync
	part.Run, part.Ready = supervisor.Run, soon(supervisor.WaitReady)
	return part, nil
}

// soon turns a function that waits into one that can be polled.
func soon(wait func(context.Context) error) func(context.Context) error {
	const patience = 50 * time.Millisecond
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		return wait(ctx)
	}
}

// applyTopics makes the topics what the plan says.
func (d *dev) applyTopics(ctx context.Context) error {
	wanted, err := allTopics(d.cfg)
	if err != nil {
		return err
	}
	return withKafka(ctx, d.cfg, d.log, func(ctx context.Context, client *kgo.Client) error {
		ctx, cancel := context.WithTimeout(ctx, topicsTimeout)
		defer cancel()
		plan, err := topicplan.Make(ctx, client, wanted)
		if err != nil {
			return err
		}
		return topicplan.Apply(ctx, client, plan)
	})
}

// services builds the runtimes that --services names, and their common readiness.
func (d *dev) services() ([]supervise.Component, func(context.Context) error, error) {
	var parts []supervise.Component
	var checks []func(context.Context) error
	for _, k := range keyedServices() {
		if !slices.Contains(d.cfg.Dev.Services, k.name) {
			continue
		}
		runtime, err := d.keyed(k)
		if err != nil {
			return nil, nil, err
		}
		parts = append(parts, supervise.Component{Name: k.name, Run: runtime.Run})
		checks = append(checks, runtime.Ready)
	}
	return parts, func(ctx context.Context) error {
		var errs []error
		for _, check := range checks {
			errs = append(errs, check(ctx))
		}
		return errors.Join(errs...)
	}, nil
}

// simulator builds the store that feeds this process.
func (d *dev) simulator() (*sim.Simulator, error) {
	if len(d.cfg.Ingest.Secrets) == 0 {
		return nil, errors.New("--simulate signs with the app's secret: give it with --secret too, not in ingest.secrets_file alone")
	}
	cfg := sim.DefaultConfig()
	cfg.URL = reachable(d.scheme(), d.listeners.ingest.Addr()) + "/webhooks"
	cfg.Secret, cfg.Rate = d.cfg.Ingest.Secrets[0], d.cfg.Dev.Simulate
	simulator, err := sim.New(cfg, sim.Deps{Logger: d.log})
	if err != nil {
		return nil, fmt.Errorf("simulate a store: %w", err)
	}
	return simulator, nil
}
