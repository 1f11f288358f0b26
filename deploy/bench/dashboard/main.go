package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"millrace/deploy/bench/internal/shell"
	"millrace/deploy/embedded/engine"
)

// options are the command line.
type options struct {
	events   int
	data     string
	runs     int
	load     int
	workers  int
	settle   time.Duration
	makeOnly bool
	again    bool
	only     string
	out      string
}

func main() { os.Exit(shell.Run("bench-dashboard", run)) }

func parse(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("bench-dashboard", flag.ContinueOnError)
	f.IntVar(&o.events, "events", 100_000_000, "events to make, about; at least 100000")
	f.StringVar(&o.data, "data", "", "folder that the data stay in; a second run with it only measures; empty: millrace/bench-dashboard in the user's cache folder")
	f.IntVar(&o.runs, "runs", 20, "runs of each query, in shuffled order")
	f.IntVar(&o.load, "load", 500, "events per second that are inserted while the second table is measured; 0 leaves it out")
	f.IntVar(&o.workers, "workers", 2, "inserts at once while the data are made")
	f.DurationVar(&o.settle, "settle", 15*time.Minute, "longest wait for merges after the data are made")
	f.BoolVar(&o.makeOnly, "make-only", false, "make the data and measure nothing")
	f.BoolVar(&o.again, "again", false, "throw away the data that are there, and make them again")
	f.StringVar(&o.only, "only", "", "measure only the queries whose name contains this")
	f.StringVar(&o.out, "out", "", "file that gets the report, too")
	if err := f.Parse(args); err != nil {
		return o, fmt.Errorf("read flags: %w", err)
	}
	if o.events < 100_000 || o.runs < 1 || o.load < 0 || o.workers < 1 {
		return o, errors.New("-events must be at least 100000, -runs and -workers at least 1, -load not negative")
	}
	if o.data == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return o, fmt.Errorf("find the cache folder (set -data): %w", err)
		}
		o.data = filepath.Join(cache, "millrace", "bench-dashboard")
	}
	data, err := filepath.Abs(o.data) // the engine has another working directory
	if err != nil {
		return o, fmt.Errorf("-data: %w", err)
	}
	o.data = data
	return o, nil
}

func run(ctx context.Context, args []string) (err error) {
	// The engine's supervisor starts this program with the one argument "engine".
	if len(args) == 1 && args[0] == "engine" {
		return engine.Child(ctx, os.Stdin, os.Stderr)
	}
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	b, err := newBench(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	if err := b.data(ctx); err != nil {
		return fmt.Errorf("make the data: %w", err)
	}
	if o.makeOnly {
		return nil
	}
	err = b.measure(ctx)
	return errors.Join(err, b.finish())
}

func (b *bench) note(format string, args ...any) {
	shell.Note(b.log, format, args...)
}

// finish prints the report.
func (b *bench) finish() error {
	return shell.Report(b.report.String(), b.o.out)
}
