package analytics

import (
	"context"
	"fmt"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"

	"millrace/consumers/analytics/database"
)

// store is where rows go.
type store interface {
	// check returns nil when inserts can be expected to work. database.Final tells which errors stay; any other error may pass.
	check(ctx context.Context) error
	// insert stores all rows, or returns an error after which none, some or all of them may be there. It may be called again
	// with the same block and token, also after the first call has in fact succeeded: rows that are there already are then
	// dropped. It honours ctx's deadline.
	insert(ctx context.Context, b rowBlock, token string) error
	// offsets returns which offsets of the range have a row in the table.
	offsets(ctx context.Context, table string, b bounds) ([]uint64, error)
}

type clickHouseStore struct {
	db *database.DB
}

func (s clickHouseStore) check(ctx context.Context) error { return database.Check(ctx, s.db) }

// insertSettings are pinned on each insert, whatever the server's profile says: a retry is recognised only when it is cut
// into the same blocks as the first try.
func insertSettings(token string) clickhouse.Settings {
	return clickhouse.Settings{
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
}

func (s clickHouseStore) insert(ctx context.Context, b rowBlock, token string) error {
	columns := b.columns()
	names := make([]string, len(columns))
	types := make([]clickhouse.ColumnNameAndType, len(columns))
	for i, c := range columns {
		names[i] = c.name
		types[i] = clickhouse.ColumnNameAndType{Name: c.name, Type: c.wire}
	}
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(insertSettings(token)), clickhouse.WithColumnNamesAndTypes(types))
	batch, err := s.db.Conn().PrepareBatch(ctx, "INSERT INTO "+s.db.Quoted()+"."+b.table()+" ("+strings.Join(names, ", ")+")")
	if err != nil {
		return fmt.Errorf("prepare insert %s: %w", token, err)
	}
	defer batch.Close()
	for i, c := range columns {
		if err := batch.Column(i).Append(c.values); err != nil {
			return fmt.Errorf("fill column %s of insert %s: %w", c.name, token, err)
		}
	}
	if err := batch.Send(); err != nil {
		return fmt.Errorf("send insert %s: %w", token, err)
	}
	return nil
}
