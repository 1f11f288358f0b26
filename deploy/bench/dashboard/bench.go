package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"millrace/consumers/analytics/database"
	"millrace/deploy/embedded/engine"
	"millrace/deploy/embedded/fetch"
)

// databaseName is the database of the data set.
const databaseName = "bench"

// bench is one run.
type bench struct {
	o      options
	log    io.Writer
	report *report
	logger *slog.Logger
	engine *engine.Supervisor
	stop   func() error // of the engine
	db     *database.DB
	set    dataset
}

func newBench(ctx context.Context, o options) (_ *bench, err error) {
	b := &bench{o: o, log: os.Stderr, report: &report{}}
	b.logger = slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if err := os.MkdirAll(o.data, 0o750); err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	if o.again {
		if err := errors.Join(os.RemoveAll(b.engineDir()), os.RemoveAll(b.stateFile())); err != nil {
			return nil, fmt.Errorf("remove the data that are there: %w", err)
		}
	}
	if err := b.startEngine(ctx); err != nil {
		return nil, errors.Join(err, b.close())
	}
	c := database.DefaultConfig()
	c.URL, c.Database = b.engine.URL(), databaseName
	if b.db, err = c.Open(); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

func (b *bench) engineDir() string { return filepath.Join(b.o.data, "clickhouse") }
func (b *bench) stateFile() string { return filepath.Join(b.o.data, "dataset.json") }

func (b *bench) close() error {
	var err error
	if b.db != nil {
		err = b.db.Close()
	}
	if b.stop != nil {
		err = errors.Join(err, b.stop())
	}
	return err
}

// startEngine starts the engine of `millrace dev`, with its default settings.
func (b *bench) startEngine(ctx context.Context) error {
	library, err := fetch.Library(ctx, fetch.Config{}, fetch.Deps{Progress: b.log, Logger: b.logger})
	if err != nil {
		return fmt.Errorf("find the engine: %w", err)
	}
	cfg := engine.DefaultConfig()
	cfg.Addr, cfg.DataDir, cfg.Library = "127.0.0.1:0", b.engineDir(), library
	if b.engine, err = engine.New(cfg, engine.Deps{Logger: b.logger}); err != nil {
		return fmt.Errorf("make engine: %w", err)
	}
	if err := b.engine.Listen(ctx); err != nil {
		return fmt.Errorf("start engine: %w", err)
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- b.engine.Run(running) }()
	b.stop = func() error { cancel(); return <-ended }
	return b.engine.WaitReady(ctx)
}

// number asks for one number; % in the query stands for the database.
func (b *bench) number(ctx context.Context, query string) (uint64, error) {
	var n uint64
	if err := b.db.Conn().QueryRow(ctx, b.named(query)).Scan(&n); err != nil {
		return 0, fmt.Errorf("%s: %w", query, err)
	}
	return n, nil
}
