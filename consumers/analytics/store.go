package analytics

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"millrace/consumers/analytics/database"
	"millrace/schemas/ddl"
)

// store is where rows go.
type store interface {
	// check returns nil when inserts can be expected to work, and exactly once. database.Final tells which errors stay; any
	// other error may pass.
	check(ctx context.Context) error
	// durable reports whether an acknowledged insert is on the disk.
	durable(ctx context.Context) (bool, error)
	// insert stores all rows, or returns an error after which none, some or all of them may be there. It may be called again
	// with the same block and token, also after the first call has in fact succeeded: rows that are there already are then
	// dropped. It honours ctx's deadline.
	insert(ctx context.Context, rows rowBlock, token string) error
	// offsets returns which offsets of the range have a row in the table, those of every insert that was acknowledged.
	offsets(ctx context.Context, table string, b bounds) ([]uint64, error)
	// project gives a read model what it takes from the events of the range, which were received from first to last. It may be
	// repeated. It honours ctx's deadline.
	project(ctx context.Context, m ddl.Model, b bounds, first, last time.Time) error
}

type clickHouseStore struct {
	db *database.DB
}

func (s clickHouseStore) check(ctx context.Context) error {
	if err := database.Check(ctx, s.db); err != nil {
		return err
	}
	return database.CheckWindows(ctx, s.db)
}

func (s clickHouseStore) durable(ctx context.Context) (bool, error) {
	var engine string
	err := s.db.Conn().QueryRow(ctx, "SELECT engine_full FROM system.tables WHERE database = ? AND name = ?", s.db.Database(), tableEvents).Scan(&engine)
	if err != nil {
		return false, fmt.Errorf("read the settings of table %s: %w", tableEvents, err)
	}
	return strings.Contains(engine, "fsync_after_insert = 1") && strings.Contains(engine, "fsync_part_directory = 1"), nil
}

// insertSettings are pinned on each insert, whatever the server's profile says: a retry is recognised only when it is cut
// into the same blocks as the first try.
func (s clickHouseStore) insertSettings(token string) clickhouse.Settings {
	settings := clickhouse.Settings{
		// On by default since 26.x, and it loses rows together with tokens: distinct tokens of one flush get mixed up.
		"async_insert":               0,
		"insert_deduplicate":         1,
		"insert_deduplication_token": token,
		"deduplicate_blocks_in_dependent_materialized_views": 1,
		"max_insert_block_size":                              maxBatchRows,
		// A batch that spans many months must not be refused for ever.
		"max_partitions_per_insert_block":            0,
		"input_format_native_allow_types_conversion": 1,
	}
	if s.db.Cluster() != "" {
		// Else the only replica that has the rows could be lost after it has answered.
		settings["insert_quorum"] = "auto"
	}
	return settings
}

func (s clickHouseStore) insert(ctx context.Context, rows rowBlock, token string) error {
	columns := rows.columns()
	names := make([]string, len(columns))
	types := make([]clickhouse.ColumnNameAndType, len(columns))
	for i, c := range columns {
		names[i] = c.name
		types[i] = clickhouse.ColumnNameAndType{Name: c.name, Type: c.wire}
	}
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(s.insertSettings(token)), clickhouse.WithColumnNamesAndTypes(types))
	batch, err := s.db.Conn().PrepareBatch(ctx, "INSERT INTO "+s.db.Quoted()+"."+rows.table()+" ("+strings.Join(names, ", ")+")")
	if err != nil {
		return fmt.Errorf("prepare insert %s: %w", token, err)
	}
	defer batch.Close()
	room, fill := newReserver(), batch.Columns()
	for i, c := range columns {
		if err := room.reserve(fill[i], c.values); err != nil {
			return fmt.Errorf("fill column %s of insert %s: %w", c.name, token, err)
		}
		if err := batch.Column(i).Append(c.values); err != nil {
			return fmt.Errorf("fill column %s of insert %s: %w", c.name, token, err)
		}
	}
	if err := batch.Send(); err != nil {
		return fmt.Errorf("send insert %s: %w", token, err)
	}
	return nil
}

// reading completes ctx for a question whose answer must have every acknowledged row, and brings the replica that is asked up to date.
func (s clickHouseStore) reading(ctx context.Context, table string) (context.Context, error) {
	if s.db.Cluster() == "" {
		return ctx, nil
	}
	if err := s.db.Sync(ctx, table); err != nil {
		return nil, err
	}
	return clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"select_sequential_consistency": 1})), nil
}

// within is the condition on a range of offsets, which the projection by_offset answers.
const within = "_topic = {topic:String} AND _partition = {partition:UInt32} AND _offset >= {start:UInt64} AND _offset < {end:UInt64}"

func (b bounds) parameters() []any {
	return []any{
		clickhouse.Named("topic", b.topic), clickhouse.Named("partition", b.partition),
		clickhouse.Named("start", b.start), clickhouse.Named("end", b.end),
	}
}

func (s clickHouseStore) offsets(ctx context.Context, table string, b bounds) ([]uint64, error) {
	ctx, err := s.reading(ctx, table)
	if err != nil {
		return nil, err
	}
	rows, err := s.db.Conn().Query(ctx, "SELECT DISTINCT _offset FROM "+s.db.Quoted()+"."+table+" WHERE "+within, b.parameters()...)
	if err != nil {
		return nil, fmt.Errorf("read back %s: %w", b.token(), err)
	}
	defer rows.Close()
	var found []uint64
	for rows.Next() {
		var o uint64
		if err := rows.Scan(&o); err != nil {
			return nil, fmt.Errorf("read back %s: %w", b.token(), err)
		}
		found = append(found, o)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read back %s: %w", b.token(), err)
	}
	return found, nil
}

// project runs the model's feed over the range. The time narrows the parts that are read, of which each knows its own first and last:
// by its offsets alone a row of events is found only through a projection that does not have the other columns.
func (s clickHouseStore) project(ctx context.Context, m ddl.Model, b bounds, first, last time.Time) error {
	ctx, err := s.reading(ctx, tableEvents)
	if err != nil {
		return err
	}
	settings := clickhouse.Settings{
		"async_insert": 0,
		// These blocks are those of no batch, and a model takes a row twice without harm. A repeat must be taken: it may be what
		// brings back what the token of an earlier one hides.
		"insert_deduplicate":              0,
		"max_partitions_per_insert_block": 0,
	}
	if s.db.Cluster() != "" {
		settings["insert_quorum"] = "auto"
		settings["select_sequential_consistency"] = 1
	}
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(settings))
	source := "(SELECT * FROM " + ddl.Source + " WHERE " + within +
		" AND received_time >= fromUnixTimestamp64Nano({first:Int64}, 'UTC') AND received_time <= fromUnixTimestamp64Nano({last:Int64}, 'UTC'))"
	parameters := append(b.parameters(), clickhouse.Named("first", first.UnixNano()), clickhouse.Named("last", last.UnixNano()))
	statement := strings.ReplaceAll(m.Insert(m.Name, source), ddl.DatabaseVariable, s.db.Quoted())
	if err := s.db.Conn().Exec(ctx, statement, parameters...); err != nil {
		return fmt.Errorf("feed model %s from %s: %w", m.Name, b.token(), err)
	}
	return nil
}
