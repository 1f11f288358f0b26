package orderstate

import (
	"bytes"
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"millrace/consumers/group"
	"millrace/consumers/group/orderevent"
	"millrace/schemas"
)

// Reasons of skipped events.
const (
	skipRepeated = "repeated"
	skipCame     = "order_came"
)

// folder keeps the state of each order up to date.
type folder struct {
	events map[Verdict]prometheus.Counter
}

// Handle folds one event.
func (h *folder) Handle(_ context.Context, e *group.Event, u group.UnitOfWork) error {
	fact, err := orderevent.Decode(e)
	if err != nil {
		return err
	}
	kept := u.State().Get()
	s, err := Read(kept)
	if err != nil {
		return group.Permanent(err)
	}
	if a, ok := fact.Data.(*schemas.OrderAwaited); ok {
		return await(&s, a, fact.At)
	}
	waited := s.Waiting()
	s, v := Fold(s, &fact)
	h.events[v].Inc()
	// Also of what is repeated: an effect that was known, told by another event, is a line of the timeline. A repeated event leaves no trace.
	if text := s.Text(); !bytes.Equal(text, kept) {
		if err := u.State().Set(text); err != nil {
			return err
		}
	}
	if v == Repeated {
		return group.Skip(skipRepeated)
	}
	if s.Waiting() && !waited {
		return orderevent.Emit(u, e, Name, "the order itself has not come yet", &schemas.OrderAwaited{For: fact.Type()})
	}
	return nil
}

const (
	minNotReady = time.Second
	maxNotReady = 10 * time.Minute
)

// await waits for an order of which something has come. The runtime asks again after each event of the order, so the wait matters only
// for the end of it: consumer.retry.not_ready_max, after which there is a dead letter for a person to see.
func await(s *State, a *schemas.OrderAwaited, since time.Time) error {
	if !s.Waiting() {
		return group.Skip(skipCame)
	}
	wait := min(max(time.Since(since)/4, minNotReady), maxNotReady)
	return group.NotReady(wait, "%s came for order %s of %s, and the order itself has not", a.For, s.OrderID, s.Shop)
}
