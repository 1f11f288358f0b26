package inventory

import (
	"encoding/json"
	"errors"
	"fmt"

	"millrace/schemas"
)

// The bodies have only what the service needs: an odd price or address must not cost a reservation.

// orderBody is the body of orders/create and orders/cancelled.
type orderBody struct {
	ID           schemas.ID        `json:"id"`
	Test         bool              `json:"test"`
	CancelledAt  schemas.Time      `json:"cancelled_at"`
	LineItems    []lineBody        `json:"line_items"` // nil: the body has none, which is not the same as an empty list
	Fulfillments []fulfillmentBody `json:"fulfillments"`
}

type lineBody struct {
	ID        schemas.ID `json:"id"`
	VariantID schemas.ID `json:"variant_id"`
	SKU       string     `json:"sku"`
	Quantity  int64      `json:"quantity"`
	GiftCard  bool       `json:"gift_card"`
}

type fulfillmentBody struct {
	ID        schemas.ID `json:"id"`
	OrderID   schemas.ID `json:"order_id"`
	Status    string     `json:"status"`
	LineItems []lineBody `json:"line_items"`
}

type refundBody struct {
	ID              schemas.ID `json:"id"`
	OrderID         schemas.ID `json:"order_id"`
	Restock         bool       `json:"restock"`
	RefundLineItems []struct {
		LineItemID  schemas.ID `json:"line_item_id"`
		Quantity    int64      `json:"quantity"`
		RestockType string     `json:"restock_type"`
	} `json:"refund_line_items"`
}

func decode(body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("read body: %w", err)
	}
	return nil
}

// goods returns the lines that stock is kept for: those of a variant. Custom lines have none, and gift cards take up no room.
func (o *orderBody) goods() []held {
	var lines []held
	for _, l := range o.LineItems {
		if l.VariantID != 0 && l.Quantity > 0 && !l.GiftCard {
			lines = append(lines, held{ID: l.ID, Variant: l.VariantID, SKU: l.SKU, Reserved: l.Quantity})
		}
	}
	return lines
}

// cancellation is the change that orders/cancelled asks for. The order's fulfilments are in its body: they count even when their
// own events have not come yet.
func (o *orderBody) cancellation() (change, error) {
	if o.ID == 0 {
		return change{}, errors.New("the order has no id")
	}
	c := change{Kind: kindCancel, ID: o.ID, order: o.ID}
	switch {
	case o.Test:
		c.skip = skipTest
	case o.LineItems != nil && len(o.goods()) == 0:
		c.skip = skipNoStock
	}
	for i := range o.Fulfillments {
		c.Shipped = append(c.Shipped, o.Fulfillments[i].shipment())
	}
	return c, nil
}

func (f *fulfillmentBody) shipment() shipment {
	s := shipment{ID: f.ID}
	switch f.Status {
	case "cancelled", "error", "failure": // it did not leave the house
		s.Void = true
		return s
	}
	for _, l := range f.LineItems {
		if l.Quantity > 0 {
			s.Lines = append(s.Lines, quantity{Line: l.ID, N: l.Quantity})
		}
	}
	return s
}

// change is the change that fulfillments/* asks for.
func (f *fulfillmentBody) change() (change, error) {
	if f.ID == 0 || f.OrderID == 0 {
		return change{}, errors.New("the fulfilment has no id or no order")
	}
	return change{Kind: kindShip, ID: f.ID, Shipped: []shipment{f.shipment()}, order: f.OrderID}, nil
}

// change is the change that refunds/create asks for. Shopify says per line what becomes of the goods: cancel (they were not shipped),
// return (they were), no_restock (they stay where they are), legacy_restock (one of the first two).
func (r *refundBody) change() (change, error) {
	if r.ID == 0 || r.OrderID == 0 {
		return change{}, errors.New("the refund has no id or no order")
	}
	c := change{Kind: kindRefund, ID: r.ID, order: r.OrderID}
	for _, l := range r.RefundLineItems {
		q := quantity{Line: l.LineItemID, N: l.Quantity}
		switch {
		case l.Quantity <= 0:
		case l.RestockType == "cancel":
			c.Freed = append(c.Freed, q)
		case l.RestockType == "return", l.RestockType == "legacy_restock", l.RestockType == "" && r.Restock:
			c.Returned = append(c.Returned, q)
		}
	}
	if len(c.Freed)+len(c.Returned) == 0 {
		c.skip = skipNoRelease
	}
	return c, nil
}
