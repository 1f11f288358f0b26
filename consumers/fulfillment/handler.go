package fulfillment

import (
	"context"
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"millrace/consumers/internal/pause"

	"millrace/consumers/group"
	"millrace/consumers/group/outgoing"
)

// Reasons of skipped events.
const (
	skipNotForUs   = "not_for_us"
	skipEdited     = "order_edited"
	skipDone       = "already_done"
	skipTest       = "test_order"
	skipNoShipping = "nothing_to_ship"
	skipNoAddress  = "no_address"
	skipCancelled  = "order_cancelled"
	skipClosed     = "closed_at_carrier"
	skipShipped    = "already_shipped"
	skipMade       = "shipment_made"
	skipNoGoods    = "no_goods_refunded"
	skipGivenUp    = "track_given_up"
)

// reasonCancelled is what the carrier is told. It is the same for all causes: a key must not come with another content.
const reasonCancelled = "cancelled"

func shipKey(shop, order string) string   { return "ship:" + shop + ":" + order }
func cancelKey(shop, order string) string { return "cancel:" + shop + ":" + order }

type handler struct {
	cfg     Config
	carrier Carrier
	call    *outgoing.Client

	created, cancelled, late, provisional prometheus.Counter
	early                                 prometheus.Counter
}

// Handle brings the carrier in step with one event, or does one task.
func (h *handler) Handle(ctx context.Context, e *group.Event, u group.UnitOfWork) error {
	if e.KafkaTopic == TasksTopic {
		return h.task(ctx, e, u)
	}
	do := step(e.Topic)
	if do == nil { // before anything is read: most events of a shop are not about shipping
		return group.Skip(skipNotForUs)
	}
	s, err := readState(u.State().Get())
	if err != nil {
		return group.Permanent(err)
	}
	w := &work{handler: h, event: e, unit: u, state: &s}
	err = do(w, ctx)
	if w.changed {
		// What it sets is kept if the verdict is nil or Skip.
		if storing := u.State().Set(s.text()); storing != nil {
			return storing
		}
	}
	return err
}

// step returns what is done with a topic, nil for nothing.
func step(topic string) func(*work, context.Context) error {
	switch topic {
	case "orders/create", "orders/paid":
		return (*work).order
	case "orders/cancelled", "orders/delete":
		return (*work).cancel
	case "orders/edited":
		return (*work).edited
	case "refunds/create":
		return (*work).refund
	default:
		return nil
	}
}

// work is the handling of one event.
type work struct {
	*handler
	event   *group.Event
	unit    group.UnitOfWork
	state   *state
	changed bool // the state is
}

// order makes the order known, and has it shipped if it is time.
func (w *work) order(ctx context.Context) error {
	switch {
	case w.state.Cancelled:
		return group.Skip(skipCancelled)
	case w.state.Made || w.state.Nothing != "":
		return group.Skip(skipDone)
	}
	var o orderBody
	if err := decode(w.event.Body, &o); err != nil {
		return group.Permanent(err)
	}
	switch {
	case o.ID == 0:
		return group.Permanent(errors.New("the order has no id"))
	case o.Test:
		return w.nothing(skipTest)
	case !o.CancelledAt.IsZero(): // its own event closes it at the carrier
		return group.Skip(skipCancelled)
	}
	w.changed = w.changed || !w.state.Known
	w.state.Known = true
	if w.event.Topic != "orders/paid" && w.cfg.ShipOn != ShipCreated {
		return nil
	}
	lines, err := o.toShip(w.state.Refunds)
	switch {
	case err != nil:
		return group.Permanent(err)
	case len(lines) == 0:
		return w.nothing(skipNoShipping)
	case o.ShippingAddress == nil:
		return w.nothing(skipNoAddress)
	}
	return w.ship(ctx, Shipment{Shop: w.event.Shop, OrderID: o.ID.String(), Name: o.Name, Lines: lines, Address: o.ShippingAddress})
}

// nothing notes that nothing is shipped for the order.
func (w *work) nothing(reason string) error {
	w.state.Known, w.state.Nothing, w.state.Refunds, w.changed = true, reason, nil, true
	return group.Skip(reason)
}

// ship creates the shipment, or has it created later.
func (w *work) ship(ctx context.Context, s Shipment) error {
	made, err := w.create(ctx, s)
	switch {
	case errors.Is(err, ErrClosed): // by a cancellation whose event comes yet, or by somebody else
		w.unit.Note("not shipped: the order is closed at the carrier")
		return w.nothing(skipClosed)
	case err == nil:
		err = w.started(w.event, w.unit, &s, &made)
	case w.goesOn(err):
		err = w.later(&s)
	}
	if err != nil {
		return err
	}
	w.state.Made, w.state.ShipmentID, w.state.Refunds, w.changed = true, made.ShipmentID, nil, true
	return nil
}

// later puts the shipment into a task.
func (w *work) later(s *Shipment) error {
	if err := emit(w.unit, w.event, kindShip, task{OrderID: s.OrderID, Shipment: s}); err != nil {
		return err
	}
	w.provisional.Inc()
	return tellProvisional(w.unit, w.event, "the shipment is created")
}

// cancel closes the order at the carrier, with the shipment if there is one.
func (w *work) cancel(ctx context.Context) error {
	if w.state.Cancelled {
		return group.Skip(skipDone)
	}
	var o orderBody
	if err := decode(w.event.Body, &o); err != nil {
		return group.Permanent(err)
	}
	switch {
	case o.ID == 0:
		return group.Permanent(errors.New("the order has no id"))
	case o.Test, w.state.Nothing == skipTest:
		return group.Skip(skipTest)
	case !w.state.Made && !o.hasGoods():
		return group.Skip(skipNoShipping)
	}
	w.state.Cancelled, w.changed = true, true
	of := Order{Shop: w.event.Shop, ID: o.ID.String()}
	err := w.close(ctx, of)
	switch {
	case errors.Is(err, ErrShipped):
		w.late.Inc()
		w.unit.Note("cancelled by the shop after the shipment had left")
		return group.Skip(skipShipped)
	case err == nil:
		return tellCancelled(w.unit, w.event, of, w.state.ShipmentID)
	case w.goesOn(err):
		if err := emit(w.unit, w.event, kindCancel, task{OrderID: of.ID, ShipmentID: w.state.ShipmentID}); err != nil {
			return err
		}
		w.provisional.Inc()
		return tellProvisional(w.unit, w.event, "the shipment is cancelled")
	default:
		return err
	}
}

// refund remembers what is not to be shipped.
func (w *work) refund(context.Context) error {
	switch {
	case w.state.Cancelled:
		return group.Skip(skipCancelled)
	case w.state.Nothing != "":
		return group.Skip(skipNoShipping)
	}
	var body refundBody
	if err := decode(w.event.Body, &body); err != nil {
		return group.Permanent(err)
	}
	r := body.refund()
	switch {
	case body.ID == 0 || body.OrderID == 0:
		return group.Permanent(errors.New("the refund has no id or no order"))
	case len(r.Lines) == 0:
		return group.Skip(skipNoGoods)
	case w.state.Made:
		w.unit.Note("refunded after the shipment was made: it goes out as it is")
		return group.Skip(skipMade)
	case w.state.knows(r.ID):
		return group.Skip(skipDone)
	case !w.state.Known && w.cfg.Early == EarlyWait:
		return group.NotReady(pause.ByAge(w.event.Received), "refund out of order: the order %s has not come yet", body.OrderID)
	case !w.state.Known:
		w.early.Inc()
	}
	w.state.Refunds, w.changed = append(w.state.Refunds, r), true
	w.unit.Note("what was refunded will not be shipped")
	return nil
}

// edited says what becomes of an edit.
func (w *work) edited(context.Context) error {
	if w.state.Made && !w.state.Cancelled {
		w.unit.Note("edited after the shipment was made: it goes out as it is")
	}
	return group.Skip(skipEdited)
}

// create asks the carrier for a shipment.
func (h *handler) create(ctx context.Context, s Shipment) (made Status, err error) {
	err = h.call.Do(ctx, s.Shop, func(ctx context.Context) error {
		var err error
		made, err = h.carrier.Create(ctx, shipKey(s.Shop, s.OrderID), s)
		return err
	})
	if err == nil {
		h.created.Inc()
	}
	return made, err
}

// close asks the carrier to ship nothing.
func (h *handler) close(ctx context.Context, of Order) error {
	err := h.call.Do(ctx, of.Shop, func(ctx context.Context) error {
		return h.carrier.Cancel(ctx, cancelKey(of.Shop, of.ID), of, reasonCancelled)
	})
	if err == nil {
		h.cancelled.Inc()
	}
	return err
}

// goesOn tells whether the order goes on although the carrier could not be asked: it is away, so says the breaker, and the settings want it.
// What the carrier answered is its word.
func (h *handler) goesOn(err error) bool {
	return h.cfg.Fallback == FallbackProvisional && h.call.Permits() >= 0 && !outgoing.IsAnswer(err)
}

// started tells of a shipment, and has it followed.
func (h *handler) started(e *group.Event, u group.UnitOfWork, s *Shipment, made *Status) error {
	if err := tellStarted(u, e, s, made); err != nil {
		return err
	}
	return h.follow(u, e, fmt.Sprintf("track:%s:%s", s.Shop, s.OrderID), task{OrderID: s.OrderID, Known: *made})
}
