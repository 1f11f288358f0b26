package shopify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"millrace/schemas"
)

// ErrGone is wrapped where what a listing showed is not there any more.
var ErrGone = errors.New("the store does not have it any more")

// Order is a whole order. Its bodies are those of the webhooks that tell of it.
type Order struct {
	Read    time.Time // when the store was asked
	Updated time.Time
	body    *orderBody
}

// Order reads a listed order with all its parts.
func (s *Store) Order(ctx context.Context, sum Summary) (*Order, error) {
	read := time.Now().UTC()
	var whole *orderNode
	type data struct {
		Order *orderNode `json:"order"`
	}
	of := func(d *data) *connection[lineNode] {
		if d.Order == nil {
			return nil
		}
		if whole == nil {
			whole = d.Order
		} else {
			whole.LineItems.Nodes = append(whole.LineItems.Nodes, d.Order.LineItems.Nodes...)
		}
		return &d.Order.LineItems
	}
	for _, err := range pages(ctx, s, "order", queryOrder, map[string]any{"id": gid("Order", sum.ID)}, of) {
		if err != nil {
			return nil, err
		}
	}
	if whole == nil {
		return nil, fmt.Errorf("order %s of %s: %w", sum.ID, s.shop, ErrGone)
	}
	o := &Order{Read: read, Updated: whole.UpdatedAt, body: whole.body()}
	lines := make(map[schemas.ID]lineBody, len(o.body.LineItems))
	for _, l := range o.body.LineItems {
		lines[l.ID] = l
	}
	for _, part := range sum.Fulfillments {
		f, err := s.fulfillment(ctx, part.ID)
		if err != nil {
			return nil, err
		}
		o.body.Fulfillments = append(o.body.Fulfillments, f.body(lines))
	}
	for _, part := range sum.Refunds {
		r, err := s.refund(ctx, part.ID)
		if err != nil {
			return nil, err
		}
		o.body.Refunds = append(o.body.Refunds, r.body(lines))
	}
	return o, nil
}

func (s *Store) fulfillment(ctx context.Context, id schemas.ID) (*fulfillmentNode, error) {
	type data struct {
		F *fulfillmentNode `json:"fulfillment"`
	}
	var whole *fulfillmentNode
	vars := map[string]any{"id": gid("Fulfillment", id)}
	for {
		var d data
		if err := s.ask(ctx, "fulfilment", queryFulfillment, vars, &d); err != nil {
			return nil, err
		}
		if d.F == nil {
			return nil, fmt.Errorf("fulfilment %s of %s: %w", id, s.shop, ErrGone)
		}
		if whole == nil {
			whole = d.F
		} else {
			whole.Lines.Nodes = append(whole.Lines.Nodes, d.F.Lines.Nodes...)
		}
		if !d.F.Lines.PageInfo.HasNextPage {
			return whole, nil
		}
		vars["after"] = d.F.Lines.PageInfo.EndCursor
	}
}

func (s *Store) refund(ctx context.Context, id schemas.ID) (*refundNode, error) {
	type data struct {
		R *refundNode `json:"refund"`
	}
	var whole *refundNode
	vars := map[string]any{"id": gid("Refund", id)}
	for {
		var d data
		if err := s.ask(ctx, "refund", queryRefund, vars, &d); err != nil {
			return nil, err
		}
		if d.R == nil {
			return nil, fmt.Errorf("refund %s of %s: %w", id, s.shop, ErrGone)
		}
		if whole == nil {
			whole = d.R
		} else {
			whole.Lines.Nodes = append(whole.Lines.Nodes, d.R.Lines.Nodes...)
		}
		if !d.R.Lines.PageInfo.HasNextPage {
			return whole, nil
		}
		vars["after"] = d.R.Lines.PageInfo.EndCursor
	}
}

// Body is that of the orders/* topics, but for orders/edited and delete.
func (o *Order) Body() ([]byte, error) { return encode(o.body) }

// FulfillmentBody is that of fulfillments/*.
func (o *Order) FulfillmentBody(id schemas.ID) ([]byte, error) {
	for _, f := range o.body.Fulfillments {
		if f.ID == id {
			notice := *f
			notice.Email, notice.Destination = o.body.Email, o.body.ShippingAddress
			return encode(&notice)
		}
	}
	return nil, fmt.Errorf("fulfilment %s: %w", id, ErrGone)
}

// RefundBody is that of refunds/create.
func (o *Order) RefundBody(id schemas.ID) ([]byte, error) {
	for _, r := range o.body.Refunds {
		if r.ID == id {
			return encode(r)
		}
	}
	return nil, fmt.Errorf("refund %s: %w", id, ErrGone)
}

// Body is that of inventory_levels/update.
func (l Level) Body() ([]byte, error) {
	return encode(&levelBody{ItemID: l.Item, LocationID: l.Location, Available: l.Available, UpdatedAt: l.Updated, GID: l.GID()})
}

// GID names the level.
func (l Level) GID() string {
	return gid("InventoryLevel", l.Location) + "?inventory_item_id=" + l.Item.String()
}

func encode(v any) ([]byte, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("write the body: %w", err)
	}
	return body, nil
}
