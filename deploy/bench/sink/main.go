package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"millrace/deploy/bench/internal/shell"
	"millrace/deploy/embedded/engine"
)

// options are the command line.
type options struct {
	child      string
	rows       []string
	records    int
	sizes      []int
	partitions int
	repeat     int
	load       time.Duration
	rate       float64
	poll       time.Duration
	out        string
	cpuprofile string
	memprofile string
	dir        string
}

// The rows of the report, in this order.
const (
	rowRates   = "rates"
	rowLatency = "latency"
	rowDevPlan = "devplan"
)

func rows() []string { return []string{rowRates, rowLatency, rowDevPlan} }

func main() { os.Exit(shell.Run("bench-sink", run)) }

func parse(args []string) (options, error) {
	var o options
	var names, sizes string
	f := flag.NewFlagSet("bench-sink", flag.ContinueOnError)
	f.StringVar(&o.child, "child", "", "for the program itself: the process to be, as JSON")
	f.StringVar(&names, "rows", strings.Join(rows(), ","), "what to measure; latency and devplan need -rate where rates is left out")
	f.IntVar(&o.records, "records", 300_000, "records in the topic at 1 KB; for larger bodies as many fewer as they are larger")
	f.StringVar(&sizes, "sizes", "1024,6144", "body sizes in bytes")
	f.IntVar(&o.partitions, "partitions", 12, "partitions of each topic, but 6 in the devplan row")
	f.IntVar(&o.repeat, "repeat", 3, "runs of each rate, the programs taking turns; the median is reported")
	f.DurationVar(&o.load, "load", 30*time.Second, "how long each latency is measured")
	f.Float64Var(&o.rate, "rate", 0, "records per second in the latency rows; 0 takes half of the measured rate")
	f.DurationVar(&o.poll, "poll", 40*time.Millisecond, "pause between two SELECTs that look for new rows")
	f.StringVar(&o.out, "out", "", "file that gets the report, too")
	f.StringVar(&o.cpuprofile, "cpuprofile", "", "file for a CPU profile of the sink (its last run)")
	f.StringVar(&o.memprofile, "memprofile", "", "file for a heap profile of the sink in the middle of its last run")
	f.StringVar(&o.dir, "dir", "", "folder for the data of broker and engine; empty: the system's temporary folder")
	if err := f.Parse(args); err != nil {
		return o, fmt.Errorf("read flags: %w", err)
	}
	o.rows = strings.Split(names, ",")
	for _, name := range o.rows {
		if !slices.Contains(rows(), name) {
			return o, fmt.Errorf("-rows: there is no row %q, only %s", name, strings.Join(rows(), ", "))
		}
	}
	for s := range strings.SplitSeq(sizes, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < leastBodyBytes || n > 1<<20 {
			return o, fmt.Errorf("-sizes: %q is not a number of bytes from %d to %d", s, leastBodyBytes, 1<<20)
		}
		o.sizes = append(o.sizes, n)
	}
	for name, n := range map[string]int{"records": o.records, "partitions": o.partitions, "repeat": o.repeat, "load": int(o.load), "poll": int(o.poll)} {
		if n < 1 {
			return o, fmt.Errorf("-%s must be more than 0", name)
		}
	}
	return o, nil
}

func run(ctx context.Context, args []string) (err error) {
	// The engine's supervisor starts this program with the one argument "engine".
	if len(args) == 1 && args[0] == "engine" {
		return engine.Child(ctx, os.Stdin, os.Stderr)
	}
	o, err := parse(args)
	if err != nil {
		return err
	}
	if o.child != "" {
		return beChild(ctx, o.child)
	}
	b, err := newBench(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	err = b.measure(ctx)
	b.closing()
	return errors.Join(err, b.finish())
}

// measure goes through the rows.
func (b *bench) measure(ctx context.Context) error {
	for _, size := range b.o.sizes {
		if err := b.measureSize(ctx, size); err != nil {
			return fmt.Errorf("bodies of %d bytes: %w", size, err)
		}
	}
	if b.wants(rowDevPlan) {
		if err := b.devPlan(ctx); err != nil {
			return fmt.Errorf("dev plan: %w", err)
		}
	}
	return nil
}

// measureSize is everything about one body size, on a broker of its own: the sink's topics have fixed names.
func (b *bench) measureSize(ctx context.Context, size int) (err error) {
	if !b.wants(rowRates) && !b.wants(rowLatency) {
		return nil
	}
	k, err := b.startKafka(ctx, b.o.partitions)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.close()) }()
	if b.wants(rowRates) {
		n := max(b.o.records*1024/size, 1000)
		if err := b.compare(ctx, k, size, n); err != nil {
			return err
		}
	}
	if b.wants(rowLatency) {
		return b.latencies(ctx, k, fmt.Sprintf("1 topic × %d partitions", b.o.partitions), []workload{{ordersOnly(size), b.loadRate(size)}})
	}
	return nil
}

// devPlan is the plan of `millrace dev`: all topics, six partitions each, all of them busy.
func (b *bench) devPlan(ctx context.Context) (err error) {
	const partitions = 6
	k, err := b.startKafka(ctx, partitions)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.close()) }()
	kinds := everyTopic(b.o.sizes[0])
	return b.latencies(ctx, k, fmt.Sprintf("%d topics × %d partitions", len(kinds), partitions),
		[]workload{{kinds, b.loadRate(b.o.sizes[0])}, {kinds, quietRate}})
}

// quietRate is about what the simulated store of `make run` sends.
const quietRate = 50

// loadRate is half of the rate that the sink reached.
func (b *bench) loadRate(size int) float64 {
	if b.o.rate > 0 {
		return b.o.rate
	}
	return b.fullRate[size] / 2
}

func (b *bench) wants(row string) bool { return slices.Contains(b.o.rows, row) }

func (b *bench) note(format string, args ...any) {
	shell.Note(b.log, format, args...)
}

// finish prints the report.
func (b *bench) finish() error {
	return shell.Report(b.report.String(), b.o.out)
}
