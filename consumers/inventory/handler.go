package inventory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"millrace/consumers/internal/pause"

	"millrace/consumers/group"
	"millrace/consumers/group/orderevent"
	"millrace/consumers/group/outgoing"
	"millrace/schemas"
)

// Reasons of skipped events.
const (
	skipNotForUs  = "not_for_us"
	skipEdited    = "order_edited"
	skipDone      = "already_done"
	skipTest      = "test_order"
	skipNoStock   = "no_stock_lines"
	skipCancelled = "cancelled_when_created"
	skipNothing   = "nothing_reserved"
	skipNoRelease = "nothing_to_release"
)

type handler struct {
	cfg   Config
	stock Stock
	call  *outgoing.Client

	reserved, cancelled, refunded prometheus.Counter
	early                         prometheus.Counter
}

// Handle brings the stock system in step with one event.
func (h *handler) Handle(ctx context.Context, e *group.Event, u group.UnitOfWork) error {
	read := reader(e.Topic)
	switch { // before anything is read: most events of a shop are not about stock
	case e.Topic == "orders/edited":
		return group.Skip(skipEdited)
	case e.Topic != "orders/create" && read == nil:
		return group.Skip(skipNotForUs)
	}
	s, err := readState(u.State().Get())
	if err != nil {
		return group.Permanent(err)
	}
	w := &work{handler: h, event: e, state: &s, note: u.Note, tell: func(d schemas.OrderEventData) error { return orderevent.Emit(u, e, Name, "", d) }}
	if read == nil {
		err = w.create(ctx)
	} else {
		err = w.change(ctx, read)
	}
	if err != nil && !w.keep {
		return err
	}
	if storing := u.State().Set(s.text()); storing != nil {
		return storing
	}
	return err
}

// reader returns what reads the change of a topic, nil for none.
func reader(topic string) func(body []byte) (change, error) {
	switch topic {
	case "orders/cancelled":
		return func(body []byte) (change, error) {
			var o orderBody
			if err := decode(body, &o); err != nil {
				return change{}, err
			}
			return o.cancellation()
		}
	case "refunds/create":
		return func(body []byte) (change, error) {
			var r refundBody
			if err := decode(body, &r); err != nil {
				return change{}, err
			}
			return r.change()
		}
	case "fulfillments/create", "fulfillments/update":
		return func(body []byte) (change, error) {
			var f fulfillmentBody
			if err := decode(body, &f); err != nil {
				return change{}, err
			}
			return f.change()
		}
	default:
		return nil
	}
}

// work is the handling of one event.
type work struct {
	*handler
	event *group.Event
	state *state
	note  func(text string)                  // for the order's story
	tell  func(schemas.OrderEventData) error // the event store
	keep  bool                               // the state is to be kept although the verdict is Skip
}

// skip ends the work with the state kept.
func (w *work) skip(reason string) error {
	w.keep = true
	return group.Skip(reason)
}

// create reserves the goods of a new order, and then does what came before it.
func (w *work) create(ctx context.Context) error {
	if w.state.Known {
		return group.Skip(skipDone)
	}
	var o orderBody
	if err := decode(w.event.Body, &o); err != nil {
		return group.Permanent(err)
	}
	lines := o.goods()
	switch {
	case o.ID == 0:
		return group.Permanent(errors.New("the order has no id"))
	case o.Test:
		return w.nothing(skipTest)
	case !o.CancelledAt.IsZero():
		return w.nothing(skipCancelled)
	case o.LineItems == nil: // a subscription without them, or a body that was cut to its id on the way
		return group.Permanent(errors.New("the body has no line_items: what to reserve is not known"))
	case len(lines) == 0:
		return w.nothing(skipNoStock)
	}
	r := Reservation{Shop: w.event.Shop, OrderID: o.ID.String()}
	for i := range lines {
		r.Lines = append(r.Lines, lines[i].of(lines[i].Reserved))
	}
	key := fmt.Sprintf("reserve:%s:%s", w.event.Shop, o.ID)
	if err := w.call.Do(ctx, w.event.Shop, func(ctx context.Context) error { return w.stock.Reserve(ctx, key, r) }); err != nil {
		return err
	}
	w.reserved.Inc()
	w.note("reserved " + goods(r.Lines))
	if err := w.tell(&schemas.InventoryReserved{Effect: schemas.Effect{Effect: key}, Lines: stockLines(r.Lines)}); err != nil {
		return err
	}
	w.state.Known, w.state.Lines = true, lines
	remembered := w.state.Early
	w.state.Early = nil
	for _, c := range remembered {
		c.order = o.ID
		if err := w.apply(ctx, c); err != nil && !w.keep {
			return err // all of it again: what was done is done once, by its key
		}
	}
	return nil
}

// nothing notes that the order needs no goods, so that its later events need not wait for it.
func (w *work) nothing(reason string) error {
	w.state.Known, w.state.Nothing, w.state.Early = true, reason, nil
	return w.skip(reason)
}

// change does what an event about a known order asks for.
func (w *work) change(ctx context.Context, read func([]byte) (change, error)) error {
	if w.state.Nothing != "" {
		return group.Skip(skipNothing)
	}
	c, err := read(w.event.Body)
	switch {
	case err != nil:
		return group.Permanent(err)
	case c.skip != "":
		return group.Skip(c.skip)
	case w.state.did(c):
		return group.Skip(skipDone)
	case w.state.Known:
		return w.apply(ctx, c)
	case w.cfg.Early == EarlyRemember:
		w.state.Early = append(w.state.Early, c)
		w.early.Inc()
		w.note("remembered until the order comes")
		return nil
	default:
		return w.notReady(fmt.Errorf("the order %s has not come yet", c.order))
	}
}

// apply makes the change in the state and in the stock system. The state is kept only when both have worked.
func (w *work) apply(ctx context.Context, c change) error {
	w.keep = false // a skipped change before this one must not keep the state of this one when it fails
	switch c.Kind {
	case kindCancel:
		lines, all := w.state.cancel(c)
		if len(lines) == 0 {
			return w.skip(skipNoRelease)
		}
		if all {
			lines = nil // everything: it needs no agreement about quantities
		}
		key := fmt.Sprintf("release:%s:%s:cancelled", w.event.Shop, c.order)
		return w.release(ctx, key, c.order, ReasonCancelled, lines, w.cancelled)
	case kindRefund:
		lines := w.state.refund(c)
		if len(lines) == 0 {
			return w.skip(skipNoRelease)
		}
		key := fmt.Sprintf("release:%s:%s", w.event.Shop, c.ID)
		return w.release(ctx, key, c.order, ReasonRefunded, lines, w.refunded)
	case kindShip:
		w.state.ship(c.Shipped[0])
		w.note("noted what has been shipped")
		return nil
	default:
		return group.Permanent(fmt.Errorf("the state holds a change of unknown kind %q", c.Kind))
	}
}

func (w *work) release(ctx context.Context, key string, order schemas.ID, reason string, lines []Line, done prometheus.Counter) error {
	r := Release{Shop: w.event.Shop, OrderID: order.String(), Reason: reason, Lines: lines}
	err := w.call.Do(ctx, w.event.Shop, func(ctx context.Context) error { return w.stock.Release(ctx, key, r) })
	if errors.Is(err, ErrUnknownReservation) {
		return w.notReady(err)
	}
	if err != nil {
		return err
	}
	done.Inc()
	w.note("released " + goods(lines) + ", " + reason)
	return w.tell(&schemas.InventoryReleased{Effect: schemas.Effect{Effect: key}, Lines: stockLines(lines)})
}

// stockLines are lines in the words of the event store.
func stockLines(lines []Line) []schemas.StockLine {
	var out []schemas.StockLine
	for _, l := range lines {
		out = append(out, schemas.StockLine(l))
	}
	return out
}

// notedLines bounds what a note lists.
const notedLines = 5

// goods says for people what was reserved or released; nil is everything.
func goods(lines []Line) string {
	if lines == nil {
		return "everything"
	}
	var b strings.Builder
	for i, l := range lines {
		if i == notedLines {
			fmt.Fprintf(&b, " and %d more", len(lines)-i)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%d × %s", l.Quantity, cmp.Or(l.SKU, "variant "+l.VariantID))
	}
	return b.String()
}

// notReady puts the event off.
func (w *work) notReady(err error) error {
	return group.NotReady(pause.ByAge(w.event.Received), "%s of order: %w", w.event.Topic, err)
}
