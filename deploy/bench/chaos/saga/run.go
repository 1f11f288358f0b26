package saga

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/group/status"
	"millrace/deploy/bench/chaos/cluster"
	"millrace/deploy/bench/chaos/saga/gate"
	"millrace/deploy/internal/pause"
	"millrace/partitioning/kafkatest"
)

// ErrViolated is returned (wrapped) when the run went to its end and the checks found something that must not be.
var ErrViolated = errors.New("the run broke a promise")

// errInterrupted is returned when a run was ended before its checks.
var errInterrupted = errors.New("interrupted: nothing was checked")

// run is one run and everything that lives as long.
type run struct {
	o        Options
	out      io.Writer
	record   *record
	kafka    *kafkatest.Cluster
	partners *partners
	gate     *gate.Gate
	crew     *crew
	load     *load
	watcher  *watcher
	groups   *status.Status
	begin    time.Time
	struck   time.Duration // until all kills were done
}

// Run does the run that the flags ask for, writes its progress and its report to out, and ends everything that it started.
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
	fmt.Fprintf(out, "target saga, seed %d, folder %s\n", o.Seed, o.Dir)
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
	r := &run{o: o, out: out, record: &record{out: out}}
	if r.kafka, err = startKafka(ctx, &r.o, out); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cluster.KeepLogs(r.kafka, brokers, o.Dir), r.kafka.Close()) }()
	if r.partners, err = startPartners(ctx, &r.o); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.partners.stop()) }()
	if r.groups, err = status.New([]kgo.Opt{kgo.SeedBrokers(r.kafka.Brokers()...)}, status.Options{Groups: groups()}); err != nil {
		return err
	}
	defer r.groups.Close()
	if r.load, err = newLoad(&r.o, r.kafka.Brokers()); err != nil {
		return err
	}
	r.crew = newCrew(&r.o, r.kafka.Brokers(), r.record)
	r.gate = gate.New(gate.Config{
		Stock: r.partners.Stock, Payment: r.partners.Payment, Carrier: r.partners.Carrier,
		Kills: o.Kills, Every: o.Every, Seed: o.Seed, Kill: r.crew.kill, Failed: func(err error) { r.record.fault("%v", err) },
	})
	return r.perform(ctx)
}

// perform runs the services, does the harm, waits for the end of everything and judges it.
func (r *run) perform(ctx context.Context) error {
	// The background ends before the partners and Kafka do.
	background, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer r.gate.Close()
	defer all.Wait()
	defer stop()
	var err error
	if r.watcher, err = newWatcher(r.kafka.Brokers(), r.gate); err != nil {
		return err
	}
	all.Go(func() { r.watcher.run(background) })
	stopped := sync.OnceFunc(func() {
		if err := r.crew.stop(); err != nil {
			r.record.fault("stop: %v", err)
		}
	})
	defer stopped()
	if err := r.start(background, &all); err != nil {
		return err
	}
	r.begin = time.Now()
	all.Go(func() { r.progress(background) })
	if err := r.torment(background, &all); err != nil {
		return err
	}
	drained := time.Now()
	if err := r.drain(ctx); err != nil {
		return err
	}
	fmt.Fprintf(r.out, "nothing goes on any more, %v after the load\n", time.Since(drained).Round(100*time.Millisecond))
	in, committed, err := r.collect(ctx)
	if err != nil {
		return err
	}
	fold, foldErr := r.tool(ctx, "order", "check")
	if foldErr != nil {
		r.record.fault("%v", foldErr)
	}
	stopped() // how they end is part of the run
	return r.report(in, committed, fold)
}

func (r *run) start(ctx context.Context, all *sync.WaitGroup) error {
	for _, service := range []string{"translate", "orderstate"} {
		if err := r.crew.service(ctx, service, service); err != nil {
			return err
		}
	}
	for n := range r.o.Members {
		ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return fmt.Errorf("listen for a gate: %w", err)
		}
		all.Go(func() {
			if err := r.gate.Serve(ctx, ln, memberName(n)); err != nil {
				r.record.fault("%v", err)
			}
		})
		if err := r.crew.member(ctx, n, ln.Addr()); err != nil {
			return err
		}
	}
	return nil
}

// torment sends orders and kills until all kills are done, or for as long as that may take.
func (r *run) torment(ctx context.Context, all *sync.WaitGroup) error {
	enough, loaded := make(chan struct{}), make(chan error, 1)
	all.Go(func() { loaded <- r.load.run(ctx, enough) })
	r.gate.Arm()
	longest := time.NewTimer(r.o.Longest)
	defer longest.Stop()
	select {
	case err := <-loaded:
		return errors.Join(errors.New("the load ended before its time"), err)
	case <-ctx.Done():
		return ctx.Err()
	case <-longest.C:
		r.record.fault("after %v these kills were still to be done:%s", r.o.Longest, r.gate.Left())
	case <-r.gate.Finished():
	}
	r.gate.Disarm()
	r.struck = time.Since(r.begin)
	fmt.Fprintf(r.out, "%d kills after %v\n", len(r.gate.Kills()), r.struck.Round(time.Second))
	close(enough)
	return <-loaded
}

// drain waits until no run goes on and every group has done all there is.
func (r *run) drain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.o.Drain)
	defer cancel()
	for calm := 0; calm < 2; {
		left, err := r.left(ctx)
		calm++
		if left != "" || err != nil {
			calm = 0
		}
		if pause.For(ctx, time.Second) != nil {
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				r.record.fault("after %v there was still something going on: %s %v", r.o.Drain, left, err)
				return nil // what is left half done shows in the checks
			}
			return ctx.Err()
		}
	}
	return nil
}

// left says what is still going on, "" for nothing.
func (r *run) left(ctx context.Context) (string, error) {
	services, err := r.groups.Read(ctx)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	for _, s := range services {
		if s.Lag > 0 || s.Waiting > 0 || s.Counting || s.Err != nil {
			fmt.Fprintf(&text, "%s: %d behind, %d waiting %v; ", s.Name, s.Lag, s.Waiting, s.Err)
		}
	}
	if text.Len() > 0 {
		return text.String(), nil
	}
	runs, err := r.list(ctx, "--phase", "running,compensating")
	if len(runs) > 0 {
		fmt.Fprintf(&text, "%d runs go on, %v is one", len(runs), runs[0])
	}
	return text.String(), err
}

// progress says how the run goes.
func (r *run) progress(ctx context.Context) {
	for pause.For(ctx, 10*time.Second) == nil {
		r.load.mu.Lock()
		orders, events := len(r.load.orders), r.load.events
		r.load.mu.Unlock()
		var lag strings.Builder
		services, _ := r.groups.Read(ctx) // a figure for people
		for _, s := range services {
			fmt.Fprintf(&lag, ", %s %d behind %d waiting", s.Name, s.Lag, s.Waiting)
		}
		fmt.Fprintf(r.out, "%6v  %d orders, %d events, %d kills%s; %d faults\n",
			time.Since(r.begin).Round(time.Second), orders, events, len(r.gate.Kills()), lag.String(), len(r.record.all()))
	}
}
