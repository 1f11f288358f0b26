package outgoing

import (
	"log/slog"
	"time"
)

// This file is the limits of the group: Config.GroupRate and Config.GroupConcurrency hold for all processes of a consumer group, and each
// keeps its share of them. A partition is owned by one process, so shares by partitions never add up to more than the whole. What may
// go beyond is in DESIGN.md of package group.

// noShareWait is the wait of an event whose process has no share. Its partition has gone, so it is not heard of again.
const noShareWait = time.Second

// Share implements group.Shared. With limits of the group nothing is called before it has told a share, so the Client must be the Gate
// of its service, or be told by what is.
func (c *Client) Share(owned, all int) {
	share := shareOf(owned, all)
	c.m.share.Set(share)
	if !c.cfg.grouped() {
		return
	}
	c.owned.Store(int64(owned))
	if c.pace != nil {
		c.pace.set(c.cfg.GroupRate * share)
	}
	places := c.cfg.placesOf(owned, all)
	c.places.resize(places)
	c.gate.update(func(g *gate) {
		g.restUntil = time.Time{} // what was said of the old share
		g.places = -1
		if c.cfg.GroupConcurrency > 0 && owned > 0 { // without partitions nothing is dispatched anyway
			g.places = places
		}
	})
	c.log.Debug("share of the group's limits", slog.Int("owned", owned), slog.Int("all", all))
}

func shareOf(owned, all int) float64 {
	if all == 0 {
		return 0
	}
	return min(1, float64(owned)/float64(all))
}

// grouped tells whether there are limits of the group.
func (c Config) grouped() bool { return c.GroupRate > 0 || c.GroupConcurrency > 0 }

// placesOf is how many calls may be under way at once. A process that has partitions has at least one place, or their events would wait for
// ever.
func (c Config) placesOf(owned, all int) int {
	switch {
	case !c.grouped():
		return c.Concurrency
	case owned == 0 || all == 0:
		return 0
	case c.GroupConcurrency == 0:
		return c.Concurrency
	default:
		return min(c.Concurrency, max(1, c.GroupConcurrency*owned/all))
	}
}
