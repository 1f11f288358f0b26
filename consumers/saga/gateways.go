package saga

import (
	"context"
	"fmt"
	"net/http"

	"millrace/consumers/group/outgoing"
	"millrace/schemas"
)

// The gateways are what a saga needs of its partners. For all of them: a call with a key that was used before has no second effect and
// gives the first answer. Undoing closes the order: a partner that knows nothing of it has nothing to undo and says so with success, and
// refuses to do for it what comes later. The errors are verdicts for the runtime, marked with outgoing.Answered where the partner itself
// is well.

// Stock keeps goods for orders.
type Stock interface {
	Reserve(ctx context.Context, key string, r Reservation) error
	// Release gives all back that is kept for the order.
	Release(ctx context.Context, key string, of Order) error
}

// Payment takes money for orders.
type Payment interface {
	Charge(ctx context.Context, key string, c Charge) (chargeID string, err error)
	// Refund gives all back that was taken, and returns how much it was.
	Refund(ctx context.Context, key string, of Order) (schemas.Money, error)
}

// Carrier sends the goods of orders.
type Carrier interface {
	Ship(ctx context.Context, key string, s Shipment) (Shipped, error)
	// Cancel fails permanently when the shipment has left.
	Cancel(ctx context.Context, key string, of Order) error
}

// Endpoint is any partner of the action http.
type Endpoint interface {
	Call(ctx context.Context, key string, body EndpointCall) error
}

// Order names an order.
type Order struct{ Shop, ID string }

// Reservation asks for goods to be kept for an order.
type Reservation struct {
	Shop    string `json:"shop"`
	OrderID string `json:"order_id"`
	Lines   []Line `json:"lines"`
}

// Line is a quantity of one variant.
type Line struct {
	VariantID string `json:"variant_id"`
	SKU       string `json:"sku"`
	Quantity  int64  `json:"quantity"`
}

// Charge asks for the money of an order.
type Charge struct {
	Shop     string        `json:"shop"`
	OrderID  string        `json:"order_id"`
	Amount   schemas.Money `json:"amount"`
	Currency string        `json:"currency"`
}

// Shipment asks for the goods of an order to be sent.
type Shipment struct {
	Shop    string           `json:"shop"`
	OrderID string           `json:"order_id"`
	Name    string           `json:"name"` // of the order, as people see it: #1001
	Lines   []Line           `json:"lines"`
	Address *schemas.Address `json:"address"`
}

// Shipped is what the carrier says of a shipment.
type Shipped struct {
	ShipmentID      string `json:"shipment_id"`
	TrackingCompany string `json:"tracking_company"`
	TrackingNumber  string `json:"tracking_number"`
	TrackingURL     string `json:"tracking_url"`
}

// EndpointCall is the body of a call of the action http. One that undoes has no order: its key must always come with the same content.
type EndpointCall struct {
	Saga         string                `json:"saga"`
	Step         string                `json:"step"`
	Shop         string                `json:"shop"`
	OrderID      string                `json:"order_id"`
	Compensation bool                  `json:"compensation"`
	Close        bool                  `json:"close"` // as compensation
	Order        *schemas.OrderVersion `json:"order,omitempty"`
}

// undoing is the body of a call that undoes. Services beside the saga use the same keys, so the reason has to be theirs.
type undoing struct {
	Reason string `json:"reason"`
	Close  bool   `json:"close"`
}

const (
	reasonCancelled   = "cancelled"
	reasonCompensated = "compensated"
)

// over is the gateways over HTTP, by the contracts in schemas/openapi.
type over struct{ api *outgoing.API }

func (o over) post(ctx context.Context, doing, key string, body, answer any, path ...string) error {
	err := o.api.Send(ctx, outgoing.Request{Method: http.MethodPost, Path: path, Key: key, Body: body, Answer: answer})
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

type httpStock struct{ over }

func (s httpStock) Reserve(ctx context.Context, key string, r Reservation) error {
	return s.post(ctx, "reserve stock", key, r, nil, "v1", "reservations")
}

func (s httpStock) Release(ctx context.Context, key string, of Order) error {
	return s.post(ctx, "release stock", key, undoing{reasonCancelled, true}, nil, "v1", "reservations", of.Shop, of.ID, "release")
}

type httpPayment struct{ over }

func (p httpPayment) Charge(ctx context.Context, key string, c Charge) (string, error) {
	var answer struct {
		ChargeID string `json:"charge_id"`
	}
	err := p.post(ctx, "charge payment", key, c, &answer, "v1", "charges")
	return answer.ChargeID, err
}

func (p httpPayment) Refund(ctx context.Context, key string, of Order) (schemas.Money, error) {
	var answer struct {
		Refunded schemas.Money `json:"refunded"`
	}
	err := p.post(ctx, "refund payment", key, undoing{reasonCompensated, true}, &answer, "v1", "charges", of.Shop, of.ID, "refund")
	return answer.Refunded, err
}

type httpCarrier struct{ over }

func (c httpCarrier) Ship(ctx context.Context, key string, s Shipment) (made Shipped, err error) {
	err = c.post(ctx, "create shipment", key, s, &made, "v1", "shipments")
	return made, err
}

func (c httpCarrier) Cancel(ctx context.Context, key string, of Order) error {
	return c.post(ctx, "cancel shipment", key, undoing{reasonCancelled, true}, nil, "v1", "shipments", of.Shop, of.ID, "cancel")
}

type httpEndpoint struct{ over }

func (e httpEndpoint) Call(ctx context.Context, key string, body EndpointCall) error {
	doing := "call " + body.Step
	if body.Compensation {
		doing += " to undo"
	}
	return e.post(ctx, doing, key, body, nil)
}
