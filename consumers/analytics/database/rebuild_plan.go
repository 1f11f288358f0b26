package database

import (
	"context"
	"fmt"
	"strings"
)

// pieceRows is how many events one INSERT of a rebuild reads at most: few enough to end well before a client or a balancer gives
// up an answer (five minutes), many enough for parts of a good size.
const pieceRows = 2_000_000

// RebuildPlan is what a rebuild would do.
type RebuildPlan struct {
	Model  string
	Events uint64 // to read
	Pieces int    // statements to read them with
	Rows   uint64 // in the model now, versions that are not merged away yet among them
	Bytes  uint64 // on disk, of the model now; the table beside it needs about as much until the swap
}

// PlanRebuild says what Rebuild would do and changes nothing.
func PlanRebuild(ctx context.Context, db *DB, model string) (RebuildPlan, error) {
	r, err := newRebuild(ctx, db, model, RebuildOptions{})
	if err != nil {
		return RebuildPlan{}, fmt.Errorf("plan the rebuild of %s: %w", model, err)
	}
	pieces, err := r.pieces(ctx, pieceRows)
	if err != nil {
		return RebuildPlan{}, fmt.Errorf("plan the rebuild of %s: %w", model, err)
	}
	p := RebuildPlan{Model: model, Pieces: len(pieces)}
	for _, one := range pieces {
		p.Events += one.rows
	}
	err = db.conn.QueryRow(ctx, "SELECT sum(rows), sum(bytes_on_disk) FROM system.parts WHERE active AND database = ? AND table = ?", db.database, model).Scan(&p.Rows, &p.Bytes)
	if err != nil {
		return RebuildPlan{}, fmt.Errorf("plan the rebuild of %s: %w", model, err)
	}
	return p, nil
}

// piece is a part of events: a condition, and about how many rows fit it.
type piece struct {
	where string
	rows  uint64
}

// pieces cuts events into conditions that together fit every row there is, each about size rows or fewer: by partition, then by
// ranges of shops, which the sorting key begins with, then, in a shop of more, by a hash of the entity. They are conditions on
// values and not on parts, so merges meanwhile do not matter. What comes later is the view's to bring.
func (r *rebuild) pieces(ctx context.Context, size uint64) ([]piece, error) {
	// Without projections: ClickHouse 26.5 takes by_shop for this question, which does not know the partition, and fails.
	rows, err := r.db.conn.Query(ctx, "SELECT _partition_id, shop, count() FROM "+r.db.quoted+".events GROUP BY _partition_id, shop ORDER BY _partition_id, shop SETTINGS optimize_use_projections = 0")
	if err != nil {
		return nil, fmt.Errorf("count the events: %w", err)
	}
	defer rows.Close()
	var c cutter
	for rows.Next() {
		var partition, shop string
		var n uint64
		if err := rows.Scan(&partition, &shop, &n); err != nil {
			return nil, fmt.Errorf("count the events: %w", err)
		}
		c.add(partition, shop, n, size)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("count the events: %w", err)
	}
	c.end()
	return c.out, nil
}

// cutter gathers shops, which come in order, into pieces.
type cutter struct {
	out         []piece
	partition   string
	first, last string // shops of the piece that is being gathered
	rows        uint64
	gathering   bool
}

func (c *cutter) add(partition, shop string, n, size uint64) {
	if c.gathering && (partition != c.partition || c.rows+n > size) {
		c.end()
	}
	if n > size {
		parts := (n + size - 1) / size
		for i := range parts {
			c.out = append(c.out, piece{fmt.Sprintf("_partition_id = %s AND shop = %s AND cityHash64(entity_id) %% %d = %d", quoteString(partition), quoteString(shop), parts, i), n*(i+1)/parts - n*i/parts})
		}
		return
	}
	if !c.gathering {
		c.gathering, c.partition, c.first, c.rows = true, partition, shop, 0
	}
	c.last = shop
	c.rows += n
}

func (c *cutter) end() {
	if c.gathering {
		c.out = append(c.out, piece{fmt.Sprintf("_partition_id = %s AND shop >= %s AND shop <= %s", quoteString(c.partition), quoteString(c.first), quoteString(c.last)), c.rows})
		c.gathering = false
	}
}

func quoteString(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
}

// fill reads all events, piece by piece.
func (r *rebuild) fill(ctx context.Context) error {
	if err := r.db.Sync(ctx, "events"); err != nil {
		return err
	}
	size := uint64(pieceRows)
	if r.o.pieceRows > 0 {
		size = r.o.pieceRows
	}
	pieces, err := r.pieces(ctx, size)
	if err != nil {
		return err
	}
	var total uint64
	for _, p := range pieces {
		total += p.rows
	}
	for i, p := range pieces {
		if r.o.Progress != nil {
			r.o.Progress(r.result.Events, total)
		}
		if err := r.project(ctx, beside(r.model.Name), p.where); err != nil {
			return fmt.Errorf("piece %d of %d (%s): %w", i+1, len(pieces), p.where, err)
		}
		r.result.Events += p.rows
	}
	if r.o.Progress != nil {
		r.o.Progress(total, total)
	}
	return nil
}
