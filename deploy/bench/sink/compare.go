package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"millrace/consumers/analytics/database"
)

// ratesWithin is how long one run may take.
const ratesWithin = 10 * time.Minute

const (
	programSink   = "sink"
	programDirect = "(i) the same blocks by clickhouse-go"
	programFile   = "(ii) the engine from a file"
)

// figures are what one run of one program gave.
type figures struct {
	perSecond float64
	perCore   float64 // rows per second of the program's own processor time; 0 for the engine
	peakMB    float64 // 0 for the engine
	mallocs   float64 // per row
	allocated float64 // bytes per row
	engine    float64 // processors that the engine took on average
	others    float64 // share of the processors that went to programs outside of the bench
	batchRows float64
}

// compare measures the three programs in turns, after one run of the sink through the recorder, which warms up broker and engine.
func (b *bench) compare(ctx context.Context, k *kafka, size, records int) error {
	f, err := b.fill(ctx, k, ordersOnly(size), records)
	if err != nil {
		return err
	}
	dir := filepath.Join(b.dir, fmt.Sprintf("blocks-%d", size))
	defer func() { _ = os.RemoveAll(dir) }() // the folder of the whole run goes anyway
	if err := b.recordSink(ctx, k, f, dir); err != nil {
		return fmt.Errorf("record the sink's blocks: %w", err)
	}
	measure := map[string]func() (figures, error){
		programSink:   func() (figures, error) { return b.runSink(ctx, k, f) },
		programDirect: func() (figures, error) { return b.runDirect(ctx, k, f, dir) },
		programFile:   func() (figures, error) { return b.runFile(ctx, k, f, dir) },
	}
	programs := []string{programSink, programDirect, programFile}
	got := map[string][]figures{}
	for range b.o.repeat {
		for _, program := range programs {
			r, err := measure[program]()
			if err != nil {
				return fmt.Errorf("%s: %w", program, err)
			}
			got[program] = append(got[program], r)
			b.note("%d bytes, %s: %.0f rows/s, %.0f rows per core and second, %.0f MB, others %.0f %%", size, program, r.perSecond, r.perCore, r.peakMB, 100*r.others)
		}
	}
	direct := middle(got[programDirect], func(r figures) float64 { return r.perSecond })
	for _, program := range programs {
		b.rateRow(size, f, program, got[program], direct)
	}
	b.fullRate[size] = middle(got[programSink], func(r figures) float64 { return r.perSecond })
	return nil
}

func (b *bench) newGroup() string {
	b.groups++
	return fmt.Sprintf("bench-%d", b.groups)
}

func (b *bench) sinkSpec(k *kafka, db *database.DB, records int) childSpec {
	return childSpec{Role: roleSink, URL: b.url, Database: db.Database(), Brokers: k.brokers(), Group: b.newGroup(), CPUProfile: b.o.cpuprofile, MemProfile: b.o.memprofile, HeapAfter: records / 2}
}

// recordSink runs the sink once through the recorder, and has the engine write what has arrived to a file.
func (b *bench) recordSink(ctx context.Context, k *kafka, f filled, dir string) (err error) {
	db, err := b.freshDatabase(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.drop(ctx, db)) }()
	proxy, end, err := record(ctx, b.url, dir)
	if err != nil {
		return err
	}
	spec := b.sinkSpec(k, db, f.records)
	spec.URL, spec.Plain = proxy, true
	_, err = b.sinkThrough(ctx, k, f, spec)
	if err := errors.Join(err, end()); err != nil {
		return err
	}
	if err := b.verify(ctx, db, f.records); err != nil {
		return err
	}
	columns, err := columnsOf(dir)
	if err != nil {
		return err
	}
	err = db.Conn().Exec(ctx, fmt.Sprintf("INSERT INTO FUNCTION file('%s', 'Native') SELECT %s FROM %s.events ORDER BY _topic, _partition, _offset", nativeFile(dir), columns, db.Quoted()))
	if err != nil {
		return fmt.Errorf("write the rows to a file: %w", err)
	}
	return nil
}

func nativeFile(dir string) string { return filepath.Join(dir, "events.native.all") }

// columnsOf is the column list of the recorded inserts.
func columnsOf(dir string) (string, error) {
	kept, err := readRecorded(dir)
	if err != nil {
		return "", err
	}
	_, rest, _ := strings.Cut(kept[0].Statement, "(")
	columns, _, ok := strings.Cut(rest, ")")
	if !ok {
		return "", fmt.Errorf("no column list in %q", kept[0].Statement)
	}
	return columns, nil
}

// sinkThrough runs a sink until it has inserted everything.
func (b *bench) sinkThrough(ctx context.Context, k *kafka, f filled, spec childSpec) (figures, error) {
	c, err := launch(ctx, spec)
	if err != nil {
		return figures{}, err
	}
	before := b.now(k, c)
	l, err := c.await(ctx, f.records, ratesWithin)
	after := b.now(k, c)
	if err != nil {
		c.kill()
		return figures{}, err
	}
	return b.figuresOf(l, before, after), c.stop()
}

func (b *bench) figuresOf(l line, before, after moment) figures {
	rows := float64(l.Rows)
	return figures{
		perSecond: rows / (float64(l.At-l.Began) / 1e6), perCore: rows / (float64(l.CPUMicros) / 1e6), peakMB: l.PeakMB,
		mallocs: float64(l.Mallocs) / rows, allocated: float64(l.Allocated) / rows, batchRows: rows / float64(max(l.Batches, 1)),
		engine: after.cores(b.engine.Pid(), before), others: after.others(before),
	}
}

func (b *bench) runSink(ctx context.Context, k *kafka, f filled) (_ figures, err error) {
	db, err := b.freshDatabase(ctx)
	if err != nil {
		return figures{}, err
	}
	defer func() { err = errors.Join(err, b.drop(ctx, db)) }()
	r, err := b.sinkThrough(ctx, k, f, b.sinkSpec(k, db, f.records))
	return r, errors.Join(err, b.verify(ctx, db, f.records))
}

func (b *bench) runDirect(ctx context.Context, k *kafka, f filled, dir string) (_ figures, err error) {
	db, err := b.freshDatabase(ctx)
	if err != nil {
		return figures{}, err
	}
	defer func() { err = errors.Join(err, b.drop(ctx, db)) }()
	c, err := launch(ctx, childSpec{Role: roleDirect, URL: b.url, Database: db.Database(), Blocks: dir})
	if err != nil {
		return figures{}, err
	}
	before := b.now(k, c)
	l, err := c.await(ctx, f.records, ratesWithin)
	after := b.now(k, c)
	if err != nil {
		c.kill()
		return figures{}, err
	}
	r := b.figuresOf(l, before, after)
	r.engine, r.peakMB = 0, 0 // with the time and the memory that decoding took, which nobody asked for
	return r, errors.Join(c.stop(), b.verify(ctx, db, f.records))
}

// runFile has the engine read the rows, in its own blocks, into the same tables and views.
func (b *bench) runFile(ctx context.Context, k *kafka, f filled, dir string) (_ figures, err error) {
	db, err := b.freshDatabase(ctx)
	if err != nil {
		return figures{}, err
	}
	defer func() { err = errors.Join(err, b.drop(ctx, db)) }()
	columns, err := columnsOf(dir)
	if err != nil {
		return figures{}, err
	}
	before := b.now(k, nil)
	began := time.Now()
	err = db.Conn().Exec(ctx, fmt.Sprintf("INSERT INTO %s.events (%s) SELECT %s FROM file('%s', 'Native')", db.Quoted(), columns, columns, nativeFile(dir)))
	took := time.Since(began)
	if err != nil {
		return figures{}, fmt.Errorf("read the file: %w", err)
	}
	after := b.now(k, nil)
	r := figures{perSecond: float64(f.records) / took.Seconds(), engine: after.cores(b.engine.Pid(), before), others: after.others(before)}
	return r, b.verify(ctx, db, f.records)
}

// verify compares ClickHouse with Kafka: as many rows as records, no record twice.
func (b *bench) verify(ctx context.Context, db *database.DB, records int) error {
	var rows, distinct uint64
	err := db.Conn().QueryRow(ctx, "SELECT count(), uniqExact(_topic, _partition, _offset) FROM "+db.Quoted()+".events").Scan(&rows, &distinct)
	if err != nil {
		return fmt.Errorf("count the rows: %w", err)
	}
	if rows != uint64(records) || distinct != rows { //nolint:gosec // a count
		return fmt.Errorf("%d records in Kafka, %d rows in ClickHouse, %d of them distinct", records, rows, distinct)
	}
	b.verified += records
	return nil
}
