package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"millrace/consumers/analytics/database"
)

// dataset says what is in the data folder. The file that holds it is written when the data are complete.
type dataset struct {
	Asked  int       `json:"asked"`  // -events
	Recipe uint64    `json:"recipe"` // of the statements that made them
	End    time.Time `json:"end"`    // of the range of time
	Events uint64    `json:"events"` // made
	Took   string    `json:"took"`
}

func (b *bench) named(query string) string { return strings.ReplaceAll(query, "%", b.db.Quoted()) }

// data makes the events, or finds them made. In both cases the tables are brought to this program's migrations.
func (b *bench) data(ctx context.Context) error {
	had, err := b.had()
	if err != nil {
		return err
	}
	if !had {
		if err := b.db.Conn().Exec(ctx, "DROP DATABASE IF EXISTS "+b.db.Quoted()); err != nil {
			return fmt.Errorf("drop what is left of an earlier run: %w", err)
		}
	}
	if _, err := database.Migrate(ctx, b.db, database.MigrateOptions{Logger: b.logger}); err != nil {
		return fmt.Errorf("make tables: %w", err)
	}
	if had {
		b.note("%d events are there already", b.set.Events)
		return b.addUp(ctx)
	}
	began := time.Now()
	b.set = dataset{Asked: b.o.events, Recipe: recipe(), End: time.Now().UTC().Truncate(time.Hour)}
	if err := b.insertAll(ctx, calendar(b.o.events, b.set.End)); err != nil {
		return err
	}
	if b.set.Events, err = b.number(ctx, "SELECT count() FROM %.events"); err != nil {
		return err
	}
	b.set.Took = time.Since(began).Round(time.Second).String()
	b.note("%d events made in %s", b.set.Events, b.set.Took)
	if err := b.settle(ctx); err != nil {
		return err
	}
	if err := b.addUp(ctx); err != nil {
		return err
	}
	text, err := json.Marshal(b.set)
	if err != nil {
		return fmt.Errorf("encode what was made: %w", err)
	}
	if err := os.WriteFile(b.stateFile(), text, 0o600); err != nil {
		return fmt.Errorf("note what was made: %w", err)
	}
	return nil
}

// had tells whether the folder holds the data that were asked for.
func (b *bench) had() (bool, error) {
	text, err := os.ReadFile(b.stateFile())
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read what was made: %w", err)
	}
	if err := json.Unmarshal(text, &b.set); err != nil {
		return false, fmt.Errorf("read what was made: %w", err)
	}
	if b.set.Asked != b.o.events || b.set.Recipe != recipe() {
		return false, fmt.Errorf("%s holds other data (asked for %d events): choose another -data, or pass -again", b.o.data, b.set.Asked)
	}
	return true, nil
}

// recipe changes when the statements do.
func recipe() uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(ordersSQL + othersSQL)) // never fails
	return h.Sum64()
}

// insertAll inserts slot by slot, a few at once, in the order of arrival.
func (b *bench) insertAll(ctx context.Context, slots []slot) error {
	orders := b.o.events / eventsPerOrder
	next := make(chan int)
	var done atomic.Int64
	var mu sync.Mutex
	var failed error
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var workers sync.WaitGroup
	for range b.o.workers {
		workers.Go(func() {
			for n := range next {
				err := errors.Join(
					b.db.Conn().Exec(ctx, ordersStatement(slots, n, orders, b.db.Quoted())),
					b.db.Conn().Exec(ctx, othersStatement(slots[n], orders, b.db.Quoted())))
				if err != nil {
					mu.Lock()
					failed = errors.Join(failed, fmt.Errorf("slot %d: %w", n, err))
					mu.Unlock()
					cancel()
				}
				done.Add(1)
			}
		})
	}
	began, told := time.Now(), time.Now()
	for n := range slots {
		select {
		case next <- n:
		case <-ctx.Done():
		}
		if time.Since(told) > 15*time.Second {
			told = time.Now()
			share := float64(done.Load()) / float64(len(slots))
			b.note("%2.0f %% made, about %s to go", 100*share, time.Duration(float64(time.Since(began))*(1-share)/max(share, 0.001)).Round(time.Second))
		}
	}
	close(next)
	workers.Wait()
	mu.Lock()
	defer mu.Unlock()
	return errors.Join(failed, ctx.Err())
}

// addUp makes the sums that ClickHouse keeps, as they are some minutes later anyway, and says what each takes.
func (b *bench) addUp(ctx context.Context) error {
	for _, view := range []string{"sales_hours", "customer_days", "product_days"} {
		began := time.Now()
		for _, statement := range []string{"SYSTEM REFRESH VIEW %.", "SYSTEM WAIT VIEW %."} {
			if err := b.db.Conn().Exec(ctx, b.named(statement+view)); err != nil {
				return fmt.Errorf("refresh %s: %w", view, err)
			}
		}
		b.note("%s added up in %s", view, time.Since(began).Round(100*time.Millisecond))
	}
	return nil
}

// settle waits until no merge has run for a while, so that parts are as production has them between two inserts.
func (b *bench) settle(ctx context.Context) error {
	const quiet = 20 * time.Second
	began, last := time.Now(), time.Now()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for time.Since(last) < quiet && time.Since(began) < b.o.settle {
		n, err := b.number(ctx, "SELECT count() FROM system.merges")
		if err != nil {
			return err
		}
		if n > 0 {
			last = time.Now()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	b.note("merges over after %s", time.Since(began).Round(time.Second))
	return nil
}
