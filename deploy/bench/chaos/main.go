package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"millrace/deploy/bench/chaos/keyed"
	"millrace/deploy/bench/chaos/saga"
	"millrace/deploy/bench/chaos/sink"
	"millrace/deploy/embedded/engine"
)

// options are the command line.
type options struct {
	bin, dir, target    string
	events, shops       int
	rate                float64
	duplicates, shuffle float64
	kills               int
	every               time.Duration
	seed                uint64
}

func main() { os.Exit(exitCode()) }

func exitCode() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	err := dispatch(ctx, os.Args[1:])
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, "chaos:", err)
	if errors.Is(err, keyed.ErrViolated) || errors.Is(err, sink.ErrViolated) || errors.Is(err, saga.ErrViolated) {
		return 1
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	return 2
}

// dispatch finds out what is wanted. The targets runtime, sink and saga have flags of their own; the first two start this program again
// for what they kill.
func dispatch(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case keyed.MemberRole:
			return keyed.Member(ctx, args[1:])
		case sink.MemberRole:
			return sink.Member(ctx, args[1:])
		case sink.EngineRole:
			return engine.Child(ctx, os.Stdin, os.Stderr)
		}
	}
	for i, arg := range args {
		name, value, together := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		if !together && i+1 < len(args) {
			value = args[i+1]
		}
		if name != "target" {
			continue
		}
		switch value {
		case "runtime":
			return keyed.Run(ctx, args, os.Stdout)
		case "sink":
			return sink.Run(ctx, args, os.Stdout)
		case "saga":
			return saga.Run(ctx, args, os.Stdout)
		}
	}
	return run(ctx, args)
}

func parse(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("chaos", flag.ContinueOnError)
	f.StringVar(&o.bin, "bin", "bin", "folder of the programs, as `make build` leaves them")
	f.StringVar(&o.dir, "dir", "", "folder for data, logs and ledger; a new temporary one when empty, removed on success")
	f.StringVar(&o.target, "target", "cluster", "what to run: cluster (real Kafka, separate processes), dev (millrace dev), runtime (the keyed consumer runtime alone), sink (the analytics sink alone) or saga (the saga with its partners); the last three have flags of their own, see -target saga -help")
	f.IntVar(&o.events, "events", 20_000, "distinct events to send")
	f.IntVar(&o.shops, "shops", 200, "shops that send them")
	f.Float64Var(&o.rate, "rate", 100, "events per second")
	f.Float64Var(&o.duplicates, "duplicates", 0.05, "share of events delivered twice")
	f.Float64Var(&o.shuffle, "disorder", 0.05, "share of events delivered late")
	f.IntVar(&o.kills, "kills", 24, "processes to kill -9 while events are sent")
	f.DurationVar(&o.every, "every", 3*time.Second, "mean time between kills")
	f.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "seed of what is killed and when")
	if err := f.Parse(args); err != nil {
		return o, fmt.Errorf("read flags: %w", err)
	}
	if o.target != "cluster" && o.target != "dev" {
		return o, fmt.Errorf("-target must be cluster, dev, runtime, sink or saga, is %q", o.target)
	}
	return o, nil
}

func run(ctx context.Context, args []string) (err error) {
	o, err := parse(args)
	if err != nil {
		return err
	}
	temporary := o.dir == ""
	if temporary {
		if o.dir, err = os.MkdirTemp("", "millrace-chaos-"); err != nil {
			return fmt.Errorf("make folder: %w", err)
		}
	} else if err = os.MkdirAll(o.dir, 0o750); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	fmt.Printf("target %s, seed %d, folder %s\n", o.target, o.seed, o.dir)
	build := newCluster
	if o.target == "dev" {
		build = newDev
	}
	p, err := build(ctx, o)
	defer func() {
		err = errors.Join(err, p.close())
		if temporary && err == nil { // not before: what still runs would go on writing there
			err = os.RemoveAll(o.dir)
		}
	}()
	if err != nil {
		return err
	}
	begin := time.Now()
	if err := p.sendUnderFire(ctx, o); err != nil {
		return err
	}
	fmt.Printf("sent in %v\n", time.Since(begin).Round(time.Second))
	return p.verify(ctx, o)
}

// sendUnderFire runs the simulated store and kills victims until it is done; at the end everything runs again.
func (p *pipeline) sendUnderFire(ctx context.Context, o options) error {
	send := p.storesim(ctx, o, "send",
		"--url", "http://"+p.ingestAddr+"/webhooks", "--secret", chaosSecret, "--ledger", p.ledger(o),
		"--shops", strconv.Itoa(o.shops), "--events", strconv.Itoa(o.events), "--rate", fmt.Sprint(o.rate),
		"--duplicates", fmt.Sprint(o.duplicates), "--disorder", fmt.Sprint(o.shuffle), "--seed", strconv.FormatUint(o.seed, 10),
		// Shopify's four hours of repeats in about half a minute: longer than any outage made here.
		"--time-scale", "500")
	if err := send.Start(); err != nil {
		return fmt.Errorf("start storesim: %w", err)
	}
	sent := make(chan error, 1)
	go func() { sent <- send.Wait() }()
	dice := rand.New(rand.NewPCG(o.seed, 0)) //nolint:gosec // repeatable on purpose
	killed := map[string]int{}
	for range o.kills {
		pause := time.NewTimer(o.every/2 + time.Duration(dice.Int64N(int64(o.every))))
		select {
		case err := <-sent:
			pause.Stop()
			fmt.Printf("the store was done before all kills; a lower -rate leaves more time\nkilled %v\n", killed)
			return given(err)
		case <-pause.C:
		}
		v := p.victims[dice.IntN(len(p.victims))]
		if err := v.strike(ctx, time.Duration(dice.Int64N(int64(o.every/2)))); err != nil {
			_ = send.Process.Signal(syscall.SIGTERM)
			return errors.Join(fmt.Errorf("kill %s: %w", v.name, err), <-sent)
		}
		killed[v.kind]++
	}
	fmt.Printf("killed %v\n", killed)
	return given(<-sent)
}

// given is storesim's end as an error of the run: that events were given up is none.
func given(err error) error {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == exitGivenUp {
		fmt.Println("some events were given up after all retries; only what was answered 200 must be there")
		return nil
	}
	if err != nil {
		return fmt.Errorf("storesim send: %w", err)
	}
	return nil
}

// exitGivenUp is storesim's exit code for a run in which some event was never acknowledged.
const exitGivenUp = 1

// verify compares ClickHouse with the ledger; its exit code is the run's.
func (p *pipeline) verify(ctx context.Context, o options) error {
	args := []string{"verify", "--ledger", p.ledger(o), "--clickhouse", p.clickhouseURL, "--wait", "2m"}
	if err := p.storesim(ctx, o, args...).Run(); err != nil {
		return fmt.Errorf("storesim verify: %w", err)
	}
	return nil
}

func (p *pipeline) ledger(o options) string { return filepath.Join(o.dir, "ledger.jsonl") }

func (p *pipeline) storesim(ctx context.Context, o options, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(o.bin, "storesim"), args...) //nolint:gosec // our own program
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd
}
