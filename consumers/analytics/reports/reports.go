package reports

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"millrace/consumers/analytics/database"
)

// Reports answers questions. It is safe for concurrent use.
type Reports struct {
	db    *database.DB
	cfg   Config
	turns chan struct{}
}

// New builds it; nothing is asked yet, so ClickHouse may be away. The connection stays the caller's.
func New(db *database.DB, cfg Config) (*Reports, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("reports: %w", err)
	}
	if db == nil {
		return nil, errors.New("reports: the connection must be set")
	}
	return &Reports{db: db, cfg: cfg, turns: make(chan struct{}, cfg.Concurrency)}, nil
}

// Ping returns nil when ClickHouse answers.
func (r *Reports) Ping(ctx context.Context) error {
	if err := r.db.Ping(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrAway, err)
	}
	return nil
}

// bound is a value that a statement names as {name:Type}.
func bound(name string, value any) any { return clickhouse.Named(name, value) }

// within are the bounds of a range and the shop, as every statement names them: {from:Int64} and {to:Int64} in milliseconds.
func within(r Range, shop string, more ...any) []any {
	return append([]any{bound("from", r.From.UnixMilli()), bound("to", r.To.UnixMilli()), bound("shop", shop)}, more...)
}

// each runs a query, with % in it standing for the database, and calls scan for every row.
func (r *Reports) each(ctx context.Context, query string, values []any, scan func(driver.Rows) error) error {
	select {
	case r.turns <- struct{}{}:
		defer func() { <-r.turns }()
	case <-ctx.Done():
		return fmt.Errorf("wait for other queries: %w", ctx.Err())
	}
	// The server ends the query itself; this is for one that does not answer at all.
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout+answerGrace)
	defer cancel()
	rows, err := r.db.Conn().Query(clickhouse.Context(ctx, clickhouse.WithSettings(r.limits())), strings.ReplaceAll(query, "%", r.db.Quoted()), values...)
	if err != nil {
		return classified(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return fmt.Errorf("read a row of the answer: %w", err)
		}
	}
	return classified(rows.Err())
}

// answerGrace is what the answer may take beyond the server's own limit.
const answerGrace = 2 * time.Second

// maxAnswerRows and maxAnswerBytes bound an answer; every query has a LIMIT below them, so that they catch mistakes only.
const (
	maxAnswerRows  = 200_000
	maxAnswerBytes = 64 << 20
)

func (r *Reports) limits() clickhouse.Settings {
	return clickhouse.Settings{
		"readonly":              2, // reads only; 1 would forbid the settings that follow
		"max_execution_time":    r.cfg.Timeout.Seconds(),
		"timeout_overflow_mode": "throw",
		"max_threads":           r.cfg.MaxThreads,
		"max_rows_to_read":      r.cfg.MaxRows,
		"max_bytes_to_read":     r.cfg.MaxBytes,
		"read_overflow_mode":    "throw",
		"max_memory_usage":      r.cfg.MaxMemory,
		"max_result_rows":       maxAnswerRows,
		"max_result_bytes":      maxAnswerBytes,
		"result_overflow_mode":  "throw",
		// ClickHouse 26.5 may compare another column's values than that of ORDER BY with this filter: then a query with a LIMIT ends with
		// "Cannot convert string", now and then, as the filter is chosen while it runs. It also keeps by_received from being read in its order.
		"use_top_k_dynamic_filtering": 0,
	}
}

// limited returns n, or otherwise where it is 0.
func limited(n, otherwise int) (int, error) {
	switch {
	case n == 0:
		return otherwise, nil
	case n < 0 || n > MaxLimit:
		return 0, fmt.Errorf("%w: limit must be from 1 to %d", ErrBadRequest, MaxLimit)
	default:
		return n, nil
	}
}
