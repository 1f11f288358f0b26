package stock

import (
	"errors"
	"fmt"

	"millrace/cmd/storesim/backends/effects"
	"millrace/cmd/storesim/backends/partner"
)

// Reasons of refusals, as the "error" of answers and in the ledger, besides those of package partner.
const (
	reasonInsufficient = "insufficient_stock"
	reasonUnknown      = "unknown_reservation"
)

// reservation is the body of POST /v1/reservations.
type reservation struct {
	Shop    string         `json:"shop"`
	OrderID string         `json:"order_id"`
	Lines   []effects.Line `json:"lines"`
}

// release is the body of POST …/release; no lines means everything.
type release struct {
	Reason string         `json:"reason"`
	Lines  []effects.Line `json:"lines"`
	Close  bool           `json:"close"`
}

func (r *reservation) check() error {
	if err := partner.CheckOrder(r.Shop, r.OrderID); err != nil {
		return err
	}
	if len(r.Lines) == 0 {
		return errors.New("lines must not be empty")
	}
	return partner.CheckLines(r.Lines)
}

func (r *release) check() error {
	if r.Reason != "cancelled" && r.Reason != "refunded" {
		return fmt.Errorf("reason must be cancelled or refunded, is %q", r.Reason)
	}
	return partner.CheckLines(r.Lines)
}
