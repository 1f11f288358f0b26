package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"millrace/deploy/embedded/engine"
	"millrace/deploy/embedded/fetch"
	"millrace/deploy/internal/pause"
	"millrace/deploy/internal/process"
	"millrace/partitioning/kafkatest"
)

// chaosSecret signs the webhooks; it protects nothing.
const chaosSecret = "chaos"

// pipeline is everything that runs.
type pipeline struct {
	ingestAddr    string
	clickhouseURL string
	processes     []*process.Process // in the order of their start
	kafka         *kafkatest.Cluster
	stopEngine    func() error
	victims       []victim
}

// victim is something to kill. strike kills it, leaves it down for a while and brings it back.
type victim struct {
	name, kind string
	strike     func(ctx context.Context, down time.Duration) error
}

func (p *pipeline) addVictim(kind string, proc *process.Process) {
	p.victims = append(p.victims, victim{name: proc.Name, kind: kind, strike: func(ctx context.Context, down time.Duration) error {
		if err := proc.End(syscall.SIGKILL); err != nil {
			return err
		}
		if err := pause.For(ctx, down); err != nil {
			return err
		}
		return proc.Start(ctx)
	}})
}

// close stops everything, last started first, gracefully.
func (p *pipeline) close() error {
	var errs []error
	for i := len(p.processes) - 1; i >= 0; i-- {
		errs = append(errs, p.processes[i].End(syscall.SIGTERM))
	}
	if p.stopEngine != nil {
		errs = append(errs, p.stopEngine())
	}
	if p.kafka != nil {
		errs = append(errs, p.kafka.Close())
	}
	return errors.Join(errs...)
}

func (p *pipeline) launch(ctx context.Context, o options, name, ready string, args ...string) (*process.Process, error) {
	proc := &process.Process{Name: name, Path: filepath.Join(o.bin, "millrace"), Args: args, Ready: ready, Dir: o.dir}
	p.processes = append(p.processes, proc)
	return proc, proc.Start(ctx)
}

// addrs returns n free addresses.
func addrs(ctx context.Context, n int) ([]string, error) {
	out := make([]string, n)
	for i := range out {
		var err error
		if out[i], err = process.FreeAddr(ctx); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// newCluster starts a real Kafka with three brokers, the engine, the receiver and two consumers. What has been started is
// in the pipeline even when there is an error.
func newCluster(ctx context.Context, o options) (*pipeline, error) {
	p := &pipeline{}
	free, err := addrs(ctx, 5)
	if err != nil {
		return p, err
	}
	p.ingestAddr, p.clickhouseURL = free[0], "http://"+free[1]
	if p.kafka, err = kafkatest.New(ctx, kafkatest.Config{Brokers: 3}); err != nil {
		return p, fmt.Errorf("start Kafka: %w", err)
	}
	if err := p.startEngine(ctx, o, free[1]); err != nil {
		return p, err
	}
	// Few partitions: three brokers on one machine have to lead and to copy those of all topics.
	kafka := []string{"--kafka-brokers", strings.Join(p.kafka.Brokers(), ","), "--topics-partitions", "6"}
	click := []string{"--clickhouse-url", p.clickhouseURL}
	if err := p.once(ctx, o, append([]string{"topics", "apply"}, kafka...)); err != nil {
		return p, err
	}
	if err := p.once(ctx, o, append([]string{"clickhouse", "migrate"}, click...)); err != nil {
		return p, err
	}
	receiver, err := p.launch(ctx, o, "ingest", "http://"+free[2]+"/readyz",
		append([]string{"ingest", "--ingest-listen", p.ingestAddr, "--ingest-secrets", chaosSecret, "--admin-listen", free[2]}, kafka...)...)
	if err != nil {
		return p, err
	}
	p.addVictim("ingest", receiver)
	for i := range 2 {
		name := fmt.Sprintf("analytics-%d", i)
		args := append([]string{"consume", "analytics", "--admin-listen", free[3+i]}, kafka...)
		consumer, err := p.launch(ctx, o, name, "http://"+free[3+i]+"/readyz", append(args, click...)...)
		if err != nil {
			return p, err
		}
		p.addVictim("consumer", consumer)
	}
	for i := range 3 {
		p.victims = append(p.victims, victim{name: fmt.Sprintf("broker-%d", i), kind: "broker", strike: func(ctx context.Context, down time.Duration) error {
			if err := p.kafka.Kill(i); err != nil { //nolint:contextcheck // a kill is not given up half way
				return err
			}
			if err := pause.For(ctx, down); err != nil {
				return err
			}
			// One broker at a time: with two of three gone nothing could be written, which is another test.
			return errors.Join(p.kafka.Restart(ctx, i), p.kafka.WaitInSync(ctx))
		}})
	}
	return p, nil
}

// startEngine runs the ClickHouse engine as `millrace dev` does: in a child process under a supervisor, which is here.
func (p *pipeline) startEngine(ctx context.Context, o options, addr string) error {
	library, err := fetch.Library(ctx, fetch.Config{}, fetch.Deps{Progress: os.Stderr, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return fmt.Errorf("fetch the engine: %w", err)
	}
	log, err := os.Create(filepath.Join(o.dir, "engine.log"))
	if err != nil {
		return fmt.Errorf("open log of the engine: %w", err)
	}
	cfg := engine.DefaultConfig()
	cfg.Addr, cfg.DataDir, cfg.Library = addr, filepath.Join(o.dir, "clickhouse"), library
	supervisor, err := engine.New(cfg, engine.Deps{
		Logger:  slog.New(slog.NewJSONHandler(log, nil)),
		Command: []string{filepath.Join(o.bin, "millrace"), "engine"},
	})
	if err != nil {
		return errors.Join(fmt.Errorf("build the engine's supervisor: %w", err), log.Close())
	}
	runCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() { done <- supervisor.Run(runCtx) }()
	p.stopEngine = func() error {
		stop()
		return errors.Join(<-done, log.Close())
	}
	p.victims = append(p.victims, victim{name: "engine", kind: "engine", strike: func(ctx context.Context, _ time.Duration) error {
		pid := supervisor.Pid()
		if pid == 0 {
			return nil // between two lives already
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("kill %d: %w", pid, err)
		}
		return supervisor.WaitReady(ctx)
	}})
	return supervisor.WaitReady(ctx)
}

// once runs a command to its end.
func (p *pipeline) once(ctx context.Context, o options, args []string) error {
	out, err := exec.CommandContext(ctx, filepath.Join(o.bin, "millrace"), args...).CombinedOutput() //nolint:gosec // our own program
	if err != nil {
		return fmt.Errorf("millrace %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// newDev starts `millrace dev`. Its victims are the whole of it, and its engine alone.
func newDev(ctx context.Context, o options) (*pipeline, error) {
	p := &pipeline{}
	free, err := addrs(ctx, 4)
	if err != nil {
		return p, err
	}
	p.ingestAddr, p.clickhouseURL = free[0], "http://"+free[1]
	dev, err := p.launch(ctx, o, "dev", "http://"+free[3]+"/readyz", "dev", "--http", free[0], "--clickhouse", free[1], "--kafka", free[2],
		"--admin-listen", free[3], "--data", filepath.Join(o.dir, "data"), "--secret", chaosSecret)
	if err != nil {
		return p, err
	}
	p.addVictim("dev", dev)
	p.victims = append(p.victims, victim{name: "engine", kind: "engine", strike: func(ctx context.Context, _ time.Duration) error {
		return dev.KillChildren(ctx) // the supervisor brings it back
	}})
	return p, nil
}
