package main

import (
	"context"
	"fmt"
	"time"
)

// loadCount is how much was inserted beside the questions.
type loadCount struct {
	events  int
	started time.Time
	ended   time.Time
}

func (c *loadCount) perSecond() float64 {
	took := c.ended.Sub(c.started).Seconds()
	if took <= 0 {
		return 0
	}
	return float64(c.events) / took
}

// loadEvery is the pause between two inserts: that of the sink's linger.
const loadEvery = 500 * time.Millisecond

// insertLoad inserts events of the present moment, every half second a batch, until ctx ends: a slot that follows on the data set's
// last one, with the numbers that come next.
func (b *bench) insertLoad(ctx context.Context, count *loadCount) error {
	orders := b.o.events / eventsPerOrder
	last := slot{start: b.set.End, hours: 1, first: orders + 1_000_000, from: b.o.events + 1_000_000_000}
	perBatch := max(int(float64(b.o.load)*loadEvery.Seconds()), 8)
	tick := time.NewTicker(loadEvery)
	defer tick.Stop()
	count.started, count.ended = time.Now(), time.Now()
	before, err := b.number(ctx, "SELECT count() FROM %.events")
	if err != nil {
		return err
	}
	for {
		// A new order has two events here, created and paid.
		last.orders, last.others = perBatch/eventsPerOrder*2, perBatch-perBatch/eventsPerOrder*4
		for _, statement := range []string{ordersStatement([]slot{last}, 0, orders, b.db.Quoted()), othersStatement(last, orders, b.db.Quoted())} {
			if err := b.db.Conn().Exec(context.WithoutCancel(ctx), statement); err != nil {
				return fmt.Errorf("insert beside the questions: %w", err)
			}
		}
		last.first += last.orders
		last.from += last.others
		select {
		case <-tick.C:
		case <-ctx.Done():
			after, err := b.number(context.WithoutCancel(ctx), "SELECT count() FROM %.events")
			count.events, count.ended = int(after-before), time.Now() //nolint:gosec // a count
			return err
		}
	}
}
