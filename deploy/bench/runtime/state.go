package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/schemas"
)

// state measures a service that keeps state and emits a record for every event, and then checks what a reader sees of it.
func (b *bench) state(ctx context.Context) error {
	if err := b.source(ctx); err != nil {
		return err
	}
	var all []figures
	var visible []float64
	var checked *exactness
	for range b.o.repeat {
		f, seen, x, err := b.stateOnce(ctx)
		if err != nil {
			return err
		}
		b.note("state and one emitted record: %.0f records/s, steady %.0f, until visible %.0f, %.0f MB, others %.0f %%", f.whole, f.steady, seen, f.peakMB, 100*f.others)
		all, visible, checked = append(all, f), append(visible, seen), x
	}
	of := func(field func(figures) float64) float64 { return middle(all, field) }
	b.report.row("State and one emitted record for each event, exactly once", "records/s, whole run | steady | until all is visible | memory MB | processor µs/record | allocations/record | bytes/record | other programs",
		whole(of(func(f figures) float64 { return f.whole })), whole(of(func(f figures) float64 { return f.steady })), whole(median(visible)),
		whole(of(func(f figures) float64 { return f.peakMB })), decimals(of(func(f figures) float64 { return f.cpuMicros }), 1),
		decimals(of(func(f figures) float64 { return f.mallocs }), 1), whole(of(func(f figures) float64 { return f.allocated })), othersName(all))
	b.report.say("256 workers; an emitted record has a value of %d bytes; *until all is visible* counts to the commit of the last transaction. Each run was checked with a "+
		"read-committed reader; the last gave: %d emitted, %d events without one, %d with more than one, %d out of their key's order, %d keys whose state is not the "+
		"number of their events.", b.o.emitBytes, checked.emitted, checked.missing, checked.repeated, checked.inverted, checked.wrongState)
	return nil
}

func (b *bench) stateOnce(ctx context.Context) (f figures, visible float64, x *exactness, err error) {
	group, err := b.newService(ctx, sourceTopic, true)
	if err != nil {
		return f, 0, nil, err
	}
	spec := b.spec(sourceTopic, group)
	spec.EmitTo = sourceTopic + ".emitted-by-" + group
	if err := b.makeTopic(ctx, spec.EmitTo); err != nil {
		return f, 0, nil, err
	}
	c, err := b.startMember(ctx, spec)
	if err != nil {
		return f, 0, nil, err
	}
	defer c.kill()
	before, err := b.loadNow()
	if err != nil {
		return f, 0, nil, err
	}
	total := int64(b.o.records)
	// Asking the broker all the time would cost it something, so the question waits until everything is handled.
	err = until(ctx, ratesWithin, "everything is committed", []*child{c}, func() (bool, error) {
		if c.handled() < total {
			return false, nil
		}
		n, err := b.committed(ctx, group, sourceTopic)
		return n >= total, err
	})
	if err != nil {
		return f, 0, nil, err
	}
	seen := time.Now().UnixMicro()
	samples := c.history()
	visible = float64(total) / float64(seen-samples[0].at) * 1e6
	if f, err = b.figures(c, total, before); err != nil {
		return f, 0, nil, err
	}
	x, err = b.checkExactness(ctx, group, spec.EmitTo)
	return f, visible, x, errors.Join(err, b.dropService(ctx, sourceTopic, group, spec.EmitTo))
}

// exactness is what a read-committed reader finds after the state row.
type exactness struct {
	emitted, missing, repeated, inverted, wrongState int
}

// seenKey is what has been seen of one key.
type seenKey struct {
	offset int64 // of its last event
	events int64
	state  []byte // as the changelog has it: what the runtime keeps, then the service's value
}

func (b *bench) checkExactness(ctx context.Context, group, emittedTo string) (*exactness, error) {
	x := &exactness{}
	keys := map[string]*seenKey{}
	at := map[entry]int{} // how many records were emitted for an event
	err := b.readCommitted(ctx, emittedTo, func(r *kgo.Record) error {
		var e emitted
		if err := json.Unmarshal(r.Value, &e); err != nil {
			return fmt.Errorf("record at %d/%d: %w", r.Partition, r.Offset, err)
		}
		x.emitted++
		at[entry{e.Partition, e.Offset}]++
		k := keys[string(r.Key)]
		if k == nil {
			k = &seenKey{offset: -1}
			keys[string(r.Key)] = k
		}
		if e.Offset <= k.offset || e.Nth != k.events+1 {
			x.inverted++
		}
		k.offset, k.events = e.Offset, k.events+1
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, n := range at {
		if n > 1 {
			x.repeated++
		}
	}
	x.missing = b.o.records - len(at)
	err = b.readCommitted(ctx, schemas.StateTopic(sourceTopic, group), func(r *kgo.Record) error {
		if k := keys[string(r.Key)]; k != nil {
			k.state = r.Value
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		if digits := bytes.TrimRight(k.state, "0123456789"); string(k.state[len(digits):]) != strconv.FormatInt(k.events, 10) {
			x.wrongState++
		}
	}
	if bad := (exactness{emitted: b.o.records}); *x != bad {
		return x, fmt.Errorf("not exactly once: %+v of %d events", *x, b.o.records)
	}
	return x, nil
}
