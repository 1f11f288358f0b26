package stock

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"

	"millrace/cmd/storesim/backends/effects"
)

// Reasons of refusals, as the "error" of answers and in the ledger.
const (
	reasonInsufficient = "insufficient_stock"
	reasonUnknown      = "unknown_reservation"
	reasonKeyReused    = "idempotency_key_reused"
	reasonInvalid      = "invalid_request"
	reasonRefused      = "refused"
	reasonUnauthorized = "unauthorized"
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
}

func (r *reservation) check() error {
	switch {
	case r.Shop == "":
		return errors.New("shop must not be empty")
	case r.OrderID == "":
		return errors.New("order_id must not be empty")
	case len(r.Lines) == 0:
		return errors.New("lines must not be empty")
	}
	return checkLines(r.Lines)
}

func (r *release) check() error {
	if r.Reason != "cancelled" && r.Reason != "refunded" {
		return fmt.Errorf("reason must be cancelled or refunded, is %q", r.Reason)
	}
	return checkLines(r.Lines)
}

func checkLines(lines []effects.Line) error {
	for i, l := range lines {
		if l.VariantID == "" && l.SKU == "" {
			return fmt.Errorf("lines[%d] must have variant_id or sku", i)
		}
		if l.Quantity < 1 || l.Quantity > maxQuantity {
			return fmt.Errorf("lines[%d].quantity must be between 1 and %d, is %d", i, maxQuantity, l.Quantity)
		}
	}
	return nil
}

// content is what two requests under one key must have in common to be the same: the operation, its target and its fields,
// however the JSON was written.
func content(operation, shop, order string, body any) string {
	text, err := json.Marshal([]any{operation, shop, order, body})
	if err != nil { // of structs of text and numbers: cannot be
		return err.Error()
	}
	return string(text)
}

func compare(pairs ...string) int {
	for i := 0; i+1 < len(pairs); i += 2 {
		if c := cmp.Compare(pairs[i], pairs[i+1]); c != 0 {
			return c
		}
	}
	return 0
}
