package fulfillment

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"millrace/consumers/group/outgoing"
	"millrace/schemas"
)

// Carrier is what the service needs of a carrier or warehouse. A call with a key that was used before must have no second effect, and
// answer as the first. The errors are verdicts for the runtime, marked with outgoing.Answered where the carrier itself is well.
type Carrier interface {
	// Create fails with ErrClosed when the order was cancelled before.
	Create(ctx context.Context, key string, s Shipment) (Status, error)
	// Cancel cancels the shipment and closes the order, so that none is made later; there may be none. It fails with ErrShipped when
	// it has left.
	Cancel(ctx context.Context, key string, of Order, reason string) error
	// Status fails with ErrUnknownShipment when there is none.
	Status(ctx context.Context, of Order) (Status, error)
}

// What a carrier may say no with.
var (
	ErrClosed          = errors.New("the order is closed at the carrier")
	ErrShipped         = errors.New("the shipment has left")
	ErrUnknownShipment = errors.New("the carrier knows no shipment of the order")
)

// Order names an order.
type Order struct {
	Shop string
	ID   string
}

// Shipment asks for goods to be sent.
type Shipment struct {
	Shop    string           `json:"shop"`
	OrderID string           `json:"order_id"`
	Name    string           `json:"name"` // of the order, as people see it: #1001
	Lines   []Line           `json:"lines"`
	Address *schemas.Address `json:"address"`
}

// Line is a quantity of one variant.
type Line struct {
	VariantID string `json:"variant_id"`
	SKU       string `json:"sku"`
	Quantity  int64  `json:"quantity"`
}

// Status is what a carrier says of a shipment.
type Status struct {
	ShipmentID      string `json:"shipment_id"`
	Status          string `json:"status"` // one of schemas.ShipmentStatus…
	TrackingCompany string `json:"tracking_company"`
	TrackingNumber  string `json:"tracking_number"`
	TrackingURL     string `json:"tracking_url"`
}

// tracking is the parcel as events have it, none where there is no number yet.
func (s *Status) tracking() []schemas.Tracking {
	if s.TrackingNumber == "" && s.TrackingURL == "" {
		return nil
	}
	return []schemas.Tracking{{Company: s.TrackingCompany, Number: s.TrackingNumber, URL: s.TrackingURL}}
}

// Codes of refusals.
const (
	codeClosed  = "closed"
	codeShipped = "shipped"
	codeUnknown = "unknown_shipment"
)

// httpCarrier is Carrier over HTTP.
type httpCarrier struct{ api *outgoing.API }

func (c *httpCarrier) Create(ctx context.Context, key string, s Shipment) (made Status, err error) {
	err = c.api.Send(ctx, outgoing.Request{Method: http.MethodPost, Path: []string{"v1", "shipments"}, Key: key, Body: s, Answer: &made})
	if err = refused(err, codeClosed, ErrClosed); err != nil {
		return Status{}, fmt.Errorf("create shipment: %w", err)
	}
	return made, nil
}

func (c *httpCarrier) Cancel(ctx context.Context, key string, of Order, reason string) error {
	body := struct {
		Reason string `json:"reason"`
		Close  bool   `json:"close"`
	}{reason, true}
	err := c.api.Send(ctx, outgoing.Request{Method: http.MethodPost, Path: []string{"v1", "shipments", of.Shop, of.ID, "cancel"}, Key: key, Body: body})
	if err = refused(err, codeShipped, ErrShipped); err != nil {
		return fmt.Errorf("cancel shipment: %w", err)
	}
	return nil
}

func (c *httpCarrier) Status(ctx context.Context, of Order) (now Status, err error) {
	err = c.api.Send(ctx, outgoing.Request{Method: http.MethodGet, Path: []string{"v1", "shipments", of.Shop, of.ID}, Unknown: codeUnknown, Answer: &now})
	if err = refused(err, codeUnknown, ErrUnknownShipment); err != nil {
		return Status{}, fmt.Errorf("ask for shipment: %w", err)
	}
	return now, nil
}

// refused makes known the refusal that has code.
func refused(err error, code string, known error) error {
	var answer *outgoing.HTTPError
	if errors.As(err, &answer) && answer.Code == code && outgoing.IsAnswer(err) {
		return outgoing.Answered(fmt.Errorf("%w: %w", known, answer))
	}
	return err
}
