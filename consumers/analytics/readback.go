package analytics

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"millrace/consumers/internal/pause"

	"github.com/twmb/franz-go/pkg/kgo"
)

// verify makes sure that the rows of a batch are there, and what the read models take from them, after an insert whose token an
// earlier try may have used: one that failed with its outcome unknown, or one of a member before this one.
//
// The token alone is not enough. ClickHouse writes it to its log before the part gets its name; an engine that dies between
// the two has the token and not the rows, drops the repeat as known, and answers that all is well. So the rows are read back
// by their offsets, and what is missing goes in under a token of its own. The same can have happened in each table that a view
// feeds, while the rows themselves are there; such a table takes a row twice without harm, so it is given all of them again. The
// only errors are ctx's.
func (s *Sink) verify(ctx context.Context, b *batch, rows rowBlock) error {
	repaired, projected := 0, false
	for n := 0; ; n++ {
		lost, err := s.repair(ctx, b, rows, repaired)
		if err == nil && lost == 0 && !projected {
			err = s.project(ctx, rows, b.bounds)
			projected = err == nil
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case projected:
			return nil
		case lost > 0:
			repaired++
			if err == nil {
				s.metrics.repaired.Add(float64(lost))
			}
			s.logger.WarnContext(ctx, "rows that clickhouse had acknowledged were missing and are inserted again", "topic", b.topic, "partition", b.partition,
				"offset", b.start, "end_offset", b.end, "rows", lost, "err", err)
		case n == 0:
			s.logger.WarnContext(ctx, "read back a batch", "topic", b.topic, "partition", b.partition, "offset", b.start, "end_offset", b.end, "err", err)
		}
		if err := pause.Sleep(ctx, pause.Backoff(n, s.cfg.RetryBackoffMin, s.cfg.RetryBackoffMax)); err != nil {
			return err
		}
	}
}

// repair inserts the rows of the batch that are not there, and returns how many they are. It is called again until there are none,
// which proves the last insert. Each time the token is another one, but the same ones in the same order in every process: of two
// that repair the same batch at once, each row is taken from one.
func (s *Sink) repair(ctx context.Context, b *batch, rows rowBlock, before int) (int, error) {
	there, err := s.offsetsOf(ctx, rows.table(), b.bounds)
	if err != nil {
		return 0, err
	}
	missing := make(map[uint64]bool)
	for _, o := range rows.kafkaOffsets() {
		if !there[o] {
			missing[o] = true
		}
	}
	if len(missing) == 0 {
		return 0, nil
	}
	var records []*kgo.Record
	for _, r := range b.records {
		if missing[uint64(r.Offset)] { //nolint:gosec // offsets are not negative
			records = append(records, r)
		}
	}
	again, _ := rowsOf(b.topic, records)
	return len(missing), s.tryInsert(ctx, again, b.token()+"#"+strconv.Itoa(before+1))
}

// offsetsOf reads back, under the deadline of an insert.
func (s *Sink) offsetsOf(ctx context.Context, table string, b bounds) (map[uint64]bool, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.InsertTimeout)
	defer cancel()
	list, err := s.store.offsets(ctx, table, b)
	if err != nil {
		return nil, err
	}
	there := make(map[uint64]bool, len(list))
	for _, o := range list {
		there[o] = true
	}
	return there, nil
}

// project gives the read models what they take from a range of events, under the deadline of an insert.
func (s *Sink) project(ctx context.Context, rows rowBlock, b bounds) error {
	if rows.table() != tableEvents {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.InsertTimeout)
	defer cancel()
	received := rows.receivedTimes()
	if err := s.store.project(ctx, b, slices.MinFunc(received, time.Time.Compare), slices.MaxFunc(received, time.Time.Compare)); err != nil {
		return fmt.Errorf("project %s: %w", b.token(), err)
	}
	s.metrics.projected.Inc()
	return nil
}
