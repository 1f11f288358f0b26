package saga

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/deploy/bench/chaos/saga/gate"
	"millrace/schemas"
)

// place is where a record is.
type place struct {
	partition int32
	offset    int64
}

// watcher reads the event store along, once with what is not committed and once without: it tells the gate how far members are, and
// remembers where each confirmation was written, about which nobody is asked.
type watcher struct {
	gate               *gate.Gate
	written, committed *kgo.Client

	mu     sync.Mutex
	places map[gate.Order][]place // of confirmations
}

func newWatcher(seeds []string, g *gate.Gate) (*watcher, error) {
	from := map[int32]kgo.Offset{}
	for p := range int32(partitions) {
		from[p] = kgo.NewOffset().AtStart()
	}
	open := func(level kgo.IsolationLevel) (*kgo.Client, error) {
		return kgo.NewClient(kgo.SeedBrokers(seeds...), kgo.FetchIsolationLevel(level),
			kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{schemas.OrderEventsTopic: from}))
	}
	w := &watcher{gate: g, places: map[gate.Order][]place{}}
	var err1, err2 error
	w.written, err1 = open(kgo.ReadUncommitted())
	w.committed, err2 = open(kgo.ReadCommitted())
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("connect to Kafka: %w", err)
	}
	return w, nil
}

// run follows the event store until ctx ends.
func (w *watcher) run(ctx context.Context) {
	var all sync.WaitGroup
	all.Go(func() { w.follow(ctx, w.written, gate.Written) })
	all.Go(func() { w.follow(ctx, w.committed, gate.Committed) })
	all.Wait()
}

func (w *watcher) follow(ctx context.Context, client *kgo.Client, far gate.Boundary) {
	defer client.Close()
	for ctx.Err() == nil {
		client.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			if e, ok := orderEvent(r); ok {
				w.see(gate.Order{Shop: e.Shop, ID: e.OrderID}, e.Data, far, place{r.Partition, r.Offset})
			}
		})
	}
}

// see tells the gate what was written, and where it matters remembers it.
func (w *watcher) see(of gate.Order, data schemas.OrderEventData, far gate.Boundary, at place) {
	switch d := data.(type) {
	case *schemas.StepRequested:
		if op, ok := opOf(&d.SagaStep); ok && op == gate.Confirm && far == gate.Written {
			w.gate.Requested(of)
		}
	case *schemas.StepCompleted:
		w.outcome(of, &d.SagaStep, far)
	case *schemas.StepFailed:
		w.outcome(of, &d.SagaStep, far)
	case *schemas.ConfirmationRequested:
		if far == gate.Written {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.places[of] = append(w.places[of], at)
		}
	}
}

func (w *watcher) outcome(of gate.Order, step *schemas.SagaStep, far gate.Boundary) {
	if op, ok := opOf(step); ok {
		w.gate.Seen(of, op, far)
	}
}

// opOf says what a step of the saga order.yaml does.
func opOf(s *schemas.SagaStep) (gate.Op, bool) {
	names := map[string]gate.Op{"reserve": gate.Reserve, "charge": gate.Charge, "fulfil": gate.Ship, "confirm": gate.Confirm}
	if s.Compensation {
		names = map[string]gate.Op{"reserve": gate.Release, "charge": gate.Refund, "fulfil": gate.Cancel}
	}
	op, ok := names[s.Step]
	return op, ok
}

// lost reports whether some confirmation of an order was written and not committed.
func (w *watcher) lost(of gate.Order, committed map[place]bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, at := range w.places[of] {
		if !committed[at] {
			return true
		}
	}
	return false
}

// orderEvent reads a record of the event store.
func orderEvent(r *kgo.Record) (schemas.OrderEvent, bool) {
	meta, err := schemas.ParseHeaders(r.Headers)
	if err != nil {
		return schemas.OrderEvent{}, false
	}
	e, err := schemas.DecodeOrderEvent(&meta, r.Value)
	return e, err == nil
}
