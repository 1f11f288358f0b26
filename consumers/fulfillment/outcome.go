package fulfillment

import (
	"fmt"
	"strings"

	"millrace/consumers/group"
	"millrace/consumers/group/orderevent"
	"millrace/schemas"
)

// This file is where the service tells what it did: to the event store, and in words for the order's story.

// tell tells both, in the commit of the event. The error is a verdict.
func tell(u group.UnitOfWork, e *group.Event, note string, data ...schemas.OrderEventData) error {
	u.Note(note)
	return orderevent.Emit(u, e, Name, "", data...)
}

// tellStarted tells of a shipment that the carrier has taken.
func tellStarted(u group.UnitOfWork, e *group.Event, s *Shipment, made *Status) error {
	lines := make([]schemas.StockLine, len(s.Lines))
	for i, l := range s.Lines {
		lines[i] = schemas.StockLine{VariantID: l.VariantID, SKU: l.SKU, Quantity: l.Quantity}
	}
	return tell(u, e, "shipment "+made.ShipmentID+" created: "+goods(s.Lines), &schemas.FulfillmentStarted{
		Effect: schemas.Effect{Effect: shipKey(s.Shop, s.OrderID)}, ShipmentID: made.ShipmentID, Lines: lines, Tracking: made.tracking(),
	})
}

// tellCancelled tells that the order is not shipped any more. The id is empty where we know of no shipment.
func tellCancelled(u group.UnitOfWork, e *group.Event, of Order, shipmentID string) error {
	note := "closed at the carrier: nothing will be shipped"
	if shipmentID != "" {
		note = "shipment " + shipmentID + " cancelled"
	}
	return tell(u, e, note, &schemas.ShipmentCancelled{Effect: schemas.Effect{Effect: cancelKey(of.Shop, of.ID)}, ShipmentID: shipmentID})
}

// tellProvisional tells that the order goes on without the carrier.
func tellProvisional(u group.UnitOfWork, e *group.Event, what string) error {
	return tell(u, e, "the carrier is away: "+what+" later", &schemas.ServiceProvisional{Service: Name, State: provisionalState})
}

// provisionalState is what is said of an order whose shipment the carrier has not heard of.
const provisionalState = "unconfirmed"

// tellTracking tells what the carrier says of a shipment now.
func tellTracking(u group.UnitOfWork, e *group.Event, now *Status) error {
	note := "shipment " + now.ShipmentID + " is " + now.Status
	if now.TrackingNumber != "" {
		note += fmt.Sprintf(" (%s %s)", now.TrackingCompany, now.TrackingNumber)
	}
	return tell(u, e, note, &schemas.TrackingUpdated{ShipmentID: now.ShipmentID, Status: now.Status, Tracking: now.tracking()})
}

// notedLines bounds what a note lists.
const notedLines = 5

// goods says for people what is shipped.
func goods(lines []Line) string {
	var b strings.Builder
	for i, l := range lines {
		if i == notedLines {
			fmt.Fprintf(&b, " and %d more", len(lines)-i)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		name := l.SKU
		if name == "" {
			name = "variant " + l.VariantID
		}
		fmt.Fprintf(&b, "%d × %s", l.Quantity, name)
	}
	return b.String()
}
