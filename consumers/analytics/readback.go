package analytics

import (
	"context"
	"slices"
	"strconv"
	"time"

	"millrace/consumers/internal/pause"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/schemas/ddl"
)

// verify makes sure that the rows of a batch are there, and what the read models take from them, after an insert whose token an
// earlier try may have used: one that failed with its outcome unknown, or one of a member before this one.
//
// The token alone is not enough. ClickHouse writes it to its log before the part gets its name; an engine that dies between
// the two has the token and not the rows, drops the repeat as known, and answers that all is well. So the rows are read back
// by their offsets, and what is missing goes in under a token of its own. The same can have happened in each table that a view
// feeds, while the rows themselves are there; such a table takes a row twice without harm, so it is given all of them again. The
// only errors are ctx's.
//
// Each statement has a deadline of its own, and what one has achieved is never done again: however slow ClickHouse is, a batch
// gets on as long as its slowest statement keeps within the deadline.
func (s *Sink) verify(ctx context.Context, b *batch, rows rowBlock) error {
	v := verification{batch: b, rows: rows}
	for n := 0; ; n++ {
		err := s.verifyOn(ctx, &v)
		if err == nil && v.done {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && n == 0 {
			s.logger.WarnContext(ctx, "read back a batch", "topic", b.topic, "partition", b.partition, "offset", b.start, "end_offset", b.end, "err", err)
		}
		if err := pause.Sleep(ctx, pause.Backoff(n, s.cfg.RetryBackoffMin, s.cfg.RetryBackoffMax)); err != nil {
			return err
		}
	}
}

// verification is how far verify has got with a batch.
type verification struct {
	batch   *batch
	rows    rowBlock
	repairs int         // inserts of missing rows so far
	proven  bool        // the rows were all read back
	models  []ddl.Model // to be fed yet, once proven
	done    bool        // all of it
}

// verifyOn goes on until the verification is done, rows were missing, or there is an error.
func (s *Sink) verifyOn(ctx context.Context, v *verification) error {
	if !v.proven {
		lost, err := s.repair(ctx, v)
		if err != nil || lost > 0 {
			return err
		}
		if v.models, err = modelsOf(v.rows); err != nil {
			return err
		}
		v.proven = true
	}
	for len(v.models) > 0 {
		if err := s.project(ctx, v.models[0], v); err != nil {
			return err
		}
		if v.models = v.models[1:]; len(v.models) == 0 {
			s.metrics.projected.Inc()
		}
	}
	v.done = true
	return nil
}

// repair inserts the rows of the batch that are not there, and returns how many they are. It is called again until there are none,
// which proves the last insert. Each time the token is another one, but the same ones in the same order in every process: of two
// that repair the same batch at once, each row is taken from one.
func (s *Sink) repair(ctx context.Context, v *verification) (int, error) {
	b := v.batch
	there, err := s.offsetsOf(ctx, v.rows.table(), b.bounds)
	if err != nil {
		return 0, err
	}
	missing := make(map[uint64]bool)
	for _, o := range v.rows.kafkaOffsets() {
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
	v.repairs++
	if err = s.tryInsert(ctx, again, b.token()+"#"+strconv.Itoa(v.repairs)); err == nil {
		s.metrics.repaired.Add(float64(len(missing)))
	}
	s.logger.WarnContext(ctx, "rows that clickhouse had acknowledged were missing and are inserted again", "topic", b.topic, "partition", b.partition,
		"offset", b.start, "end_offset", b.end, "rows", len(missing), "err", err)
	return len(missing), err
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

// modelsOf returns the read models that may take something from the rows. Few do: a batch of orders feeds half of them, one of
// inventory a single one, and a statement costs ClickHouse as much for nothing as for a thousand rows.
func modelsOf(rows rowBlock) ([]ddl.Model, error) {
	all, err := ddl.Models()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(m ddl.Model) bool { return !rows.feeds(m) }), nil
}

// project gives a read model what it takes from the events of a batch, under the deadline of an insert.
func (s *Sink) project(ctx context.Context, m ddl.Model, v *verification) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.InsertTimeout)
	defer cancel()
	received := v.rows.receivedTimes()
	return s.store.project(ctx, m, v.batch.bounds, slices.MinFunc(received, time.Time.Compare), slices.MaxFunc(received, time.Time.Compare))
}
