package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// scaling measures two members of one group beside a single one, with a handler that costs processor time and with one that
// only waits: on a machine whose processors are full, only the latter can show that members add up.
func (b *bench) scaling(ctx context.Context) error {
	if err := b.source(ctx); err != nil {
		return err
	}
	for _, sleep := range []time.Duration{10 * time.Millisecond, 0} {
		for _, processes := range []int{1, 2} {
			if err := b.scaleTo(ctx, processes, sleep); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *bench) scaleTo(ctx context.Context, processes int, sleep time.Duration) error {
	group, err := b.newService(ctx, sourceTopic, false)
	if err != nil {
		return err
	}
	spec := b.spec(sourceTopic, group)
	spec.Sleep = sleep
	var members []*child
	defer func() {
		for _, c := range members {
			c.kill()
		}
	}()
	for range processes {
		c, err := b.startMember(ctx, spec)
		if err != nil {
			return err
		}
		members = append(members, c)
	}
	total := int64(b.o.records)
	err = until(ctx, ratesWithin, "the members have handled everything", members, func() (bool, error) {
		var sum int64
		for _, c := range members {
			sum += c.handled()
		}
		return sum >= total, nil
	})
	if err != nil {
		return err
	}
	s, err := sharesOf(members)
	if err != nil {
		return err
	}
	b.note("%d processes, %s: %.0f records/s, steady %.0f; partitions %s, records %s", processes, handlerName(sleep), s.joint.whole, s.joint.steady, s.partitions, s.records)
	b.report.row("Scaling: processes of 256 workers in one group", "handler | processes | partitions handled by each | records of each | joint records/s, whole run | steady | of workers ÷ handler time | handled twice | memory MB",
		handlerName(sleep), strconv.Itoa(processes), s.partitions, s.records, whole(s.joint.whole), whole(s.joint.steady), ofPossible(s.joint.steady, processes*256, sleep),
		strconv.FormatInt(s.sum-total, 10), s.memory)
	return b.dropService(ctx, sourceTopic, group)
}

// shares is what each of several members did, in words, and what they did together.
type shares struct {
	partitions, records, memory string

	sum   int64
	joint rates
}

// sharesOf stops members that are through with their records.
func sharesOf(members []*child) (s shares, err error) {
	var samples [][]sample
	var partitions, records, memory []string
	for _, c := range members {
		samples = append(samples, c.history())
		_, peak, err := c.memory()
		if err != nil {
			return s, err
		}
		memory = append(memory, whole(peak))
	}
	for _, c := range members {
		last, err := c.stop()
		if err != nil {
			return s, err
		}
		owned := 0
		for _, n := range last.ByPartition {
			if n > 0 {
				owned++
			}
		}
		s.sum += last.Handled
		records, partitions = append(records, strconv.FormatInt(last.Handled, 10)), append(partitions, strconv.Itoa(owned))
	}
	s.joint = rate(samples...)
	s.partitions, s.records, s.memory = strings.Join(partitions, " + "), strings.Join(records, " + "), strings.Join(memory, " + ")
	return s, nil
}

func handlerName(sleep time.Duration) string {
	if sleep == 0 {
		return "no-op"
	}
	return fmt.Sprintf("%d ms", sleep.Milliseconds())
}

func ofPossible(rate float64, workers int, sleep time.Duration) string {
	if sleep == 0 {
		return ""
	}
	return decimals(rate/(float64(workers)/sleep.Seconds()), 2)
}
