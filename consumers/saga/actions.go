package saga

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"millrace/consumers/group/outgoing"
	"millrace/schemas"
)

// Names of actions.
const (
	actionReserve = "stock.reserve"
	actionRelease = "stock.release"
	actionCharge  = "payment.charge"
	actionRefund  = "payment.refund"
	actionShip    = "carrier.ship"
	actionCancel  = "carrier.cancel"
	actionConfirm = "mail.confirm"
	actionHTTP    = "http"
)

// actionNames are those that may do, or undo.
func actionNames(undo bool) []string {
	if undo {
		return []string{actionRelease, actionRefund, actionCancel, actionHTTP}
	}
	return []string{actionReserve, actionCharge, actionShip, actionConfirm, actionHTTP}
}

// task is one call to make.
type task struct {
	saga, step string
	of         Order
	order      *schemas.OrderVersion // as the step sees it; nil when it is undone
	ref        string                // the partner's name for what is undone
	currency   string
}

// result is what a call came to.
type result struct {
	facts   []schemas.OrderEventData
	note    string // for people
	ref     string // the partner's name for what was done
	nothing bool   // there was nothing to do, and the partner was not called
}

// action is what a step does or undoes. Its errors are verdicts.
type action func(ctx context.Context, t *task) (result, error)

// partner is a gateway with what limits the calls to it.
type partner[G any] struct {
	gateway G
	call    *outgoing.Client
}

// do makes one call within the limits.
func (p partner[G]) do(ctx context.Context, t *task, f func(ctx context.Context, g G) error) error {
	return p.call.Do(ctx, t.of.Shop, func(ctx context.Context) error { return f(ctx, p.gateway) })
}

// key of an effect. The services beside a saga have the same ones, so that what both do is done once.
func (t *task) key(verb, suffix string) string {
	return verb + ":" + t.of.Shop + ":" + t.of.ID + suffix
}

func reserve(p partner[Stock]) action {
	return func(ctx context.Context, t *task) (result, error) {
		r := Reservation{Shop: t.of.Shop, OrderID: t.of.ID}
		for i := range t.order.Lines {
			// Custom lines have no variant, and gift cards take up no room.
			if l := &t.order.Lines[i]; l.VariantID != "" && !l.GiftCard && l.CurrentQuantity > 0 {
				r.Lines = append(r.Lines, Line{VariantID: l.VariantID, SKU: l.SKU, Quantity: l.CurrentQuantity})
			}
		}
		if len(r.Lines) == 0 {
			return result{nothing: true, note: "no goods to reserve"}, nil
		}
		key := t.key("reserve", "")
		if err := p.do(ctx, t, func(ctx context.Context, s Stock) error { return s.Reserve(ctx, key, r) }); err != nil {
			return result{}, err
		}
		return result{
			facts: []schemas.OrderEventData{&schemas.InventoryReserved{Effect: schemas.Effect{Effect: key}, Lines: stockLines(r.Lines)}},
			note:  "reserved " + goods(r.Lines),
		}, nil
	}
}

func release(p partner[Stock]) action {
	return func(ctx context.Context, t *task) (result, error) {
		key := t.key("release", ":cancelled")
		if err := p.do(ctx, t, func(ctx context.Context, s Stock) error { return s.Release(ctx, key, t.of) }); err != nil {
			return result{}, err
		}
		return result{facts: []schemas.OrderEventData{&schemas.InventoryReleased{Effect: schemas.Effect{Effect: key}}}, note: "released the stock"}, nil
	}
}

func charge(p partner[Payment], amount string) action {
	return func(ctx context.Context, t *task) (result, error) {
		c := Charge{Shop: t.of.Shop, OrderID: t.of.ID, Amount: t.order.CurrentTotalPrice, Currency: t.order.Currency}
		if amount == AmountOutstanding {
			c.Amount = t.order.TotalOutstanding
		} else if c.Amount.IsNull() {
			c.Amount = t.order.TotalPrice
		}
		if !c.Amount.Decimal().IsPositive() {
			return result{nothing: true, note: "no money to charge"}, nil
		}
		key := t.key("charge", "")
		var id string
		err := p.do(ctx, t, func(ctx context.Context, p Payment) (err error) {
			id, err = p.Charge(ctx, key, c)
			return err
		})
		if err != nil {
			return result{}, err
		}
		return result{
			facts: []schemas.OrderEventData{&schemas.PaymentProcessed{Effect: schemas.Effect{Effect: key}, ChargeID: id, Amount: c.Amount, Currency: c.Currency}},
			note:  fmt.Sprintf("charged %s %s", c.Amount, c.Currency), ref: id,
		}, nil
	}
}

func refund(p partner[Payment]) action {
	return func(ctx context.Context, t *task) (result, error) {
		key := t.key("refund", ":compensated")
		var back schemas.Money
		err := p.do(ctx, t, func(ctx context.Context, p Payment) (err error) {
			back, err = p.Refund(ctx, key, t.of)
			return err
		})
		if err != nil {
			return result{}, err
		}
		if !back.Decimal().IsPositive() {
			return result{note: "nothing had been charged"}, nil
		}
		return result{
			facts: []schemas.OrderEventData{&schemas.PaymentRefunded{Effect: schemas.Effect{Effect: key}, ChargeID: t.ref, Amount: back, Currency: t.currency}},
			note:  fmt.Sprintf("refunded %s %s", back, t.currency),
		}, nil
	}
}

func ship(p partner[Carrier]) action {
	return func(ctx context.Context, t *task) (result, error) {
		s := Shipment{Shop: t.of.Shop, OrderID: t.of.ID, Name: t.order.Name, Lines: toShip(t.order)}
		if len(s.Lines) == 0 {
			return result{nothing: true, note: "nothing to ship"}, nil
		}
		if t.order.Contact != nil {
			s.Address = t.order.Contact.Address
		}
		key := t.key("ship", "")
		var made Shipped
		err := p.do(ctx, t, func(ctx context.Context, c Carrier) (err error) {
			made, err = c.Ship(ctx, key, s)
			return err
		})
		if err != nil {
			return result{}, err
		}
		started := &schemas.FulfillmentStarted{Effect: schemas.Effect{Effect: key}, ShipmentID: made.ShipmentID, Lines: stockLines(s.Lines)}
		if made.TrackingNumber != "" || made.TrackingURL != "" {
			started.Tracking = []schemas.Tracking{{Company: made.TrackingCompany, Number: made.TrackingNumber, URL: made.TrackingURL}}
		}
		return result{facts: []schemas.OrderEventData{started}, note: "the carrier has " + goods(s.Lines), ref: made.ShipmentID}, nil
	}
}

// toShip returns what is still to be sent: what the order has now, without what the shop has sent itself.
func toShip(o *schemas.OrderVersion) []Line {
	sent := map[string]int64{}
	for i := range o.Fulfillments {
		switch f := &o.Fulfillments[i]; f.Status {
		case "cancelled", "error", "failure": // it did not leave the house
		default:
			for _, l := range f.Lines {
				sent[l.LineID] += l.Quantity
			}
		}
	}
	var lines []Line
	for i := range o.Lines {
		l := &o.Lines[i]
		if n := l.CurrentQuantity - sent[l.LineID]; n > 0 && l.Ships && !l.GiftCard {
			lines = append(lines, Line{VariantID: l.VariantID, SKU: l.SKU, Quantity: n})
		}
	}
	return lines
}

func cancel(p partner[Carrier]) action {
	return func(ctx context.Context, t *task) (result, error) {
		key := t.key("cancel", "")
		if err := p.do(ctx, t, func(ctx context.Context, c Carrier) error { return c.Cancel(ctx, key, t.of) }); err != nil {
			return result{}, err
		}
		return result{
			facts: []schemas.OrderEventData{&schemas.ShipmentCancelled{Effect: schemas.Effect{Effect: key}, ShipmentID: t.ref}},
			note:  "called the shipment back",
		}, nil
	}
}

// kindConfirmation is what the customer is to be told, in the words of package notifications.
const kindConfirmation = "order_confirmation"

// confirm asks whoever mails to tell the customer. It is done in the commit of the step and cannot fail.
func confirm(_ context.Context, t *task) (result, error) {
	return result{
		facts: []schemas.OrderEventData{&schemas.ConfirmationRequested{Effect: schemas.Effect{Effect: t.key("confirm", "")}, Kind: kindConfirmation, Order: t.order}},
		note:  "the customer is to be told",
	}, nil
}

func endpoint(p partner[Endpoint], undo bool) action {
	return func(ctx context.Context, t *task) (result, error) {
		body := EndpointCall{Saga: t.saga, Step: t.step, Shop: t.of.Shop, OrderID: t.of.ID, Compensation: undo, Close: undo}
		suffix := ""
		if undo {
			suffix = ":compensated"
		} else {
			body.Order = t.order
		}
		key := t.key(t.saga+"/"+t.step, suffix)
		if err := p.do(ctx, t, func(ctx context.Context, e Endpoint) error { return e.Call(ctx, key, body) }); err != nil {
			return result{}, err
		}
		return result{note: "called the endpoint of " + t.step}, nil
	}
}

func stockLines(lines []Line) []schemas.StockLine {
	out := make([]schemas.StockLine, len(lines))
	for i, l := range lines {
		out[i] = schemas.StockLine(l)
	}
	return out
}

// notedLines bounds what a note lists.
const notedLines = 5

// goods says for people what lines are of.
func goods(lines []Line) string {
	texts := make([]string, 0, notedLines+1)
	for i, l := range lines {
		if i == notedLines {
			texts = append(texts, fmt.Sprintf("%d more", len(lines)-i))
			break
		}
		texts = append(texts, fmt.Sprintf("%d × %s", l.Quantity, cmp.Or(l.SKU, "variant "+l.VariantID)))
	}
	return strings.Join(slices.Clip(texts), ", ")
}
