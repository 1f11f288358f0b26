package orderstate

import (
	"time"

	"millrace/schemas"
)

// Verdict is what an event did to the state.
type Verdict string

// The verdicts.
const (
	Applied  Verdict = "applied"
	Older    Verdict = "older"    // recorded, not applied: something newer is known
	Repeated Verdict = "repeated" // the event, or the effect that it tells of, was known
	Waits    Verdict = "waits"    // kept: it takes effect when the order comes
	Noted    Verdict = "noted"    // for the timeline alone
)

// Fold makes the state after an event out of the one before. It reads no clock and does no I/O: the same events give the same state, in
// whatever order they come and however often. It may reuse what s holds, so s is used up, as by append.
func Fold(s State, e *schemas.OrderEvent) (State, Verdict) {
	if _, ok := e.Data.(*schemas.OrderAwaited); ok {
		return s, Noted // a note of the fold's own: nothing has happened to the order
	}
	s.V, s.Shop, s.OrderID = stateVersion, e.Shop, e.OrderID
	stamp := Stamp{At: e.At, ID: idOf(e.ID)}
	if !s.remember(Entry{At: e.At, ID: stamp.ID, Type: e.Type(), By: e.By, Reason: e.Reason}) {
		return s, Repeated
	}
	v := s.apply(e, stamp)
	if v == Applied && s.Order == nil && s.Deleted == nil {
		return s, Waits
	}
	return s, v
}

func (s *State) apply(e *schemas.OrderEvent, stamp Stamp) Verdict {
	if version := schemas.OrderVersionOf(e.Data); version != nil {
		return s.version(version, stamp)
	}
	if v, ok := s.shopPart(e.Data, stamp); ok {
		return v
	}
	if v, ok := s.sagaPart(e.Data, stamp); ok {
		return v
	}
	return s.servicePart(e, stamp)
}

// verdict of joining a part: changed or not, and if not, why.
func verdict(changed bool, otherwise Verdict) Verdict {
	if changed {
		return Applied
	}
	return otherwise
}

// version takes a version of the whole order.
func (s *State) version(o *schemas.OrderVersion, stamp Stamp) Verdict {
	stamp.Version = o.UpdatedAt
	for i := range o.Refunds {
		s.Refunds, _ = put(s.Refunds, Refund{Stamp: stamp, OrderRefund: o.Refunds[i]})
	}
	for i := range o.Fulfillments {
		s.Fulfillments, _ = put(s.Fulfillments, fulfillment(&o.Fulfillments[i], stamp))
	}
	if !o.CancelledAt.IsZero() && (s.Cancelled == nil || stamp.Compare(&s.Cancelled.Stamp) > 0) {
		s.Cancelled = &Cancelled{Stamp: stamp, At: o.CancelledAt, Reason: o.CancelReason}
	}
	if s.Order != nil && stamp.Compare(&s.Order.Stamp) <= 0 {
		return Older
	}
	n := Order{Stamp: stamp, OrderVersion: *o}
	n.Refunds, n.Fulfillments, n.Contact = nil, nil, nil
	s.Order = &n
	return Applied
}

// fulfillment has the version that the shop gives it, wherever it stands.
func fulfillment(f *schemas.OrderFulfillment, stamp Stamp) Fulfillment {
	stamp.Version = f.UpdatedAt
	return Fulfillment{Stamp: stamp, OrderFulfillment: *f}
}

// shopPart takes what a webhook says of a part of the order.
func (s *State) shopPart(data schemas.OrderEventData, stamp Stamp) (v Verdict, ok bool) {
	var changed bool
	switch d := data.(type) {
	case *schemas.OrderDeleted:
		if changed = s.Deleted == nil || stamp.Compare(s.Deleted) < 0; changed {
			s.Deleted = &stamp
		}
	case *schemas.OrderRefunded:
		stamp.Version = d.CreatedAt
		s.Refunds, changed = put(s.Refunds, Refund{Stamp: stamp, OrderRefund: d.OrderRefund})
	case *schemas.FulfillmentRecorded:
		s.Fulfillments, changed = put(s.Fulfillments, fulfillment(&d.OrderFulfillment, stamp))
	case *schemas.TransactionRecorded:
		s.Transactions, changed = put(s.Transactions, Transaction{Stamp: stamp, TransactionRecorded: *d})
	case *schemas.OrderEdited:
		s.Edits, changed = put(s.Edits, Edit{Stamp: stamp, OrderEdited: *d})
	case *schemas.ShopEventRecorded:
		return Noted, true
	default:
		return "", false
	}
	return verdict(changed, Older), true
}

// servicePart takes what a service, or a saga, did for the order.
func (s *State) servicePart(e *schemas.OrderEvent, stamp Stamp) Verdict {
	var changed bool
	switch d := e.Data.(type) {
	case *schemas.InventoryReserved:
		s.Stock, changed = put(s.Stock, Stock{Stamp: stamp, Effect: d.Effect.Effect, By: e.By, Lines: d.Lines})
		s.settle(partInventory, stamp)
	case *schemas.InventoryReleased:
		s.Stock, changed = put(s.Stock, Stock{Stamp: stamp, Effect: d.Effect.Effect, By: e.By, Lines: d.Lines, Released: true})
		s.settle(partInventory, stamp)
	case *schemas.PaymentProcessed:
		s.Payments, changed = put(s.Payments, Payment{Stamp: stamp, Effect: d.Effect.Effect, By: e.By, ChargeID: d.ChargeID, Amount: d.Amount, Currency: d.Currency})
		s.settle(partPayment, stamp)
	case *schemas.PaymentRefunded:
		s.Payments, changed = put(s.Payments, Payment{Stamp: stamp, Effect: d.Effect.Effect, By: e.By, ChargeID: d.ChargeID, Amount: d.Amount, Currency: d.Currency, Refund: true})
		s.settle(partPayment, stamp)
	case *schemas.FulfillmentStarted:
		changed = s.shipment(d.ShipmentID, schemas.ShipmentStatusAccepted, &started{stamp, d.Lines}, d.Tracking, stamp)
		s.settle(partFulfillment, stamp)
	case *schemas.TrackingUpdated:
		changed = s.shipment(d.ShipmentID, d.Status, nil, d.Tracking, stamp)
	case *schemas.ShipmentCancelled:
		changed = s.shipment(d.ShipmentID, schemas.ShipmentStatusCancelled, nil, nil, stamp)
		s.settle(partFulfillment, stamp)
	case *schemas.ConfirmationSent:
		s.Mails, changed = put(s.Mails, Mail{Stamp: stamp, Effect: d.Effect.Effect, Kind: d.Kind})
		s.settle(partNotifications, stamp)
	case *schemas.ERPSynced:
		of := stamp
		of.Version = d.Version
		s.Documents, changed = put(s.Documents, Document{Stamp: of, Document: d.Document, DocumentID: d.DocumentID})
		s.settle(partERP, stamp)
		return verdict(changed, Older)
	case *schemas.ServiceProvisional:
		s.Parts, changed = put(s.Parts, Part{Stamp: stamp, Service: d.Service, State: d.State})
		return verdict(changed, Older)
	case *schemas.ServiceSettled:
		s.settle(d.Service, stamp)
		return Applied
	default:
		return Noted
	}
	return verdict(changed, Repeated)
}

// Parts of the flow that may be provisional: the services' names, and payment, which only a saga does.
const (
	partInventory     = "inventory"
	partPayment       = "payment"
	partFulfillment   = "fulfillment"
	partNotifications = "notifications"
	partERP           = "erp"
)

// settle notes that a service has done its part.
func (s *State) settle(service string, stamp Stamp) {
	s.Parts, _ = put(s.Parts, Part{Stamp: stamp, Service: service})
}

// started is what only the first event of a shipment knows.
type started struct {
	stamp Stamp
	lines []schemas.StockLine
}

// shipment joins what an event says of a shipment. One without an id is none: the carrier was told to take none.
func (s *State) shipment(id, status string, first *started, tracking []schemas.Tracking, stamp Stamp) (changed bool) {
	if id == "" {
		return true
	}
	at := len(s.Shipments)
	for i := range s.Shipments {
		if s.Shipments[i].ShipmentID >= id {
			at = i
			break
		}
	}
	if at == len(s.Shipments) || s.Shipments[at].ShipmentID != id {
		s.Shipments = append(s.Shipments, Shipment{})
		copy(s.Shipments[at+1:], s.Shipments[at:])
		s.Shipments[at] = Shipment{ShipmentID: id}
	}
	k := &s.Shipments[at]
	if rank(status) > rank(k.Status) || rank(status) == rank(k.Status) && status > k.Status {
		k.Status, changed = status, true
	}
	if first != nil && (k.Started == nil || first.stamp.Compare(k.Started) < 0) {
		k.Started, k.Lines, changed = &first.stamp, first.lines, true
	}
	if len(tracking) > 0 && stamp.Compare(&k.Tracked) > 0 {
		k.Tracked, k.Tracking, changed = stamp, tracking, true
	}
	return changed
}

// rank is how far a shipment is. A status that is not known says less than any that is.
func rank(status string) int {
	switch status {
	case "":
		return -1
	case schemas.ShipmentStatusAccepted:
		return 1
	case schemas.ShipmentStatusShipped:
		return 2
	case schemas.ShipmentStatusDelivered:
		return 3
	case schemas.ShipmentStatusCancelled:
		return 4
	default:
		return 0
	}
}

// Provisional returns the services whose part is not final.
func (s *State) Provisional() []Part {
	var open []Part
	for _, p := range s.Parts {
		if p.State != "" {
			open = append(open, p)
		}
	}
	return open
}

// UpdatedAt is the version of the order that is known, zero while none is.
func (s *State) UpdatedAt() time.Time {
	if s.Order == nil {
		return time.Time{}
	}
	return s.Order.UpdatedAt
}
