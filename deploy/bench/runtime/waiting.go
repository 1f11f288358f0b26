package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"time"

	"millrace/partitioning"
)

const (
	waitingTopic = "bench.waiting"
	// freshShop is the shop of events that do not fail: when one is handled, its partition has been restored.
	freshShop = "fresh.myshopify.com"
	// idleBefore is how long the member does nothing before its memory is read at rest.
	idleBefore = 10 * time.Second
	// releaseWithin bounds the handling of what is due.
	releaseWithin = time.Hour
)

// waiting lets a million events wait in the retry topic, starts the service anew, and releases them.
func (b *bench) waiting(ctx context.Context) error {
	if err := b.makeTopic(ctx, waitingTopic); err != nil {
		return err
	}
	group, err := b.newService(ctx, waitingTopic, false)
	if err != nil {
		return err
	}
	spec := b.spec(waitingTopic, group)
	spec.Trace, spec.FailNot = freshShop, freshShop
	spec.Schedule = []time.Duration{0, b.o.due}
	empty, err := b.startToFirst(ctx, spec)
	if err != nil {
		return err
	}
	if err := b.waitingRow("start, nothing waits", empty.member, 0, empty.took); err != nil {
		empty.member.kill()
		return err
	}
	if _, err := empty.member.stop(); err != nil {
		return err
	}
	places, err := b.fill(ctx, waitingTopic, b.o.waiting)
	if err != nil {
		return err
	}
	deferred := time.Now()
	if err := b.deferAll(ctx, spec); err != nil {
		return err
	}
	spec.FailNot, spec.Ledger = "", filepath.Join(b.dir, "waiting.ledger")
	full, err := b.startToFirst(ctx, spec)
	if err != nil {
		return err
	}
	defer full.member.kill()
	if early := time.Since(deferred); early > b.o.due*9/10 { // the schedule has a jitter of a tenth
		return fmt.Errorf("the first events were due before all were waiting and restored, after %s: -due must be longer", early.Round(time.Second))
	}
	if err := b.waitingRow("started again, all waiting", full.member, b.o.waiting, full.took); err != nil {
		return err
	}
	return b.release(ctx, full.member, spec, places)
}

// fresh is a member that has handled an event of every partition.
type fresh struct {
	member *child
	took   time.Duration // from its start to the last of these
}

// startToFirst writes an event that will not fail to every partition and starts a member.
func (b *bench) startToFirst(ctx context.Context, spec memberSpec) (fresh, error) {
	if err := b.writeFresh(ctx); err != nil {
		return fresh{}, err
	}
	c, err := b.startMember(ctx, spec)
	if err != nil {
		return fresh{}, err
	}
	var last int64
	err = until(ctx, ratesWithin, "each partition has been restored", []*child{c}, func() (bool, error) {
		seen := c.traced(time.Time{})
		for _, l := range seen {
			last = max(last, l.At)
		}
		return len(partitionsOf(seen)) == b.o.partitions, nil
	})
	if err != nil {
		c.kill()
		return fresh{}, err
	}
	return fresh{c, time.UnixMicro(last).Sub(c.started)}, nil
}

func (b *bench) writeFresh(ctx context.Context) error {
	producer, err := b.producer()
	if err != nil {
		return err
	}
	defer producer.Close()
	random := rand.New(rand.NewPCG(5, 6)) //nolint:gosec // test data
	written := map[int32]bool{}
	for n := 0; len(written) < b.o.partitions; n++ {
		e := entityOf(freshShop, n)
		p := partitioning.Partition([]byte(e.key), int32(b.o.partitions)) //nolint:gosec // a person's small number
		if written[p] {
			continue
		}
		written[p] = true
		if err := producer.ProduceSync(ctx, record(waitingTopic, e, n, b.o.valueBytes, random)).FirstErr(); err != nil {
			return fmt.Errorf("write to %s: %w", waitingTopic, err)
		}
	}
	return nil
}

// deferAll runs a member until every event waits in the retry topic.
func (b *bench) deferAll(ctx context.Context, spec memberSpec) error {
	c, err := b.startMember(ctx, spec)
	if err != nil {
		return err
	}
	defer c.kill()
	extra := int64(b.o.partitions) // the fresh ones of the start before
	marks := []int{b.o.waiting / 4, b.o.waiting / 2, b.o.waiting * 3 / 4, b.o.waiting}
	for _, mark := range marks {
		err := until(ctx, min(ratesWithin, b.o.due), fmt.Sprintf("%d events wait", mark), []*child{c}, func() (bool, error) {
			n, err := b.committed(ctx, spec.Group, spec.Topic)
			return n >= int64(mark)+extra, err
		})
		if err != nil {
			return err
		}
		if err := b.waitingRow("putting off", c, mark, time.Since(c.started)); err != nil {
			return err
		}
	}
	select {
	case <-time.After(idleBefore):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := b.waitingRow(fmt.Sprintf("%s later", idleBefore), c, b.o.waiting, time.Since(c.started)); err != nil {
		return err
	}
	_, err = c.stop()
	return err
}

func (b *bench) waitingRow(what string, c *child, waiting int, after time.Duration) error {
	now, peak, err := c.memory()
	if err != nil {
		return err
	}
	b.note("%s: %d waiting, %.0f MB, highest %.0f, after %s", what, waiting, now, peak, after.Round(time.Millisecond))
	b.report.row(fmt.Sprintf("Events that wait in the retry topic: schedule 0, %s", b.o.due), "moment | waiting | memory MB | highest MB | seconds after the start of the process",
		what, strconv.Itoa(waiting), whole(now), whole(peak), decimals(after.Seconds(), 1))
	return nil
}

// release waits until what waits has been handled, and checks that each was, once and in its key's order.
func (b *bench) release(ctx context.Context, c *child, spec memberSpec, places *place) error {
	total := int64(b.o.waiting + b.o.partitions)
	err := until(ctx, b.o.due+releaseWithin, "all that waits has been handled", []*child{c}, func() (bool, error) { return c.handled() >= total, nil })
	if err != nil {
		return err
	}
	if err := b.waitingRow("all handled", c, 0, time.Since(c.started)); err != nil {
		return err
	}
	samples := c.history()
	for len(samples) > 0 && samples[0].handled <= int64(b.o.partitions) {
		samples = samples[1:] // the fresh ones
	}
	drained := rate(samples)
	if _, err := c.stop(); err != nil {
		return err
	}
	r, err := places.check(spec.Ledger)
	if err != nil {
		return err
	}
	b.report.say("%d keys; the first event of each fails, all later ones stand behind it. A start is measured up to the first event of the last of %d partitions, with all waiting events "+
		"restored, and includes the %s for which the broker waits for further members. Released: %.0f records/s from the first to the last, as they came due over %s (the jitter of the schedule). "+
		"Checked: %d handled once, %d never, %d more than once, %d out of their key's order.",
		b.o.keys, b.o.partitions, initialDelay, drained.whole, (b.o.due / 10).Round(time.Second), r.once, r.never, r.repeated, r.inverted)
	if r.never+r.repeated+r.inverted > 0 {
		return fmt.Errorf("of %d waiting events: %+v", b.o.waiting, r)
	}
	return nil
}

// handledOnce is what a ledger says of the places that were filled.
type handledOnce struct {
	once, never, repeated, inverted int
}

// check compares the order of handling with the order of offsets within each key.
func (p *place) check(ledger string) (handledOnce, error) {
	var r handledOnce
	type at struct {
		partition int32
		key       int32
	}
	last := map[at]int64{}
	times := map[entry]int{}
	err := readLedger(ledger, func(e entry) {
		if int(e.Partition) >= len(p.keys) || e.Offset >= int64(len(p.keys[e.Partition])) || p.keys[e.Partition][e.Offset] < 0 {
			return // not one of those
		}
		k := at{e.Partition, p.keys[e.Partition][e.Offset]}
		if before, seen := last[k]; seen && e.Offset <= before {
			r.inverted++
		}
		last[k] = e.Offset
		times[e]++
	})
	if err != nil {
		return r, err
	}
	for partition, keys := range p.keys {
		for offset, key := range keys {
			if key < 0 {
				continue
			}
			switch times[entry{int32(partition), int64(offset)}] {
			case 0:
				r.never++
			case 1:
				r.once++
			default:
				r.repeated++
			}
		}
	}
	return r, nil
}
