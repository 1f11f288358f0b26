package fulfillment

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"millrace/schemas"
)

// The bodies have only what the service needs: an odd price must not cost a shipment.

// orderBody is the body of orders/*.
type orderBody struct {
	ID              schemas.ID       `json:"id"`
	Name            string           `json:"name"`
	Test            bool             `json:"test"`
	CancelledAt     schemas.Time     `json:"cancelled_at"`
	LineItems       []lineBody       `json:"line_items"` // nil: the body has none, which is not the same as an empty list
	Refunds         []refundBody     `json:"refunds"`
	ShippingAddress *schemas.Address `json:"shipping_address"`
}

type lineBody struct {
	ID                  schemas.ID `json:"id"`
	VariantID           schemas.ID `json:"variant_id"`
	SKU                 string     `json:"sku"`
	Quantity            int64      `json:"quantity"`
	CurrentQuantity     *int64     `json:"current_quantity"`     // without what was refunded or edited out
	FulfillableQuantity *int64     `json:"fulfillable_quantity"` // without what was sent, too
	GiftCard            bool       `json:"gift_card"`
	RequiresShipping    *bool      `json:"requires_shipping"`
}

type refundBody struct {
	ID              schemas.ID `json:"id"`
	OrderID         schemas.ID `json:"order_id"`
	RefundLineItems []struct {
		LineItemID schemas.ID `json:"line_item_id"`
		Quantity   int64      `json:"quantity"`
	} `json:"refund_line_items"`
}

func decode(body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("read body: %w", err)
	}
	return nil
}

// isGoods tells whether a line is something that is sent.
func (l *lineBody) isGoods() bool {
	return !l.GiftCard && l.Quantity > 0 && l.RequiresShipping != nil && *l.RequiresShipping
}

// toShip returns what is to be sent, with known being the refunds whose events have come.
func (o *orderBody) toShip(known []refund) ([]Line, error) {
	if o.LineItems == nil { // a subscription without them, or a body that was cut to its id on the way
		return nil, errors.New("the body has no line_items: what to ship is not known")
	}
	// A refund that the body has is in its quantities, if it has these; one that has come since is not.
	var newer, all []refund
	for i := range o.Refunds {
		all = append(all, o.Refunds[i].refund())
	}
	for _, r := range known {
		if !slices.ContainsFunc(all, func(b refund) bool { return b.ID == r.ID }) {
			newer = append(newer, r)
		}
	}
	all = append(all, newer...)
	var lines []Line
	for i := range o.LineItems {
		l := &o.LineItems[i]
		if !l.GiftCard && l.RequiresShipping == nil {
			return nil, fmt.Errorf("line %s has no requires_shipping: what to ship is not known", l.ID)
		}
		if !l.isGoods() {
			continue
		}
		n, without := l.Quantity, all
		for _, left := range []*int64{l.CurrentQuantity, l.FulfillableQuantity} {
			if left != nil {
				n, without = min(n, *left), newer
			}
		}
		if n -= taken(without, l.ID); n > 0 {
			lines = append(lines, Line{VariantID: l.VariantID.String(), SKU: l.SKU, Quantity: n})
		}
	}
	return lines, nil
}

// hasGoods tells whether the order has, or had, anything that is sent.
func (o *orderBody) hasGoods() bool {
	return o.LineItems == nil || slices.ContainsFunc(o.LineItems, func(l lineBody) bool { return l.isGoods() })
}

func (r *refundBody) refund() refund {
	out := refund{ID: r.ID}
	for _, l := range r.RefundLineItems {
		if l.Quantity > 0 {
			out.Lines = append(out.Lines, quantity{Line: l.LineItemID, N: l.Quantity})
		}
	}
	return out
}

// taken is how much of a line the refunds took.
func taken(refunds []refund, line schemas.ID) (n int64) {
	for _, r := range refunds {
		for _, q := range r.Lines {
			if q.Line == line {
				n += q.N
			}
		}
	}
	return n
}
