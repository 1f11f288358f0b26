package saga

import (
	"context"
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

// watcher reads the event store along, with what is not committed: it tells the gate of the confirmations, about which nobody else is
// asked, and remembers where each of them was written.
type watcher struct {
	client *kgo.Client
	gate   *gate.Gate

	mu      sync.Mutex
	written map[gate.Order][]place
}

func newWatcher(seeds []string, g *gate.Gate) (*watcher, error) {
	from := map[int32]kgo.Offset{}
	for p := range int32(partitions) {
		from[p] = kgo.NewOffset().AtStart()
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(seeds...), kgo.FetchIsolationLevel(kgo.ReadUncommitted()),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{schemas.OrderEventsTopic: from}))
	if err != nil {
		return nil, fmt.Errorf("connect to Kafka: %w", err)
	}
	return &watcher{client: client, gate: g, written: map[gate.Order][]place{}}, nil
}

// run follows the event store until ctx ends.
func (w *watcher) run(ctx context.Context) {
	defer w.client.Close()
	for ctx.Err() == nil {
		w.client.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			e, ok := orderEvent(r)
			if !ok {
				return
			}
			of := gate.Order{Shop: e.Shop, ID: e.OrderID}
			switch d := e.Data.(type) {
			case *schemas.StepRequested:
				if d.Step == "confirm" && !d.Compensation {
					w.gate.Requested(of)
				}
			case *schemas.ConfirmationRequested:
				w.mu.Lock()
				w.written[of] = append(w.written[of], place{r.Partition, r.Offset})
				w.mu.Unlock()
				w.gate.Confirmed(of)
			}
		})
	}
}

// lost reports whether some confirmation of an order was written and not committed.
func (w *watcher) lost(of gate.Order, committed map[place]bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, at := range w.written[of] {
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
