package sink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"millrace/consumers/analytics/database"
	"millrace/deploy/bench/chaos/cluster"
	"millrace/deploy/bench/chaos/sink/proxy"
	"millrace/deploy/bench/chaos/sink/truth"
	"millrace/deploy/internal/pause"
	"millrace/partitioning/kafkatest"
)

// ErrViolated is returned (wrapped) when the run went to its end and the tables are not what they must be; with -without-read-back,
// when they are although nothing made sure of it.
var ErrViolated = errors.New("the run broke a promise")

// errInterrupted is returned when a run was ended before its checks.
var errInterrupted = errors.New("interrupted: nothing was checked")

// run is one run and everything that lives as long.
type run struct {
	o      Options
	out    io.Writer
	kafka  *kafkatest.Cluster
	engine *keeper
	proxy  *proxy.Proxy
	asker  *asker
	record *record
	crew   *crew
	book   *truth.Book
	load   *load
	gap    *gapKill
	tables map[string]string
	begin  time.Time
	took   struct{ harm, drain, check time.Duration }
}

// Run runs what the flags ask for, writes its progress and its report to out, and ends everything that it started.
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
	fmt.Fprintf(out, "target sink, seed %d, folder %s\n", o.Seed, o.Dir)
	// A run that hangs would be worse than one that fails: this is more than all its parts may take.
	bounded, cancel := context.WithTimeout(ctx, 2*o.Duration+2*o.Drain+10*time.Minute)
	defer cancel()
	if err := execute(bounded, o, out); err != nil {
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
	r := &run{o: o, out: out, book: truth.NewBook()}
	if r.record, err = newRecord(o.Dir, out); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.record.close()) }()
	if r.kafka, err = startKafka(ctx, &r.o, out); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cluster.KeepLogs(r.kafka, brokers, o.Dir), r.kafka.Close()) }()
	if r.engine, err = newKeeper(ctx, o.Dir, out); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.engine.close(), r.engine.log.Close()) }()
	if err := r.prepare(ctx); err != nil {
		return err
	}
	if r.crew, err = newCrew(ctx, &r.o, r.kafka.Brokers(), r.proxy, r.record); err != nil {
		return err
	}
	defer r.crew.closeDoors()
	err = r.perform(ctx)
	// The sinks end here in any case; how they end is part of the run.
	if stopped := r.crew.stop(); stopped != nil {
		r.record.fault("stop: %v", stopped)
	}
	if err != nil {
		return err
	}
	if err := r.proxy.Wait(ctx); err != nil {
		return err
	}
	return r.judge(ctx)
}

// prepare brings the engine to the program's schema.
func (r *run) prepare(ctx context.Context) error {
	if err := r.engine.waitReady(ctx); err != nil {
		return err
	}
	cfg := database.DefaultConfig()
	cfg.URL = "http://" + r.engine.addr()
	db, err := cfg.Open()
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	defer db.Close()
	if _, err := database.Migrate(ctx, db, database.MigrateOptions{Logger: slog.New(slog.DiscardHandler)}); err != nil {
		return err
	}
	r.asker, r.gap = newAsker(r.engine), newGapKill(r.engine)
	if r.gap.strace == "" {
		fmt.Fprintln(r.out, "strace is not here: the engine is killed at the moment in which an insert's token is logged, and many kills will come too late for the gap")
	}
	if r.tables, err = r.asker.tables(ctx); err != nil {
		return err
	}
	fmt.Fprintf(r.out, "an insert writes %v\n", sortedKeys(r.tables))
	r.proxy = proxy.New(r.engine.addr(), r.o.rates(), r.o.Seed)
	r.load = newLoad(&r.o, r.kafka.Brokers(), r.book)
	return nil
}

// perform sends the load, does the harm and waits until everything has been read, or for as long as that may take.
func (r *run) perform(ctx context.Context) error {
	background, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	if err := r.crew.start(ctx); err != nil {
		return err
	}
	r.begin = time.Now()
	all.Go(func() { r.progress(background) })
	loading, enough := context.WithCancel(background)
	defer enough()
	loaded := make(chan error, 1)
	all.Go(func() { loaded <- r.load.run(loading) })
	if err := r.torment(ctx); err != nil {
		return err
	}
	r.took.harm = time.Since(r.begin)
	enough()
	if err := <-loaded; err != nil {
		return err
	}
	fmt.Fprintf(r.out, "sent %d records, %d more in aborted transactions, in %v\n", r.load.committed.Load(), r.load.aborted.Load(), r.took.harm.Round(time.Second))
	return r.settle(ctx)
}

// torment does the harm. What has not been dealt half as long again after its time is left, and the report shows it.
func (r *run) torment(ctx context.Context) error {
	t := &tormentor{
		o: &r.o, crew: r.crew, kafka: r.kafka, engine: r.engine, proxy: r.proxy, gap: r.gap, tables: r.tables, record: r.record,
		dice: rand.New(rand.NewPCG(r.o.Seed, 3)), //nolint:gosec // repeatable on purpose
	}
	bounded, cancel := context.WithTimeout(ctx, r.o.Duration*3/2+time.Minute)
	defer cancel()
	err := t.run(bounded, r.o.Duration*95/100)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		r.record.fault("the harms took longer than they may; the rest was left out")
		return nil
	}
	if err == nil {
		err = pause.For(ctx, r.o.Duration-time.Since(r.begin))
	}
	return err
}

// settle ends all harm by chance and waits until the group has read everything.
func (r *run) settle(ctx context.Context) error {
	r.proxy.Calm()
	begin := time.Now()
	if err := r.kafka.WaitInSync(ctx); err != nil {
		return err
	}
	if err := witness(ctx, r.kafka.Brokers(), r.book); err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, r.o.Drain)
	defer cancel()
	err := drained(bounded, r.kafka.Brokers(), r.book)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		r.record.fault("not everything was read within %v: %v", r.o.Drain, err)
	}
	r.took.drain = time.Since(begin)
	fmt.Fprintf(r.out, "drained in %v\n", r.took.drain.Round(100*time.Millisecond))
	return nil
}

// judge compares what is in the tables with what must be, and reports.
func (r *run) judge(ctx context.Context) error {
	begin := time.Now()
	for _, fault := range r.book.Audit() {
		r.record.fault("kafka: %s", fault)
	}
	if n := r.engine.restarts(); n > 0 {
		r.record.fault("the engine died %d times by itself (see engine.log)", n)
	}
	events, err := compareEvents(ctx, r.asker, r.book)
	if err != nil {
		return err
	}
	var findings []*finding
	for _, check := range truth.Checks() {
		f, err := compare(ctx, r.asker, r.book, check)
		if err != nil {
			r.record.fault("%v", err)
			continue
		}
		findings = append(findings, f)
	}
	r.took.check = time.Since(begin)
	return r.report(events, findings)
}

// progress says how the run goes.
func (r *run) progress(ctx context.Context) {
	for pause.For(ctx, 10*time.Second) == nil {
		counts, _, faults := r.record.all()
		inTable, err := r.asker.one(ctx, "SELECT count() FROM %.events")
		if err != nil {
			inTable = "?"
		}
		fmt.Fprintf(r.out, "%5v  committed %d, rows %s; %d kills: %s; %d faults\n", time.Since(r.begin).Round(time.Second), r.load.committed.Load(), inTable,
			kills(counts), short(counts), len(faults))
	}
}
