package orderstate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"millrace/consumers/group"
	"millrace/consumers/group/reread"
	"millrace/schemas"
)

// ErrUnknownOrder is returned, wrapped, by Tell for an order of which the event store has nothing, or nothing yet at that time.
var ErrUnknownOrder = errors.New("the event store has nothing about this order")

// Source gives the events of one order, in the order of the store. What f gets is good until it has returned.
type Source interface {
	OrderEvents(ctx context.Context, shop, orderID string, f func(*group.Event) error) error
}

// History is what happened to an order.
type History struct {
	Shop, OrderID string
	Until         time.Time // zero: all
	Events        []Told    // in the order of the store
	State         State     // the fold of them
}

// Told is one event and what it did. Data are nil where this program cannot read them.
type Told struct {
	schemas.OrderEvent
	Type          string
	Verdict       Verdict
	AfterDeletion bool
	Partition     int32
	Offset        int64
	Value         json.RawMessage // as it stands in the store
}

// Unreadable is the Verdict of an event that this program cannot read, because a newer one wrote it. It is no part of the state.
const Unreadable Verdict = "unreadable"

// Tell reads the events of an order and folds them: all, or those that were known at a time. What was known is what counts, not what had
// happened: a webhook that came late explains nothing that was done before.
func Tell(ctx context.Context, s Source, shop, orderID string, until time.Time) (*History, error) {
	h := &History{Shop: shop, OrderID: orderID, Until: until}
	later := 0
	err := s.OrderEvents(ctx, shop, orderID, func(e *group.Event) error {
		fact, err := schemas.DecodeOrderEvent(&e.Event, e.Body)
		if err != nil {
			if fact, _, err = schemas.ParseOrderEvent(&e.Event, e.Body); err != nil {
				return nil //nolint:nilerr // a record of somebody else's
			}
		}
		if !until.IsZero() && fact.Known.After(until) {
			later++
			return nil
		}
		name, _ := schemas.OrderEventType(e.Topic)
		told := Told{OrderEvent: fact, Type: name, Verdict: Unreadable, Partition: e.Partition, Offset: e.Offset, Value: slices.Clone(e.Body)}
		if fact.Data != nil {
			told.AfterDeletion = h.State.Deleted != nil
			h.State, told.Verdict = Fold(h.State, &fact)
		}
		h.Events = append(h.Events, told)
		return nil
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the events of order %s of %s: %w", orderID, shop, err)
	case len(h.Events) == 0 && later > 0:
		return nil, fmt.Errorf("%w at %s: its first event came later", ErrUnknownOrder, until.UTC().Format(time.RFC3339))
	case len(h.Events) == 0:
		return nil, fmt.Errorf("%w: order %s of %s", ErrUnknownOrder, orderID, shop)
	}
	return h, nil
}

// FromKafka reads the event store itself: the whole partition that has the order.
type FromKafka struct{ Reader *reread.Reader }

// OrderEvents implements Source.
func (k FromKafka) OrderEvents(ctx context.Context, shop, orderID string, f func(*group.Event) error) error {
	key := (&schemas.OrderEvent{Shop: shop, OrderID: orderID}).Key()
	p, err := k.Reader.PartitionOf(ctx, schemas.OrderEventsTopic, key)
	if err != nil {
		return err
	}
	return k.Reader.Events(ctx, schemas.OrderEventsTopic, p, func(e *group.Event) error {
		if e.Key != key {
			return nil
		}
		return f(e)
	})
}
