package verify

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"unique"
)

// check takes the rows of the table one by one, in any order, and finds what is wrong with them.
type check struct {
	x      *index
	report *Report
	homes  map[entityKey]coordinate // the partition of each entity; offset unused
	split  map[entityKey]bool
}

type entityKey struct{ shop, entity text }

func (k entityKey) String() string { return k.shop.Value() + "|" + k.entity.Value() }

// columns are what row expects, in this order.
const columns = "id, shop, shopify_topic, subject, partition_key, hex(SHA256(body)), _topic, _partition, _offset"

const width = 9

func newCheck(x *index, r *Report) *check {
	return &check{x: x, report: r, homes: map[entityKey]coordinate{}, split: map[entityKey]bool{}}
}

func (c *check) row(f []string) error {
	c.report.Rows++
	n, known := c.x.byID[f[0]]
	if !known {
		c.report.Unknown++
		return nil
	}
	partition, err := strconv.ParseInt(f[7], 10, 32)
	if err != nil {
		return fmt.Errorf("read row of webhook %s: _partition: %w", f[0], err)
	}
	offset, err := strconv.ParseInt(f[8], 10, 64)
	if err != nil {
		return fmt.Errorf("read row of webhook %s: _offset: %w", f[0], err)
	}
	e := &c.x.all[n]
	at := coordinate{topic: unique.Make(f[6]), partition: int32(partition), offset: offset}
	c.content(e, f)
	c.place(e, at)
	if e.rows == 0 {
		e.at = at
	} else {
		if at.offset < e.at.offset {
			at, e.at = e.at, at
		}
		e.others = append(e.others, at)
	}
	e.rows++
	return nil
}

// content compares what a row says with what was sent.
func (c *check) content(e *expected, f []string) {
	key := e.shop.Value() + "|" + e.entity.Value()
	for _, v := range []struct{ what, got, want string }{
		{"shop", f[1], e.shop.Value()},
		{"shopify_topic", f[2], e.topic.Value()},
		{"subject", f[3], e.entity.Value()},
		{"partition_key", f[4], key},
	} {
		if v.got != v.want {
			c.report.Wrong.add("webhook %s: %s is %q, sent was %q", e.id, v.what, v.got, v.want)
		}
	}
	sum, err := hex.DecodeString(f[5])
	if err != nil || [32]byte(append(sum, make([]byte, 32)...)[:32]) != e.sum || len(sum) != 32 {
		c.report.Wrong.add("webhook %s (%s of %s): the body has SHA-256 %s, sent was %x", e.id, e.topic.Value(), key, f[5], e.sum)
	}
}

// place sees to it that an entity stays in one partition.
func (c *check) place(e *expected, at coordinate) {
	k := entityKey{e.shop, e.entity}
	home, known := c.homes[k]
	if !known {
		c.homes[k] = at
		return
	}
	if (home.topic != at.topic || home.partition != at.partition) && !c.split[k] {
		c.split[k] = true
		c.report.Split.add("%s is in %s/%d and in %s/%d", k, home.topic.Value(), home.partition, at.topic.Value(), at.partition)
	}
}

// finish judges what only shows when all rows have been seen.
func (c *check) finish() {
	r := c.report
	byEntity := map[entityKey][]*expected{}
	for i := range c.x.all {
		e := &c.x.all[i]
		if e.rows == 0 {
			if e.acked {
				r.Missing.add("webhook %s (%s of %s|%s) was acknowledged and is not there", e.id, e.topic.Value(), e.shop.Value(), e.entity.Value())
			}
			continue
		}
		r.Stored++
		if !e.acked {
			r.StoredUnacked++
		}
		c.copies(e)
		k := entityKey{e.shop, e.entity}
		byEntity[k] = append(byEntity[k], e)
	}
	for k, events := range byEntity {
		if !c.split[k] {
			order(r, k, events)
		}
	}
	r.Entities = int64(len(byEntity))
}

// copies tells records that were sent twice from records that were inserted twice.
func (c *check) copies(e *expected) {
	records := map[coordinate]bool{e.at: true}
	for _, at := range e.others {
		if records[at] {
			c.report.Repeated.add("webhook %s: the record %s/%d@%d is in more than one row", e.id, at.topic.Value(), at.partition, at.offset)
		}
		records[at] = true
	}
	c.report.Resent += int64(len(records) - 1)
	if len(records) > e.storable {
		c.report.Surplus.add("webhook %s has %d records in Kafka after %d requests that can have been stored", e.id, len(records), e.storable)
	}
}

// order checks the events of one entity, all of one partition: an event acknowledged at stamp a has its first offset
// below that of every event whose first delivery has a stamp above a.
func order(r *Report, k entityKey, events []*expected) {
	byFirst := slices.SortedFunc(slices.Values(events), func(a, b *expected) int { return cmp.Compare(a.first, b.first) })
	byAck := slices.DeleteFunc(slices.Clone(events), func(e *expected) bool { return e.ack == 0 })
	slices.SortFunc(byAck, func(a, b *expected) int { return cmp.Compare(a.ack, b.ack) })
	var last *expected // with the highest first offset among those acknowledged before
	next := 0
	for _, e := range byFirst {
		for ; next < len(byAck) && byAck[next].ack < e.first; next++ {
			if last == nil || byAck[next].at.offset > last.at.offset {
				last = byAck[next]
			}
		}
		if last != nil && e.at.offset <= last.at.offset {
			r.Order.add("%s: webhook %s (%s) was sent after %s (%s) was acknowledged, but has offset %d, not above %d, in %s/%d",
				k, e.id, e.topic.Value(), last.id, last.topic.Value(), e.at.offset, last.at.offset, e.at.topic.Value(), e.at.partition)
		}
	}
}
