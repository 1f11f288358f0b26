package analytics

import (
	"context"
	"fmt"
	"strconv"

	"millrace/consumers/internal/pause"

	"github.com/twmb/franz-go/pkg/kgo"
)

// readBack makes sure that the rows of a batch are there after an insert whose token an earlier try may have used: one that
// failed with its outcome unknown, or one of a member before this one.
//
// The token alone is not enough. ClickHouse writes it to its log before the part gets its name; an engine that dies between
// the two has the token and not the rows, drops the repeat as known, and answers that all is well. So the rows are counted
// by their offsets, and what is missing goes in under a token of its own. The only errors are ctx's.
func (s *Sink) readBack(ctx context.Context, b *batch, rows rowBlock) error {
	for n := 0; ; n++ {
		lost, err := s.insertMissing(ctx, b, rows, n)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil && lost == 0:
			return nil
		case err == nil:
			s.metrics.repaired.Add(float64(lost))
			s.logger.WarnContext(ctx, "rows that clickhouse had acknowledged were missing and are inserted again", "topic", b.topic, "partition", b.partition,
				"offset", b.start, "end_offset", b.end, "rows", lost)
		case n == 0:
			s.logger.WarnContext(ctx, "read back a batch", "topic", b.topic, "partition", b.partition, "offset", b.start, "end_offset", b.end, "err", err)
		}
		if err := pause.Sleep(ctx, pause.Backoff(n, s.cfg.RetryBackoffMin, s.cfg.RetryBackoffMax)); err != nil {
			return err
		}
	}
}

// insertMissing inserts the rows of the batch that are not there, and returns how many they were. It is called again until
// there are none, which proves the last insert.
func (s *Sink) insertMissing(ctx context.Context, b *batch, rows rowBlock, n int) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.InsertTimeout)
	defer cancel()
	there, err := s.store.offsets(ctx, rows.table(), b.bounds)
	if err != nil {
		return 0, err
	}
	has := make(map[uint64]bool, len(there))
	for _, o := range there {
		has[o] = true
	}
	wanted := make(map[uint64]bool)
	for _, o := range rows.kafkaOffsets() {
		if !has[o] {
			wanted[o] = true
		}
	}
	if len(wanted) == 0 {
		return 0, nil
	}
	var records []*kgo.Record
	for _, r := range b.records {
		if wanted[uint64(r.Offset)] { //nolint:gosec // offsets are not negative
			records = append(records, r)
		}
	}
	again, _ := rowsOf(b.topic, records)
	return len(wanted), s.store.insert(ctx, again, b.token()+"#"+strconv.Itoa(n+1))
}

// offsets returns the offsets of the batch's range that have a row.
func (s clickHouseStore) offsets(ctx context.Context, table string, b bounds) ([]uint64, error) {
	var found []uint64
	rows, err := s.db.Conn().Query(ctx, "SELECT DISTINCT _offset FROM "+s.db.Quoted()+"."+table+" WHERE _topic = ? AND _partition = ? AND _offset >= ? AND _offset < ?",
		b.topic, b.partition, b.start, b.end)
	if err != nil {
		return nil, fmt.Errorf("read back %s: %w", b.token(), err)
	}
	defer rows.Close()
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
