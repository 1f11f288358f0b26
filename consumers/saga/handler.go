package saga

import (
	"context"
	"fmt"
	"time"

	"millrace/consumers/group"
	"millrace/consumers/group/orderevent"
	"millrace/consumers/group/outgoing"
	"millrace/schemas"
)

// Reasons of skipped events.
const (
	skipNotForUs   = "not_for_us"
	skipOtherSaga  = "other_saga"
	skipSuperseded = "superseded"
	skipOlder      = "older_version"
	skipStarted    = "already_started"
	skipTest       = "test_order"
	skipLate       = "order_sent_or_closed"
	skipCancelled  = "order_cancelled"
	skipEnded      = "run_has_ended"
)

type handler struct {
	definitions []Definition // with the newest last
	steps       map[stepKey]actions
	clients     []*outgoing.Client // of all partners
	now         func() time.Time
	m           *metrics
}

// stepKey names a step of a version.
type stepKey struct {
	version int64
	step    string
}

// actions are what a step does, and undoes; nil for nothing to undo.
type actions struct{ do, undo action }

// Handle takes one event of an order further.
func (h *handler) Handle(ctx context.Context, e *group.Event, u group.UnitOfWork) error {
	name, ok := schemas.OrderEventType(e.Topic)
	if !ok || !reads(name) {
		return group.Skip(skipNotForUs)
	}
	fact, err := orderevent.Decode(e)
	if err != nil {
		return err
	}
	r, err := ReadRun(u.State().Get())
	if err != nil {
		return group.Permanent(err)
	}
	w := &work{handler: h, event: e, unit: u, run: &r, of: Order{Shop: e.Shop, ID: fact.OrderID}, at: h.now()}
	if r.Phase == "" {
		w.def = &h.definitions[len(h.definitions)-1]
	} else if w.def, err = h.definition(&r); err != nil {
		return group.Permanent(err)
	}
	err = w.take(ctx, fact.Data)
	if err == nil {
		err = w.flaw
	}
	if err == nil && w.changed {
		return u.State().Set(r.text())
	}
	return err
}

// reads reports whether events of the type may concern a run.
func reads(eventType string) bool {
	switch eventType {
	case schemas.TypeOrderCreated, schemas.TypeOrderUpdated, schemas.TypePaymentReceived, schemas.TypeOrderCancelled,
		schemas.TypeOrderPartlyFulfilled, schemas.TypeOrderFulfilled, schemas.TypeOrderDeleted,
		schemas.TypeStepRequested, schemas.TypeSagaParked, schemas.TypeSagaRetryRequested, schemas.TypeSagaAbortRequested:
		return true
	default:
		return false
	}
}

// definition returns the one with which a run began.
func (h *handler) definition(r *Run) (*Definition, error) {
	for i := range h.definitions {
		d := &h.definitions[i]
		switch {
		case d.Saga != r.Saga:
			return nil, fmt.Errorf("the run is one of saga %s, this consumer group has %s", r.Saga, d.Saga)
		case d.Version != r.Version:
			continue
		}
		for _, s := range r.Steps {
			if d.index(s.Name) < 0 {
				return nil, fmt.Errorf("version %d of saga %s has no step %s any more: a version must not change once it is in use", r.Version, r.Saga, s.Name)
			}
		}
		return d, nil
	}
	return nil, fmt.Errorf("the run began with version %d of saga %s, which the definition file has not", r.Version, r.Saga)
}

// work is the handling of one event.
type work struct {
	*handler
	event   *group.Event
	unit    group.UnitOfWork
	run     *Run
	def     *Definition
	of      Order
	at      time.Time // now
	changed bool      // the run is
	flaw    error     // the first error of emitting, a verdict
}

// take is a table of what an event means to a run.
func (w *work) take(ctx context.Context, data schemas.OrderEventData) error {
	switch d := data.(type) {
	case *schemas.OrderCreated:
		return w.shopSays(schemas.TypeOrderCreated, &d.OrderVersion)
	case *schemas.PaymentReceived:
		return w.shopSays(schemas.TypePaymentReceived, &d.OrderVersion)
	case *schemas.OrderCancelled:
		return w.cancelled("cancelled by the shop", true)
	case *schemas.OrderDeleted:
		return w.cancelled("deleted by the shop", false)
	case *schemas.StepRequested:
		return w.requested(ctx, d)
	case *schemas.SagaParked:
		return w.parked(d)
	case *schemas.SagaRetryRequested:
		return w.retry(&d.SagaRequest)
	case *schemas.SagaAbortRequested:
		return w.abort(&d.SagaRequest)
	default:
		if v := schemas.OrderVersionOf(data); v != nil {
			return w.shopSays("", v)
		}
		return group.Skip(skipNotForUs)
	}
}

// shopSays starts a run, or keeps the version for the steps to come. The type is that of an event that may start one.
func (w *work) shopSays(eventType string, v *schemas.OrderVersion) error {
	r := w.run
	starts := eventType == w.def.StartsOn
	switch {
	case r.Cancelled:
		return group.Skip(skipCancelled)
	case r.Phase == "" && v.Test:
		return group.Skip(skipTest)
	case !v.CancelledAt.IsZero(): // the event that says only that may have been lost
		return w.cancelled("cancelled by the shop", true)
	case r.Phase == Running, r.Phase == "" && !starts:
		if !r.see(v) {
			return group.Skip(skipOlder)
		}
		w.changed = true
		if r.Phase == Running {
			w.unit.Note("the next step sees this version of the order")
		}
		return nil
	case r.Phase != "" && starts:
		return group.Skip(skipStarted)
	case r.Phase != "":
		return group.Skip(skipEnded)
	}
	if r.Order != nil && r.Order.UpdatedAt.After(v.UpdatedAt) {
		v = r.Order
	}
	if !v.ClosedAt.IsZero() || v.FulfillmentStatus == "fulfilled" { // made known late: there is nothing left to lead it through
		return group.Skip(skipLate)
	}
	w.start(v)
	return nil
}

// cancelled undoes a run. What is complete is undone too, unless the shop has only cleared it away.
func (w *work) cancelled(why string, complete bool) error {
	r := w.run
	switch {
	case r.Cancelled:
		return group.Skip(skipCancelled)
	case r.Phase == "":
		r.Cancelled, r.Order, w.changed = true, nil, true
		w.unit.Note("no run: the order is " + why)
		return nil
	case r.Phase == Running, r.Phase == Completed && complete:
		r.Cancelled = true
		w.compensate(why)
		return nil
	default:
		return group.Skip(skipEnded)
	}
}

// parked makes a dead letter of a run that waits for a person: its own event, which has nothing else to do.
func (w *work) parked(d *schemas.SagaParked) error {
	if d.Saga != w.run.Saga || w.run.Phase != Parked || d.Seq != w.run.Seq {
		return group.Skip(skipSuperseded)
	}
	return group.Permanent(fmt.Errorf("step %s cannot be undone: %s; put it right at the partner, then `millrace saga retry`, or `abort` if it was done by hand",
		d.Step, w.run.Problem))
}

// retry lets what waits, or is parked, be tried at once.
func (w *work) retry(d *schemas.SagaRequest) error {
	r := w.run
	switch {
	case d.Saga != r.Saga:
		return group.Skip(skipOtherSaga)
	case r.Phase == Parked:
		w.unit.Note("tried again for " + d.Who)
		r.Phase, r.Since, r.Problem = Compensating, w.at, ""
		w.emit("tried again for "+d.Who, &schemas.SagaCompensating{SagaRef: w.next()})
		w.undoNext()
		return nil
	case r.Asked == nil:
		return group.Skip(skipEnded)
	default:
		w.unit.Note("tried at once for " + d.Who)
		again := *r.Asked
		again.NotBefore = time.Time{}
		w.ask(again)
		return nil
	}
}

// abort ends a run for a person: what goes on is undone, and what is parked is left as it is.
func (w *work) abort(d *schemas.SagaRequest) error {
	r := w.run
	switch {
	case d.Saga != r.Saga:
		return group.Skip(skipOtherSaga)
	case r.Phase == Running:
		w.compensate("aborted by " + d.Who)
		return nil
	case r.Phase == Parked:
		w.end(Aborted, &schemas.SagaAborted{SagaRef: w.next()}, "left as it is by "+d.Who)
		return nil
	default:
		return group.Skip(skipEnded)
	}
}

// requested makes one call to a partner, if the request is the one that counts.
func (w *work) requested(ctx context.Context, d *schemas.StepRequested) error {
	a := w.run.Asked
	switch {
	case d.Saga != w.run.Saga:
		return group.Skip(skipOtherSaga)
	case a == nil || a.Seq != d.Seq:
		return group.Skip(skipSuperseded)
	}
	if wait := a.NotBefore.Sub(w.at); wait > 0 {
		return group.NotReady(wait, "attempt %d at step %s is due at %s", a.Attempt, d.Step, a.NotBefore.Format(time.RFC3339))
	}
	if a.Undo {
		return w.undo(ctx, a)
	}
	return w.do(ctx, a)
}

// emit writes events of the run in the commit of this one.
func (w *work) emit(reason string, data ...schemas.OrderEventData) {
	if err := orderevent.Emit(w.unit, w.event, Name, reason, data...); err != nil && w.flaw == nil {
		w.flaw = err
	}
}
