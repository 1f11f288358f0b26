package payment

import (
	"fmt"
	"strings"

	"github.com/shopspring/decimal"

	"millrace/cmd/storesim/backends/partner"
)

// Reasons of refusals, as the "error" of answers and in the ledger, besides those of package partner.
const (
	reasonDeclined = "declined"
	reasonUnknown  = "unknown_charge"
)

// charge is the body of POST /v1/charges.
type charge struct {
	Shop     string `json:"shop"`
	OrderID  string `json:"order_id"`
	Amount   string `json:"amount"`
	Currency string `json:"currency"`
}

// refund is the body of POST …/refund; no amount means all that is left.
type refund struct {
	Reason string `json:"reason"`
	Amount string `json:"amount"`
	Close  bool   `json:"close"`
}

func (c *charge) check() error {
	if err := partner.CheckOrder(c.Shop, c.OrderID); err != nil {
		return err
	}
	if len(c.Currency) != 3 || strings.Trim(c.Currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return fmt.Errorf("currency must be a code of ISO 4217 such as EUR, is %q", c.Currency)
	}
	_, err := parse(c.Amount)
	return err
}

func (r *refund) check() error {
	if err := partner.CheckReason(r.Reason); err != nil || r.Amount == "" {
		return err
	}
	_, err := parse(r.Amount)
	return err
}

// parse reads an amount: digits, and a point with some more. What decimal would take besides, signs and exponents, is not money.
func parse(text string) (decimal.Decimal, error) {
	const most = 12 // digits before the point; as many behind it are more than any currency has
	whole, part, point := strings.Cut(text, ".")
	for _, digits := range []struct {
		text   string
		wanted bool
	}{{whole, true}, {part, point}} {
		if digits.wanted && (digits.text == "" || len(digits.text) > most || strings.Trim(digits.text, "0123456789") != "") {
			return decimal.Zero, fmt.Errorf("amount must be text such as 12.50, is %q", text)
		}
	}
	return decimal.NewFromString(text)
}
