package main

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"time"
)

const (
	programMillrace = "millrace"
	programPeer     = "Parallel Consumer"
	programBare     = "bare poll loop"
)

// figures are what one run of one program gave.
type figures struct {
	rates

	peakMB    float64
	cpuMicros float64 // per record
	mallocs   float64 // per record; 0 for the peer
	allocated float64 // bytes per record; 0 for the peer
	others    float64 // share of the processors that went to other programs meanwhile
}

// ratesWithin is how long one run of a rate may take.
const ratesWithin = 15 * time.Minute

// compare measures millrace and the peer with one handler.
func (b *bench) compare(ctx context.Context, workers int, sleep time.Duration) error {
	if err := b.source(ctx); err != nil {
		return err
	}
	programs := []string{programMillrace}
	if b.peer != nil {
		programs = []string{programPeer, programMillrace}
	}
	if sleep == 0 {
		programs = append(programs, programBare)
	}
	got := map[string][]figures{}
	for range b.o.repeat {
		for _, program := range programs {
			f, err := b.rateOf(ctx, program, workers, sleep)
			if err != nil {
				return err
			}
			got[program] = append(got[program], f)
			b.note("%s, %s, %d workers: %.0f records/s, steady %.0f, %.0f MB, others %.0f %%", program, handlerName(sleep), workers, f.whole, f.steady, f.peakMB, 100*f.others)
		}
	}
	peerSteady := middle(got[programPeer], func(f figures) float64 { return f.steady })
	for _, program := range programs {
		b.rateRow(program, workers, sleep, got[program], peerSteady)
	}
	return nil
}

func middle(all []figures, of func(figures) float64) float64 {
	values := make([]float64, 0, len(all))
	for _, f := range all {
		values = append(values, of(f))
	}
	return median(values)
}

func (b *bench) rateRow(program string, workers int, sleep time.Duration, all []figures, peerSteady float64) {
	steady := func(f figures) float64 { return f.steady }
	ofPeer, mallocs, allocated := "", "", ""
	rate := middle(all, steady)
	if program != programPeer {
		mallocs, allocated = decimals(middle(all, func(f figures) float64 { return f.mallocs }), 1), whole(middle(all, func(f figures) float64 { return f.allocated }))
		if peerSteady > 0 {
			ofPeer = decimals(rate/peerSteady, 1) + " ×"
		}
	}
	least, most := slices.MinFunc(all, byRate), slices.MaxFunc(all, byRate)
	b.report.row("Rates", "handler | workers | program | records/s, whole run | steady | of the peer | range of steady | of workers ÷ handler time | memory MB | processor µs/record | allocations/record | bytes/record | other programs",
		handlerName(sleep), strconv.Itoa(workers), program, whole(middle(all, func(f figures) float64 { return f.whole })), whole(rate), ofPeer,
		whole(least.steady)+" – "+whole(most.steady), ofPossible(rate, workers, sleep), whole(middle(all, func(f figures) float64 { return f.peakMB })),
		decimals(middle(all, func(f figures) float64 { return f.cpuMicros }), 1), mallocs, allocated, othersName(all))
}

// othersName is the most that other programs took of the processors in one of the runs.
func othersName(all []figures) string {
	most := 0.0
	for _, f := range all {
		most = max(most, f.others)
	}
	return whole(100*most) + " %"
}

func byRate(a, b figures) int { return cmp.Compare(a.steady, b.steady) }

// rateOf runs a program over the topic once.
func (b *bench) rateOf(ctx context.Context, program string, workers int, sleep time.Duration) (figures, error) {
	if program == programPeer {
		c, err := b.peer.start(ctx, b.brokers(), sourceTopic, b.newGroup(), workers, sleep, b.o.peerSet)
		if err != nil {
			return figures{}, err
		}
		return b.runThrough(ctx, c)
	}
	group, err := b.newService(ctx, sourceTopic, false)
	if err != nil {
		return figures{}, err
	}
	spec := b.spec(sourceTopic, group)
	spec.Workers, spec.Sleep, spec.Bare = workers, sleep, program == programBare
	if sleep == 0 && !spec.Bare {
		spec.CPUProfile = b.o.cpuprofile
	}
	c, err := b.startMember(ctx, spec)
	if err != nil {
		return figures{}, err
	}
	f, err := b.runThrough(ctx, c)
	return f, errors.Join(err, b.dropService(ctx, sourceTopic, group))
}

// runThrough waits until a process that is alone in its group has handled the whole topic, and stops it.
func (b *bench) runThrough(ctx context.Context, c *child) (figures, error) {
	defer c.kill()
	before, err := b.loadNow()
	if err != nil {
		return figures{}, err
	}
	total := int64(b.o.records)
	err = until(ctx, ratesWithin, c.name+" has handled everything", []*child{c}, func() (bool, error) { return c.handled() >= total, nil })
	if err != nil {
		return figures{}, err
	}
	return b.figures(c, total, before)
}

// figures stops a process that is through with its records.
func (b *bench) figures(c *child, records int64, before load) (figures, error) {
	_, peak, err := c.memory()
	if err != nil {
		return figures{}, err
	}
	samples := c.history()
	last, err := c.stop()
	if err != nil {
		return figures{}, err
	}
	after, err := b.loadNow(c)
	if err != nil {
		return figures{}, err
	}
	n := float64(records)
	return figures{
		rates: rate(samples), peakMB: peak, cpuMicros: float64(c.cpu().Microseconds()) / n,
		mallocs: float64(last.Mallocs) / n, allocated: float64(last.Allocated) / n, others: after.others(before),
	}, nil
}
