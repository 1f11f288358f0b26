package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/deploy/bench/internal/shell"
	"millrace/partitioning/kafkatest"
)

// options are the command line.
type options struct {
	member     string
	rows       []string
	records    int
	keys       int
	partitions int
	valueBytes int
	emitBytes  int
	repeat     int
	failovers  int
	session    time.Duration
	waiting    int
	due        time.Duration
	peerSet    []string
	noPeer     bool
	out        string
	cpuprofile string
	dir        string
}

// rows are what can be measured, in this order.
func rows() []string {
	return []string{"noop", "sleep256", "sleep1024", "state", "scaling", "failover", "waiting"}
}

func main() { os.Exit(shell.Run("bench-runtime", run)) }

func parse(args []string) (options, error) {
	var o options
	var names, peerSet string
	f := flag.NewFlagSet("bench-runtime", flag.ContinueOnError)
	f.StringVar(&o.member, "member", "", "for the program itself: the member to be, as JSON")
	f.StringVar(&names, "rows", "noop,sleep256,sleep1024,state,scaling,failover", "what to measure, or all: "+strings.Join(rows(), ", "))
	f.IntVar(&o.records, "records", 400_000, "records in the topic")
	f.IntVar(&o.keys, "keys", 50_000, "keys that they are spread over")
	f.IntVar(&o.partitions, "partitions", 12, "partitions of the topic")
	f.IntVar(&o.valueBytes, "value-bytes", 1024, "size of a record's value; headers and key come on top")
	f.IntVar(&o.emitBytes, "emit-bytes", 256, "size of an emitted record's value, in the state row")
	f.IntVar(&o.repeat, "repeat", 3, "runs of each rate, the programs taking turns; the median is reported")
	f.IntVar(&o.failovers, "failovers", 3, "kills and clean stops of each kind, in the failover row")
	f.DurationVar(&o.session, "session", 10*time.Second, "session timeout of millrace's members; the default is the service's default")
	f.IntVar(&o.waiting, "waiting", 1_000_000, "events that wait, in the waiting row")
	f.DurationVar(&o.due, "due", 4*time.Minute, "second wait of the schedule in the waiting row; all events must be waiting before it is over")
	f.StringVar(&peerSet, "peer-settings", "", "Kafka consumer settings of the peer, name=value with commas between")
	f.BoolVar(&o.noPeer, "no-peer", false, "leave the peer out")
	f.StringVar(&o.out, "out", "", "file that gets the report, too")
	f.StringVar(&o.cpuprofile, "cpuprofile", "", "file for a CPU profile of millrace's member in the no-op row (the last run of it)")
	f.StringVar(&o.dir, "dir", "", "folder for the broker's data; empty: the system's temporary folder")
	if err := f.Parse(args); err != nil {
		return o, fmt.Errorf("read flags: %w", err)
	}
	o.rows = strings.Split(names, ",")
	if names == "all" {
		o.rows = rows()
	}
	for _, name := range o.rows {
		if !slices.Contains(rows(), name) {
			return o, fmt.Errorf("-rows: there is no row %q, only %s", name, strings.Join(rows(), ", "))
		}
	}
	if peerSet != "" {
		o.peerSet = strings.Split(peerSet, ",")
	}
	for name, n := range map[string]int{"records": o.records, "keys": o.keys, "partitions": o.partitions, "repeat": o.repeat, "failovers": o.failovers, "waiting": o.waiting} {
		if n < 1 {
			return o, fmt.Errorf("-%s must be at least 1, is %d", name, n)
		}
	}
	if o.valueBytes < leastValueBytes || o.emitBytes < leastValueBytes {
		return o, fmt.Errorf("-value-bytes and -emit-bytes must be at least %d", leastValueBytes)
	}
	return o, nil
}

func run(ctx context.Context, args []string) (err error) {
	o, err := parse(args)
	if err != nil {
		return err
	}
	if o.member != "" {
		return beMember(ctx, o.member)
	}
	b, err := newBench(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	measure := map[string]func(context.Context) error{
		"noop":      func(ctx context.Context) error { return b.compare(ctx, 256, 0) },
		"sleep256":  func(ctx context.Context) error { return b.compare(ctx, 256, 10*time.Millisecond) },
		"sleep1024": func(ctx context.Context) error { return b.compare(ctx, 1024, 10*time.Millisecond) },
		"state":     b.state, "scaling": b.scaling, "failover": b.failover, "waiting": b.waiting,
	}
	for _, name := range rows() {
		if !slices.Contains(o.rows, name) {
			continue
		}
		b.note("row %s", name)
		if err := measure[name](ctx); err != nil {
			return errors.Join(fmt.Errorf("row %s: %w", name, err), b.finish(ctx))
		}
	}
	return b.finish(ctx)
}

// bench is one run.
type bench struct {
	o      options
	dir    string
	kafka  *kafkatest.Cluster
	client *kgo.Client // for questions to the broker
	peer   *peer       // nil without one
	report *report
	log    io.Writer
	groups int  // consumer groups used, each row a fresh one
	filled bool // the topic of the rates
}

// initialDelay is how long Kafka waits for further members of a new group, so that processes that start together share the
// partitions before the first record. Kafka's default is 3 s.
const initialDelay = time.Second

func newBench(ctx context.Context, o options) (_ *bench, err error) {
	b := &bench{o: o, log: os.Stderr, report: &report{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	if b.dir, err = os.MkdirTemp(o.dir, "millrace-bench-"); err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	if !o.noPeer && slices.ContainsFunc(o.rows, comparesPeer) {
		if b.peer, err = newPeer(ctx, b.dir, b.log); err != nil {
			return nil, err
		}
	}
	b.kafka, err = kafkatest.New(ctx, kafkatest.Config{
		FullJIT: true, Heap: "1g", Dir: b.dir, Progress: b.log,
		Properties: map[string]string{"group.initial.rebalance.delay.ms": strconv.FormatInt(initialDelay.Milliseconds(), 10)},
	})
	if err != nil {
		return nil, fmt.Errorf("start Kafka: %w", err)
	}
	if b.client, err = kgo.NewClient(kgo.SeedBrokers(b.kafka.Brokers()...)); err != nil {
		return nil, fmt.Errorf("connect to Kafka: %w", err)
	}
	return b, b.describe(ctx)
}

func comparesPeer(row string) bool {
	return slices.Contains([]string{"noop", "sleep256", "sleep1024"}, row)
}

func (b *bench) close() error {
	var err error
	if b.client != nil {
		b.client.Close()
	}
	if b.kafka != nil {
		err = b.kafka.Close()
	}
	if b.dir != "" {
		err = errors.Join(err, os.RemoveAll(b.dir))
	}
	return err
}

func (b *bench) note(format string, args ...any) {
	shell.Note(b.log, format, args...)
}

// finish prints the report.
func (b *bench) finish(ctx context.Context) error {
	b.brokerUse(ctx)
	return shell.Report(b.report.String(), b.o.out)
}
