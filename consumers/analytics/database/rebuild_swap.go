package database

import (
	"context"
	"fmt"
	"time"

	"millrace/consumers/internal/pause"
)

// rebuildComment marks the inserts of rebuilds, in the server's list of queries and in its log.
const rebuildComment = "millrace clickhouse rebuild"

// compare counts the entities in both tables and refuses a swap that would lose some, as when events of before were dropped. The
// old ones are counted first, so that what comes in between does not matter. An insert that is under way may be seen in the old table
// alone, its block there being a moment older than that in the new one, or being all there is, when it does not know the feed: so what is
// missing at first is counted once more after these have ended and one more catch-up.
func (r *rebuild) compare(ctx context.Context, began time.Time) error {
	var err error
	if r.result.Before, err = r.entities(ctx, r.model.Name); err != nil {
		return err
	}
	if r.result.After, err = r.entities(ctx, beside(r.model.Name)); err != nil {
		return err
	}
	if r.result.After < r.result.Before {
		if err := r.awaitInserts(ctx); err != nil {
			return err
		}
		if err := r.catchUp(ctx, beside(r.model.Name), began); err != nil {
			return err
		}
		if r.result.After, err = r.entities(ctx, beside(r.model.Name)); err != nil {
			return err
		}
	}
	if r.result.After < r.result.Before && !r.o.FewerRows {
		return fmt.Errorf("%w: %d, not %d; nothing was changed", ErrFewerRows, r.result.After, r.result.Before)
	}
	return nil
}

// entities counts those of a table.
func (r *rebuild) entities(ctx context.Context, table string) (n uint64, err error) {
	if err := r.db.Sync(ctx, table); err != nil {
		return 0, err
	}
	if err := r.db.conn.QueryRow(ctx, "SELECT count() FROM "+r.db.quoted+"."+table+" FINAL").Scan(&n); err != nil {
		return 0, fmt.Errorf("count %s: %w", table, err)
	}
	return n, nil
}

// exchange swaps the tables and waits for the inserts that were under way then.
func (r *rebuild) exchange(ctx context.Context) error {
	// A process that was stopped for long may not have noticed: what is beside would be another's, and half.
	if err := r.lock.mine(ctx); err != nil {
		return err
	}
	// What the swap has done is not known when its answer is lost: from here on nothing is dropped that may be the model's.
	r.exchanged = true
	if err := executeOn(ctx, r.db, "EXCHANGE TABLES "+r.db.quoted+"."+r.model.Name+" AND "+r.db.quoted+"."+beside(r.model.Name)); err != nil {
		return err
	}
	return r.awaitInserts(ctx)
}

// awaitInserts returns when the inserts into events that began before it was called have ended, here and on the other replicas.
func (r *rebuild) awaitInserts(ctx context.Context) error {
	const every, warnAfter = 100 * time.Millisecond, 10 * time.Second
	processes := "system.processes"
	if r.db.cluster != "" {
		processes = "clusterAllReplicas('" + r.db.cluster + "', system.processes)"
	}
	began := time.Now()
	for warned := false; ; {
		var running uint64
		// Durations and not times: the servers' clocks may differ.
		err := r.db.conn.QueryRow(ctx, "SELECT count() FROM "+processes+" WHERE query_kind = 'Insert' AND position(query, 'events') > 0 AND elapsed > ? AND Settings['log_comment'] != ?",
			time.Since(began).Seconds(), rebuildComment).Scan(&running)
		if err != nil {
			return fmt.Errorf("wait for the inserts under way: %w", err)
		}
		if running == 0 {
			return nil
		}
		if !warned && time.Since(began) > warnAfter {
			warned = true
			r.o.Logger.WarnContext(ctx, "waiting for inserts into events that are under way", "model", r.model.Name, "inserts", running)
		}
		if err := pause.Sleep(ctx, every); err != nil {
			return err
		}
	}
}
