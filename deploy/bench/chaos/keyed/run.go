package keyed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"millrace/deploy/bench/chaos/cluster"
	"millrace/deploy/bench/chaos/keyed/check"
	"millrace/deploy/bench/chaos/keyed/ledger"
	"millrace/deploy/internal/pause"
	"millrace/partitioning/kafkatest"
)

// ErrViolated is returned (wrapped) when the run went to its end and the checks found something that must not be.
var ErrViolated = errors.New("the run broke a promise")

// errInterrupted is returned when a run was ended before its checks.
var errInterrupted = errors.New("interrupted: nothing was checked")

// run is one run and everything that lives as long.
type run struct {
	o       Options
	out     io.Writer
	kafka   *kafkatest.Cluster
	record  *record
	seen    *observer
	crew    *crew
	load    *load
	aborter *aborter
	outage  *outage // nil in scenario harm
	begin   time.Time
}

// Run runs the scenario that the flags ask for, writes its progress and its report to out, and ends everything that it started.
func Run(ctx context.Context, args []string, out io.Writer) (err error) {
	o, err := parse(args, out)
	if err != nil {
		return err
	}
	temporary := o.Dir == ""
	if temporary {
		o.Dir, err = os.MkdirTemp("", "millrace-chaos-")
	} else {
		err = os.MkdirAll(o.Dir, 0o750)
	}
	if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	fmt.Fprintf(out, "target runtime, scenario %s, seed %d, folder %s\n", o.Scenario, o.Seed, o.Dir)
	if err := execute(ctx, o, out); err != nil {
		if ctx.Err() != nil {
			return errors.Join(errInterrupted, err)
		}
		return fmt.Errorf("%w (its data are in %s)", err, o.Dir)
	}
	if temporary {
		return os.RemoveAll(o.Dir)
	}
	return nil
}

func execute(ctx context.Context, o Options, out io.Writer) (err error) {
	r := &run{o: o, out: out}
	if r.record, err = newRecord(o.Dir, out); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.record.close()) }()
	if r.kafka, err = startKafka(ctx, &r.o, out); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cluster.KeepLogs(r.kafka, brokers, o.Dir), r.kafka.Close()) }()
	if r.seen, err = newObserver(r.kafka.Brokers()); err != nil {
		return err
	}
	// The background ends before Kafka does.
	background, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	all.Go(func() { r.seen.run(background) })
	if err := r.prepare(background, &all); err != nil {
		return err
	}
	r.crew = newCrew(&r.o, r.kafka.Brokers(), r.outage.url(), r.record)
	in, err := r.perform(ctx, background, &all)
	// The members end here in any case; how they end is part of the run.
	if stopped := r.crew.stop(); stopped != nil {
		r.record.fault("stop: %v", stopped)
	}
	if err != nil {
		return err
	}
	return r.judge(ctx, in)
}

// prepare builds what the scenario needs beside Kafka and the members.
func (r *run) prepare(background context.Context, all *sync.WaitGroup) error {
	total := r.o.Events
	if r.o.Scenario == scenarioOutage {
		var err error
		if r.outage, err = newOutage(background, &r.o, all); err != nil {
			return err
		}
		total = int(r.outage.length().Seconds() * r.o.Rate)
	}
	var err error
	r.load, err = newLoad(&r.o, r.kafka.Brokers(), total)
	r.aborter = &aborter{o: &r.o, seeds: r.kafka.Brokers(), dice: rand.New(rand.NewPCG(r.o.Seed, 2))} //nolint:gosec // repeatable on purpose
	return err
}

// perform sends the load, does the harm and waits until everything is done, or for as long as that may take.
func (r *run) perform(ctx, background context.Context, all *sync.WaitGroup) (*check.Input, error) {
	if err := r.crew.start(ctx); err != nil {
		return nil, err
	}
	r.begin = time.Now()
	all.Go(func() { r.progress(background) })
	if r.o.Aborted > 0 {
		all.Go(func() { r.aborter.run(background) })
	}
	loaded := make(chan error, 1)
	all.Go(func() { loaded <- r.load.run(background) })
	if err := r.torment(ctx); err != nil {
		return nil, err
	}
	if err := <-loaded; err != nil {
		return nil, err
	}
	fmt.Fprintf(r.out, "sent everything after %v\n", time.Since(r.begin).Round(time.Second))
	drained := time.Now()
	stuck := r.seen.drain(ctx, r.load.sent, r.o.DeadlineDrain)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	fmt.Fprintf(r.out, "drained in %v\n", time.Since(drained).Round(100*time.Millisecond))
	in, err := r.input()
	if err != nil {
		return nil, err
	}
	if stuck != nil {
		r.record.fault("%v:\n  %s", stuck, strings.Join(r.seen.diagnose(ctx, in), "\n  "))
	}
	return in, nil
}

// torment does the harm of the scenario for as long as the load lasts.
func (r *run) torment(ctx context.Context) error {
	if r.outage != nil {
		return r.outage.run(ctx, r.begin, r.out)
	}
	t := &tormentor{
		o: &r.o, crew: r.crew, kafka: r.kafka, record: r.record,
		dice: rand.New(rand.NewPCG(r.o.Seed, 3)), //nolint:gosec // repeatable on purpose
	}
	return t.run(ctx, time.Duration(float64(r.o.Events)/r.o.Rate*float64(time.Second))*9/10)
}

// input is what is known without asking Kafka.
func (r *run) input() (*check.Input, error) {
	cfg := r.o.config(groupID, "")
	in := &check.Input{
		World: r.o.world(), Rates: r.o.rates(), Topic: sourceTopic, Sent: r.load.sent,
		Schedule: cfg.Retry.Schedule, InlineMax: cfg.Retry.InlineMax, Jitter: cfg.Retry.Jitter,
	}
	in.Harms, _ = r.record.all()
	var err error
	in.Effects, in.Lost, err = ledger.Read(r.o.Dir)
	return in, err
}

// judge compares what is left with what must be, and reports.
func (r *run) judge(ctx context.Context, before *check.Input) error {
	in, err := r.input() // again: the members have gone on until they were stopped
	if err != nil {
		return errors.Join(err, r.load.write(r.o.Dir))
	}
	in.Sent = before.Sent
	if err := errors.Join(r.load.write(r.o.Dir), collect(ctx, r.kafka.Brokers(), r.o.Dir, in)); err != nil {
		return err
	}
	if in.Committed, _, err = r.seen.offsets(ctx); err != nil {
		return err
	}
	return r.report(in, check.All(in))
}

// progress says how the run goes.
func (r *run) progress(ctx context.Context) {
	for pause.For(ctx, 5*time.Second) == nil {
		r.load.mu.Lock()
		sent := r.load.sent[:len(r.load.sent):len(r.load.sent)]
		r.load.mu.Unlock()
		lag := "?"
		if committed, _, err := r.seen.offsets(ctx); err == nil {
			lag = strconv.FormatInt(behind(sent, committed), 10)
		}
		harms, faults := r.record.all()
		fmt.Fprintf(r.out, "%6v  sent %d of %d, %s offsets behind, %d waiting in the retry topic; %s; %d faults\n",
			time.Since(r.begin).Round(time.Second), len(sent), r.load.total, lag, len(r.seen.left()), countHarms(harms), len(faults))
	}
}
