package inventory

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"millrace/consumers/group/outgoing"
)

// Stock is what the service needs of a stock system. A call with a key that was used before must have no second effect. The errors
// are verdicts for the runtime, marked with outgoing.Answered where the system itself is well.
type Stock interface {
	Reserve(ctx context.Context, key string, r Reservation) error
	// Release fails with ErrUnknownReservation when nothing was ever reserved for the order.
	Release(ctx context.Context, key string, r Release) error
}

// ErrUnknownReservation says that the stock system does not know the order.
var ErrUnknownReservation = errors.New("unknown reservation")

// Reservation asks for goods to be kept for an order.
type Reservation struct {
	Shop    string `json:"shop"`
	OrderID string `json:"order_id"`
	Lines   []Line `json:"lines"`
}

// Release gives goods of an order back. No lines means all that is still reserved.
type Release struct {
	Shop    string `json:"-"`
	OrderID string `json:"-"`
	Reason  string `json:"reason"`
	Lines   []Line `json:"lines,omitempty"`
}

// Reasons of a Release.
const (
	ReasonCancelled = "cancelled"
	ReasonRefunded  = "refunded"
)

// Line is a quantity of one variant.
type Line struct {
	VariantID string `json:"variant_id"`
	SKU       string `json:"sku"`
	Quantity  int64  `json:"quantity"`
}

// httpStock is Stock over HTTP.
type httpStock struct{ api *outgoing.API }

func (s *httpStock) Reserve(ctx context.Context, key string, r Reservation) error {
	if err := s.api.Send(ctx, outgoing.Request{Method: http.MethodPost, Path: []string{"v1", "reservations"}, Key: key, Body: r}); err != nil {
		return fmt.Errorf("reserve stock: %w", err)
	}
	return nil
}

// unknownReservation is the code by which the API says that it does not know the order.
const unknownReservation = "unknown_reservation"

func (s *httpStock) Release(ctx context.Context, key string, r Release) error {
	err := s.api.Send(ctx, outgoing.Request{
		Method: http.MethodPost, Path: []string{"v1", "reservations", r.Shop, r.OrderID, "release"}, Key: key, Body: r, Unknown: unknownReservation,
	})
	var answer *outgoing.HTTPError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &answer) && answer.Code == unknownReservation:
		return fmt.Errorf("release stock: %w", outgoing.Answered(fmt.Errorf("%w: %w", ErrUnknownReservation, answer)))
	default:
		return fmt.Errorf("release stock: %w", err)
	}
}
