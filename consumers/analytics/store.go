package analytics

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// store is where rows go.
type store interface {
	// check returns nil when inserts can be expected to work. ErrSchema… are final; any other error may pass.
	check(ctx context.Context) error
	// insert stores all rows, or returns an error after which none, some or all of them may be there. It may be called again
	// with the same block and token, also after the first call has in fact succeeded: rows that are there already are then
	// dropped. It honours ctx's deadline.
	insert(ctx context.Context, b *block, token string) error
	// offsets returns which offsets of the range have a row.
	offsets(ctx context.Context, b bounds) ([]uint64, error)
}

type clickHouseStore struct {
	db *DB
}

func (s clickHouseStore) check(ctx context.Context) error {
	states, err := Status(ctx, s.db)
	if err != nil {
		return err
	}
	for _, m := range states {
		if m.AppliedAt.IsZero() {
			return fmt.Errorf("%w: migration %04d_%s is not applied to database %s; run millrace clickhouse migrate", ErrSchemaPending, m.Version, m.Name, s.db.database)
		}
	}
	return nil
}

// final reports whether waiting cannot help.
func final(err error) bool {
	return errors.Is(err, ErrSchemaPending) || errors.Is(err, ErrSchemaDrift) || errors.Is(err, ErrSchemaNewer)
}

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

func (s clickHouseStore) insert(ctx context.Context, b *block, token string) error {
	columns := b.columns()
	names := make([]string, len(columns))
	types := make([]clickhouse.ColumnNameAndType, len(columns))
	for i, c := range columns {
		names[i] = c.name
		types[i] = clickhouse.ColumnNameAndType{Name: c.name, Type: c.wire}
	}
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(insertSettings(token)), clickhouse.WithColumnNamesAndTypes(types))
	batch, err := s.db.conn.PrepareBatch(ctx, "INSERT INTO "+s.db.quoted+".events ("+strings.Join(names, ", ")+")")
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
