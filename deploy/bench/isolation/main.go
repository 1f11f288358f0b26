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
)

func main() { os.Exit(shell.Run("bench-isolation", run)) }

// The rows of the report.
const (
	rowIsolation = "isolation"
	rowRate      = "rate"
)

type options struct {
	bin       string
	rows      []string
	orders    int
	webhooks  float64 // per second
	latency   time.Duration
	parallel  int
	repeat    int
	processes []int
	rate      float64
	span      time.Duration
	out       string
}

func parse(args []string) (options, error) {
	var o options
	var rows, processes string
	f := flag.NewFlagSet("bench-isolation", flag.ContinueOnError)
	f.StringVar(&o.bin, "bin", "bin", "folder with the programs millrace and storesim (make build)")
	f.StringVar(&rows, "rows", rowIsolation+","+rowRate, "what to measure")
	f.IntVar(&o.orders, "orders", 500, "orders of each run of isolation")
	f.Float64Var(&o.webhooks, "webhooks", 100, "webhooks per second")
	f.DurationVar(&o.latency, "latency", 10*time.Second, "what the slow ERP takes for a call")
	f.IntVar(&o.parallel, "parallel", 2, "calls that the slow ERP takes at once, and erp.call.group_concurrency")
	f.IntVar(&o.repeat, "repeat", 3, "runs of each of the two, in turns; the median counts")
	f.StringVar(&processes, "processes", "1,2,4", "processes of the rate rows")
	f.Float64Var(&o.rate, "rate", 20, "erp.call.group_rate of the rate rows, calls per second")
	f.DurationVar(&o.span, "span", 30*time.Second, "how long each rate is measured")
	f.StringVar(&o.out, "out", "", "file that gets the report, too")
	if err := f.Parse(args); err != nil {
		return o, fmt.Errorf("read flags: %w", err)
	}
	o.rows = strings.Split(rows, ",")
	for _, r := range o.rows {
		if r != rowIsolation && r != rowRate {
			return o, fmt.Errorf("-rows: there is no row %q, only %s and %s", r, rowIsolation, rowRate)
		}
	}
	for text := range strings.SplitSeq(processes, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return o, fmt.Errorf("-processes: %q is no number of processes", text)
		}
		o.processes = append(o.processes, n)
	}
	if o.orders < 1 || o.repeat < 1 || o.parallel < 1 || !(o.rate > 0) {
		return o, errors.New("-orders, -repeat, -parallel and -rate must be above 0")
	}
	return o, nil
}

func run(ctx context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	var report strings.Builder
	if slices.Contains(o.rows, rowIsolation) {
		if err := isolation(ctx, o, &report); err != nil {
			return err
		}
	}
	if slices.Contains(o.rows, rowRate) {
		if err := rates(ctx, o, &report); err != nil {
			return err
		}
	}
	return shell.Report(report.String(), o.out)
}
