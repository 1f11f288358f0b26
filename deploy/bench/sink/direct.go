package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	chproto "github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"

	"millrace/consumers/analytics"
	"millrace/consumers/analytics/database"
)

// directBlock is one recorded insert, ready to be sent again: its columns are typed slices, as the sink's are.
type directBlock struct {
	statement string
	settings  clickhouse.Settings
	columns   []clickhouse.ColumnNameAndType
	values    []any
	rows      int
}

// beDirect sends recorded blocks by clickhouse-go, as many at once as the sink does. Reading and decoding them comes before the
// measured time.
func beDirect(ctx context.Context, spec childSpec) error {
	db, err := openDatabase(spec.URL, spec.Database, "")
	if err != nil {
		return err
	}
	blocks, err := directBlocks(spec.Blocks, db.Quoted())
	if err != nil {
		return errors.Join(err, db.Close())
	}
	var before, after line
	if err := usage(&before); err != nil {
		return errors.Join(err, db.Close())
	}
	began := time.Now()
	rows, err := sendAll(ctx, db, blocks)
	ended := time.Now()
	if err := errors.Join(err, usage(&after), db.Close()); err != nil {
		return err
	}
	after.At, after.Began, after.Rows, after.Batches = ended.UnixMicro(), began.UnixMicro(), rows, int64(len(blocks))
	after.CPUMicros -= before.CPUMicros
	after.Allocated -= before.Allocated
	after.Mallocs -= before.Mallocs
	return json.NewEncoder(os.Stdout).Encode(after)
}

func sendAll(ctx context.Context, db *database.DB, blocks []directBlock) (int64, error) {
	next := make(chan int, len(blocks))
	for i := range blocks {
		next <- i
	}
	close(next)
	var (
		mu       sync.Mutex
		rows     int64
		failures error
		workers  sync.WaitGroup
	)
	for range analytics.DefaultConfig().InsertConcurrency {
		workers.Go(func() {
			for i := range next {
				err := blocks[i].send(ctx, db, i)
				mu.Lock()
				rows += int64(blocks[i].rows)
				failures = errors.Join(failures, err)
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	workers.Wait()
	return rows, failures
}

func (d directBlock) send(ctx context.Context, db *database.DB, n int) error {
	settings := clickhouse.Settings{"insert_deduplication_token": "direct-" + strconv.Itoa(n)}
	for name, value := range d.settings {
		settings[name] = value
	}
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(settings), clickhouse.WithColumnNamesAndTypes(d.columns))
	batch, err := db.Conn().PrepareBatch(ctx, d.statement)
	if err != nil {
		return fmt.Errorf("prepare block %d: %w", n, err)
	}
	defer func() { _ = batch.Close() }()
	for i, values := range d.values {
		if err := batch.Column(i).Append(values); err != nil {
			return fmt.Errorf("fill column %s of block %d: %w", d.columns[i].Name, n, err)
		}
	}
	if err := batch.Send(); err != nil {
		return fmt.Errorf("send block %d: %w", n, err)
	}
	return nil
}

// directBlocks decodes what a recorder has kept.
func directBlocks(dir, database string) ([]directBlock, error) {
	kept, err := readRecorded(dir)
	if err != nil {
		return nil, err
	}
	blocks := make([]directBlock, 0, len(kept))
	for _, r := range kept {
		body, err := os.ReadFile(r.File)
		if err != nil {
			return nil, fmt.Errorf("read block: %w", err)
		}
		d, err := decode(body)
		if err != nil {
			return nil, fmt.Errorf("decode block %s: %w", r.File, err)
		}
		statement, _, _ := strings.Cut(table(r.Statement, database), " FORMAT ") // the client adds it
		d.statement, d.settings = statement, clickhouse.Settings{}
		for name, value := range r.Settings {
			d.settings[name] = value
		}
		blocks = append(blocks, d)
	}
	return blocks, nil
}

// decode takes one block in format Native apart.
func decode(body []byte) (directBlock, error) {
	context := column.ServerContext{Timezone: time.UTC}
	block := proto.Block{ServerContext: &context}
	reader := chproto.NewReader(bufio.NewReader(bytes.NewReader(body)))
	if err := block.Decode(reader, 0); err != nil {
		return directBlock{}, err
	}
	d := directBlock{rows: block.Rows()}
	for _, c := range block.Columns {
		d.columns = append(d.columns, clickhouse.ColumnNameAndType{Name: c.Name(), Type: string(c.Type())})
		values := reflect.MakeSlice(reflect.SliceOf(c.ScanType()), 0, d.rows)
		for i := range d.rows {
			values = reflect.Append(values, reflect.ValueOf(c.Row(i, false)))
		}
		d.values = append(d.values, values.Interface())
	}
	return d, nil
}
