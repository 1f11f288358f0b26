package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/pprof"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/analytics"
)

// What a child is.
const (
	roleSink   = "sink"
	roleDirect = "direct"
)

// childSpec says what a child is and does.
type childSpec struct {
	Role       string
	URL        string // of the engine, or of the proxy before it
	Database   string
	Plain      bool // no compression, so that the proxy can read the blocks
	Brokers    string
	Group      string
	Blocks     string // folder of recorded blocks, of the direct role
	CPUProfile string
	MemProfile string // of the heap, when HeapAfter rows are through
	HeapAfter  int
}

// reportEvery is how often a child tells how many rows it has.
const reportEvery = 10 * time.Millisecond

// beChild runs a child until its standard input ends.
func beChild(ctx context.Context, text string) (err error) {
	var spec childSpec
	if err := json.Unmarshal([]byte(text), &spec); err != nil {
		return fmt.Errorf("read what this process is: %w", err)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // ends with the parent, however it ends
		stop()
	}()
	if spec.CPUProfile != "" {
		file, err := os.Create(spec.CPUProfile)
		if err != nil {
			return fmt.Errorf("make profile: %w", err)
		}
		if err := pprof.StartCPUProfile(file); err != nil {
			return errors.Join(fmt.Errorf("start profile: %w", err), file.Close())
		}
		defer func() { pprof.StopCPUProfile(); err = errors.Join(err, file.Close()) }()
	}
	if spec.Role == roleDirect {
		return beDirect(ctx, spec)
	}
	return beSink(ctx, spec)
}

// beSink runs the sink with its default configuration.
func beSink(ctx context.Context, spec childSpec) error {
	compression := ""
	if spec.Plain {
		compression = "none"
	}
	db, err := openDatabase(spec.URL, spec.Database, compression)
	if err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	first := new(firstFetch)
	cfg := analytics.DefaultConfig()
	cfg.Group = spec.Group
	sink, err := analytics.New(cfg, analytics.Deps{ //nolint:contextcheck // it starts nothing yet
		Kafka:      []kgo.Opt{kgo.SeedBrokers(strings.Split(spec.Brokers, ",")...), kgo.WithHooks(first)},
		ClickHouse: db, Logger: slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})), Registerer: registry,
	})
	if err != nil {
		return errors.Join(err, db.Close())
	}
	told := make(chan error, 1)
	reporting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	go func() { told <- tell(reporting, registry, first, spec) }()
	err = sink.Run(ctx)
	cancel()
	return errors.Join(err, <-told, db.Close())
}

// firstFetch notices when the first batch of records came.
type firstFetch struct{ at atomic.Int64 }

// OnFetchBatchRead implements kgo.HookFetchBatchRead.
func (f *firstFetch) OnFetchBatchRead(kgo.BrokerMetadata, string, int32, kgo.FetchBatchMetrics) {
	if f.at.Load() == 0 {
		f.at.CompareAndSwap(0, time.Now().UnixMicro())
	}
}

// tell prints a line whenever the sink has inserted more, and one at the end.
func tell(ctx context.Context, registry *prometheus.Registry, first *firstFetch, spec childSpec) error {
	heap := spec.MemProfile
	out := json.NewEncoder(os.Stdout)
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	for last := int64(-1); ; { // so that the first line says that it is up
		l := line{At: time.Now().UnixMicro(), Began: first.at.Load()}
		if err := counters(registry, &l); err != nil {
			return err
		}
		if heap != "" && l.Rows >= int64(spec.HeapAfter) {
			if err := writeHeap(heap); err != nil {
				return err
			}
			heap = ""
		}
		ended := ctx.Err() != nil
		if l.Rows != last || ended {
			last = l.Rows
			if err := usage(&l); err != nil {
				return err
			}
			if err := out.Encode(l); err != nil {
				return fmt.Errorf("print progress: %w", err)
			}
		}
		if ended {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// writeHeap writes what the heap holds as of the last garbage collection.
func writeHeap(name string) error {
	file, err := os.Create(name) //nolint:gosec // a person's choice
	if err != nil {
		return fmt.Errorf("make heap profile: %w", err)
	}
	if err := errors.Join(pprof.WriteHeapProfile(file), file.Close()); err != nil {
		return fmt.Errorf("write heap profile: %w", err)
	}
	return nil
}

// counters reads what the sink says about itself; its metrics are its public face.
func counters(registry *prometheus.Registry, l *line) error {
	families, err := registry.Gather()
	if err != nil {
		return fmt.Errorf("read the sink's metrics: %w", err)
	}
	for _, f := range families {
		switch f.GetName() {
		case "millrace_analytics_rows_inserted_total":
			l.Rows = int64(f.GetMetric()[0].GetCounter().GetValue())
		case "millrace_analytics_batches_inserted_total":
			l.Batches = int64(f.GetMetric()[0].GetCounter().GetValue())
		}
	}
	return nil
}
