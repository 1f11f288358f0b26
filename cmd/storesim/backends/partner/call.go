package partner

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"millrace/cmd/storesim/backends/effects"
)

// MaxQuantity bounds one line, so that sums cannot overflow.
const MaxQuantity = 1 << 31

// Call is one request that was understood.
type Call struct {
	Operation string // one of package faults
	// Shop has its own rules of faults. Order, or Subject where it is about something else too, is for the account.
	Shop, Order, Subject string
	// Content is what two requests under one key must have in common, besides operation, shop, order and subject, to be the same:
	// its fields, however the JSON was written.
	Content any
	Opens   bool // begins something for the order, so it is refused when the order is closed
	Closes  bool // closes the order when it succeeds
	// Refusal is what it gets when the rules refuse it; nil: 422 refused.
	Refusal *Answer
	// Do has the effect, if there is to be one. Calls of one API are done one after another.
	Do func() Answer

	key  string
	read bool
}

// Order names an order of a shop.
type Order struct{ Shop, ID string }

// Of returns the order that the call is about.
func (c *Call) of() Order { return Order{c.Shop, c.Order} }

// sum stands for the content in memory: contents may be large.
func (c *Call) sum() [sha256.Size]byte {
	text, err := json.Marshal([]any{c.Operation, c.Shop, c.Order, c.Subject, c.Content})
	if err != nil { // of structs of text, numbers and JSON that was read: cannot be
		text = []byte(err.Error())
	}
	return sha256.Sum256(text)
}

// CheckOrder tells what is missing in the order of a body.
func CheckOrder(shop, order string) error {
	switch {
	case shop == "":
		return errors.New("shop must not be empty")
	case order == "":
		return errors.New("order_id must not be empty")
	default:
		return nil
	}
}

// CheckReason tells what is wrong with the reason of a body, which is free text.
func CheckReason(reason string) error {
	const most = 200 // bytes; the account keeps it
	if len(reason) > most {
		return fmt.Errorf("reason must have at most %d bytes, has %d", most, len(reason))
	}
	return nil
}

// CheckLines tells what is wrong with the lines of a body.
func CheckLines(lines []effects.Line) error {
	for i, l := range lines {
		if l.VariantID == "" && l.SKU == "" {
			return fmt.Errorf("lines[%d] must have variant_id or sku", i)
		}
		if l.Quantity < 1 || l.Quantity > MaxQuantity {
			return fmt.Errorf("lines[%d].quantity must be between 1 and %d, is %d", i, MaxQuantity, l.Quantity)
		}
	}
	return nil
}
