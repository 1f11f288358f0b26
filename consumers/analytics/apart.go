package analytics

import (
	"context"
	"errors"

	"millrace/consumers/internal/pause"

	"github.com/twmb/franz-go/pkg/kgo"
)

// insertApart brings in a batch of which ClickHouse refuses a value, without the rows that it refuses: pieces of it are inserted,
// a refused piece is halved, and a single row that is refused is returned, with ClickHouse's reason. The only errors are ctx's.
//
// It is exactly once like the whole batch: the pieces depend on nothing but the batch, so a replay makes the same ones, and each has
// a token of its bounds. Rows that an earlier try of the whole batch has brought in, before somebody forbade a value in it, are
// left out of their pieces.
func (s *Sink) insertApart(ctx context.Context, b *batch, records []*kgo.Record) (dead []rejected, err error) {
	there, err := s.landed(ctx, b)
	if err != nil {
		return nil, err
	}
	s.logger.WarnContext(ctx, "clickhouse refuses a value of a batch: its rows are inserted in pieces to find which", "topic", b.topic, "partition", b.partition,
		"offset", b.start, "end_offset", b.end)
	for pieces := [][]*kgo.Record{records}; len(pieces) > 0; {
		last := len(pieces) - 1
		piece := pieces[last]
		pieces = pieces[:last]
		refusal, err := s.insertPiece(ctx, b, piece, there)
		switch {
		case err != nil:
			return nil, err
		case refusal == nil:
		case len(piece) == 1:
			dead = append(dead, rejected{record: piece[0], err: &rowError{rejectRefused, refusal}})
		default:
			half := len(piece) / 2
			pieces = append(pieces, piece[half:], piece[:half])
		}
	}
	return dead, nil
}

// insertPiece inserts those records of a piece that are not there, under the token of the piece. refusal is ClickHouse's word on a
// value in them.
func (s *Sink) insertPiece(ctx context.Context, b *batch, piece []*kgo.Record, there map[uint64]bool) (refusal, err error) {
	part := &batch{bounds: bounds{topic: b.topic, partition: b.partition, start: piece[0].Offset, end: piece[len(piece)-1].Offset + 1}}
	for _, r := range piece {
		if !there[uint64(r.Offset)] { //nolint:gosec // offsets are not negative
			part.records = append(part.records, r)
			part.bytes += recordBytes(r)
		}
	}
	rows, _ := rowsOf(b.topic, part.records)
	_, err = s.insert(ctx, part, rows, b.token()+"/"+part.span())
	if errors.Is(err, errRefused) {
		return err, nil
	}
	return nil, err
}

// landed returns the offsets of a batch that have a row. It asks until ClickHouse answers; the only errors are ctx's.
func (s *Sink) landed(ctx context.Context, b *batch) (map[uint64]bool, error) {
	table := newRows(b.topic, 0).table()
	for n := 0; ; n++ {
		there, err := s.offsetsOf(ctx, table, b.bounds)
		if err == nil {
			return there, nil
		}
		if n == 0 {
			s.logger.WarnContext(ctx, "read back a batch", "topic", b.topic, "partition", b.partition, "offset", b.start, "end_offset", b.end, "err", err)
		}
		if err := pause.Sleep(ctx, pause.Backoff(n, s.cfg.RetryBackoffMin, s.cfg.RetryBackoffMax)); err != nil {
			return nil, err
		}
	}
}
