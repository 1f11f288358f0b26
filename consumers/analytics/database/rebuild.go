package database

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"millrace/consumers/internal/pause"
	"millrace/schemas/ddl"
)

var (
	// ErrNoModel is returned by Rebuild and PlanRebuild for a name that is no read model's.
	ErrNoModel = errors.New("no such read model")
	// ErrRebuildRunning is returned by Rebuild while another process rebuilds the same model, or has done so within a minute and died.
	ErrRebuildRunning = errors.New("the read model is being rebuilt")
	// ErrFewerRows is returned by Rebuild, before anything is swapped, when the new table has fewer entities than the old one.
	ErrFewerRows = errors.New("the rebuilt table has fewer rows than the old one")
)

// RebuildOptions are what a run of Rebuild may be told.
type RebuildOptions struct {
	Logger    *slog.Logger // required
	By        string       // who rebuilds, for whom it is refused meanwhile
	FewerRows bool         // swap also when the new table has fewer entities
	// Progress is told how many of the events are read, on the goroutine of Rebuild; optional.
	Progress func(done, total uint64)

	lockLife  time.Duration     // for tests; zero means rebuildLockLife
	pieceRows uint64            // for tests; zero means pieceRows
	at        func(step string) // for tests: called before each step of run; nil
}

// Rebuilt is what a rebuild did.
type Rebuilt struct {
	Model         string
	Events        uint64 // rows read
	Before, After uint64 // entities in the old table and in the new one, when they were swapped
	Took          time.Duration
}

// rebuildMargin is how far a catch-up reaches back: longer than any insert takes and than clocks of replicas differ.
const rebuildMargin = 10 * time.Minute

// Rebuild recomputes a read model from events in a table beside it, <model>_rebuild, and swaps the two at once. Sinks go on
// inserting meanwhile; no query sees less than before.
//
//  1. A lock, since two would swap each other's halves; see rebuildLock. Then what a dead run has left is dropped.
//  2. The table, and a second materialized view, <model>_rebuild_feed, for the events that come from now on.
//  3. The feed's SELECT over all events, in pieces of bounded size, each of which may be repeated.
//  4. Catch up: the same for what was inserted since 2. An insert that was under way when the view was made does not know
//     the view, and was perhaps not yet to be seen in 3.
//  5. EXCHANGE TABLES. Views find their target by name, and each insert when it begins. One that looked up the first view's target before
//     the exchange and the second's after it has written to the old table twice, and to the new one not at all.
//  6. So: wait for the inserts that were under way, and catch up once more. Then the view and the old table are dropped.
//
// All of this leans on the models being idempotent: a row may be written by the view, by a piece and by both catch-ups. A run
// that dies before 5 leaves the model as it was, one that dies after it may leave it without rows of 5's kind: in both cases
// <model>_rebuild is there (see Interrupted), and the next run drops it and begins again.
//
// What a user's own view has made from the model is not recomputed. Errors: ErrNoModel, ErrRebuildRunning, ErrFewerRows, those of Check,
// and any of the server's.
func Rebuild(ctx context.Context, db *DB, model string, o RebuildOptions) (Rebuilt, error) {
	began := time.Now()
	r, err := newRebuild(ctx, db, model, o)
	if err != nil {
		return Rebuilt{}, fmt.Errorf("rebuild %s: %w", model, err)
	}
	held, lock, err := lockRebuild(ctx, db, model, o)
	if err != nil {
		return Rebuilt{}, fmt.Errorf("rebuild %s: %w", model, err)
	}
	r.lock = lock
	err = r.run(held)
	if lost := context.Cause(held); err != nil && lost != nil && ctx.Err() == nil {
		err = errors.Join(lost, err) // the lock was lost, which is why the statement failed
	}
	if errors.Is(err, ErrRebuildRunning) {
		lock.stop()
		return Rebuilt{}, fmt.Errorf("rebuild %s: %w", model, err) // the tables are another's now
	}
	// Also when ctx has ended: what is left would stay until somebody looks.
	tidy, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if !r.exchanged || err == nil {
		err = errors.Join(err, r.dropLeftovers(tidy))
	}
	if err = errors.Join(err, lock.release(tidy)); err != nil {
		if r.exchanged {
			err = fmt.Errorf("after the swap; run it again, rows of the last moments may be missing: %w", err)
		}
		return Rebuilt{}, fmt.Errorf("rebuild %s: %w", model, err)
	}
	r.result.Took = time.Since(began)
	o.Logger.InfoContext(ctx, "read model rebuilt", "model", model, "events", r.result.Events, "rows_before", r.result.Before, "rows_after", r.result.After, "seconds", r.result.Took.Seconds())
	return r.result, nil
}

// Interrupted returns the models of which a run of Rebuild has died, or is under way.
func Interrupted(ctx context.Context, db *DB) ([]string, error) {
	models, err := ddl.Models()
	if err != nil {
		return nil, fmt.Errorf("look for interrupted rebuilds: %w", err)
	}
	var out []string
	for _, m := range models {
		var n uint64
		if err := db.conn.QueryRow(ctx, "SELECT count() FROM system.tables WHERE database = ? AND name IN (?, ?)", db.database, beside(m.Name), m.Name+feedSuffix).Scan(&n); err != nil {
			return nil, fmt.Errorf("look for interrupted rebuilds: %w", err)
		}
		if n > 0 && !slices.Contains(out, m.Name) {
			out = append(out, m.Name)
		}
	}
	return out, nil
}

const feedSuffix = "_rebuild_feed"

// beside is the name of the table that a model is rebuilt in.
func beside(model string) string { return model + "_rebuild" }

// rebuild is one run.
type rebuild struct {
	db        *DB
	model     ddl.Model
	o         RebuildOptions
	result    Rebuilt
	lock      *rebuildLock
	exchanged bool
}

func newRebuild(ctx context.Context, db *DB, model string, o RebuildOptions) (*rebuild, error) {
	m, err := modelNamed(model)
	if err != nil {
		return nil, err
	}
	if err := Check(ctx, db); err != nil {
		return nil, err
	}
	return &rebuild{db: db, model: m, o: o, result: Rebuilt{Model: model}}, nil
}

func modelNamed(name string) (ddl.Model, error) {
	models, err := ddl.Models()
	if err != nil {
		return ddl.Model{}, err
	}
	var names []string
	for _, m := range models {
		if m.Name == name {
			return m, nil
		}
		names = append(names, m.Name)
	}
	return ddl.Model{}, fmt.Errorf("%w; there are: %s", ErrNoModel, strings.Join(names, ", "))
}

func (r *rebuild) run(ctx context.Context) error {
	var began, caughtUp time.Time
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"drop what is left of another run", func() error { return r.dropLeftovers(ctx) }},
		{"create", func() (err error) {
			if began, err = r.now(ctx); err != nil {
				return err
			}
			return r.create(ctx)
		}},
		{"fill", func() error { return r.fill(ctx) }},
		{"catch up", func() (err error) {
			if caughtUp, err = r.now(ctx); err != nil {
				return err
			}
			return r.catchUp(ctx, beside(r.model.Name), began)
		}},
		{"compare", func() error { return r.compare(ctx, began) }},
		{"swap", func() error { return r.exchange(ctx) }},
		{"catch up after the swap", func() error { return r.catchUp(ctx, r.model.Name, caughtUp) }},
	} {
		if r.o.at != nil {
			r.o.at(step.name)
		}
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

// dropLeftovers drops the view and the table beside the model. In between it waits for the inserts that write to the table: they
// would fail, and their sinks would have to repeat them. Without SYNC: the name is free at once, and SYNC would wait for whoever still
// reads the old table.
func (r *rebuild) dropLeftovers(ctx context.Context) error {
	if err := executeOn(ctx, r.db, "DROP VIEW IF EXISTS "+r.db.quoted+"."+r.model.Name+feedSuffix); err != nil {
		return fmt.Errorf("drop %s%s: %w", r.model.Name, feedSuffix, err)
	}
	if err := r.awaitInserts(ctx); err != nil {
		return err
	}
	// A table of any size: the server's guard against dropping big ones is against mistakes.
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"max_table_size_to_drop": 0, "max_partition_size_to_drop": 0}))
	if err := executeOn(ctx, r.db, "DROP TABLE IF EXISTS "+r.db.quoted+"."+beside(r.model.Name)); err != nil {
		return fmt.Errorf("drop %s: %w", beside(r.model.Name), err)
	}
	return nil
}

// create makes the table beside the model, as the migrations made the model, and the view that feeds it from now on.
func (r *rebuild) create(ctx context.Context) error {
	migrations, err := ddl.Migrations()
	if err != nil {
		return err
	}
	own, other := ddl.DatabaseVariable+"."+r.model.Name, ddl.DatabaseVariable+"."+beside(r.model.Name)
	statements := []string{strings.Replace(r.model.Table, "IF NOT EXISTS "+own, other, 1)}
	for _, m := range migrations {
		for _, s := range m.Statements {
			if rest, ok := strings.CutPrefix(s, "ALTER TABLE "+own+" "); ok {
				statements = append(statements, "ALTER TABLE "+other+" "+rest)
			}
		}
	}
	statements = append(statements, durability(other, r.db.fsync), "CREATE MATERIALIZED VIEW "+ddl.DatabaseVariable+"."+r.model.Name+feedSuffix+" TO "+other+" AS\n"+r.model.Select)
	for _, s := range statements {
		if err := executeOn(ctx, r.db, strings.ReplaceAll(s, ddl.DatabaseVariable, r.db.quoted)); err != nil {
			return fmt.Errorf("create %s: %w", beside(r.model.Name), err)
		}
	}
	return r.sameColumns(ctx)
}

// sameColumns makes sure that the swap changes no column: migrations are the only way to do that.
func (r *rebuild) sameColumns(ctx context.Context) error {
	columns := func(table string) (string, error) {
		var text string
		err := r.db.conn.QueryRow(ctx, "SELECT arrayStringConcat(groupArray(name || ' ' || type), ', ') FROM (SELECT name, type FROM system.columns WHERE database = ? AND table = ? ORDER BY position)",
			r.db.database, table).Scan(&text)
		return text, err
	}
	old, err := columns(r.model.Name)
	if err != nil {
		return fmt.Errorf("read the columns of %s: %w", r.model.Name, err)
	}
	made, err := columns(beside(r.model.Name))
	if err != nil {
		return fmt.Errorf("read the columns of %s: %w", beside(r.model.Name), err)
	}
	if old != made {
		return fmt.Errorf("%s has other columns than the migrations give it: %s; they make: %s", r.model.Name, old, made)
	}
	return nil
}

// now is the server's time, which inserted_at is taken from.
func (r *rebuild) now(ctx context.Context) (time.Time, error) {
	var now time.Time
	if err := r.db.conn.QueryRow(ctx, "SELECT now64(3, 'UTC')").Scan(&now); err != nil {
		return now, fmt.Errorf("read the server's time: %w", err)
	}
	return now, nil
}

// catchUp runs the feed over what was inserted since a moment, with a margin.
func (r *rebuild) catchUp(ctx context.Context, target string, since time.Time) error {
	if err := r.db.Sync(ctx, "events"); err != nil {
		return err
	}
	where := fmt.Sprintf("inserted_at >= fromUnixTimestamp64Milli(%d, 'UTC')", since.Add(-rebuildMargin).UnixMilli())
	return r.project(ctx, target, where)
}

// rebuildAttempts is how often a piece is tried: an engine that is started again is there within seconds.
const rebuildAttempts = 5

// project writes to target what the feed makes of the events that fit the condition. It may be repeated, also while an
// earlier try still runs.
func (r *rebuild) project(ctx context.Context, target, where string) error {
	insert := strings.ReplaceAll(r.model.Insert(target, "(SELECT * FROM "+ddl.Source+" WHERE "+where+")"), ddl.DatabaseVariable, r.db.quoted)
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{
		"insert_deduplicate": 0, // its blocks are those of no batch, and a second catch-up must not be taken for a repeat
		"async_insert":       0,
		"log_comment":        rebuildComment,
		// Memory: a few blocks of bodies, whatever the size of the piece. One thread leaves the other cores to the sinks.
		"max_threads": 1, "max_insert_threads": 1, "max_block_size": 8192,
		"min_insert_block_size_rows": 262_144, "min_insert_block_size_bytes": 64 << 20,
		"max_partitions_per_insert_block": 0,
		"max_execution_time":              0,
	}))
	for n := 0; ; n++ {
		err := r.db.conn.Exec(ctx, insert)
		if err == nil || n+1 == rebuildAttempts || ctx.Err() != nil {
			return err
		}
		r.o.Logger.WarnContext(ctx, "a piece of a rebuild failed and is tried again", "model", r.model.Name, "attempt", n+1, "err", err)
		if err := pause.Sleep(ctx, pause.Backoff(n, time.Second, 10*time.Second)); err != nil {
			return err
		}
	}
}
