package notifications

import (
	"encoding/json"
	"fmt"
	"net/mail"
	"strings"

	"millrace/schemas"
)

// orderBody is an order as a customer has to see it: in the currency that was paid in, which the plain amounts of the body are
// not where a shop sells in several. The names here hide those of the embedded view with the same key.
type orderBody struct {
	schemas.Order

	ContactEmail      string     `json:"contact_email"`
	LineItems         []lineBody `json:"line_items"`
	SubtotalPriceSet  priceSet   `json:"subtotal_price_set"`
	TotalDiscountsSet priceSet   `json:"total_discounts_set"`
	TotalShippingSet  priceSet   `json:"total_shipping_price_set"`
	TotalTaxSet       priceSet   `json:"total_tax_set"`
	TotalPriceSet     priceSet   `json:"total_price_set"`
}

type lineBody struct {
	schemas.LineItem

	PriceSet priceSet `json:"price_set"`
}

// priceSet is one amount in the currency of the shop and in that of the customer.
type priceSet struct {
	Presentment struct {
		Amount   schemas.Money `json:"amount"`
		Currency string        `json:"currency_code"`
	} `json:"presentment_money"`
}

func decode(body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("read body: %w", err)
	}
	return nil
}

// recipients are the addresses of an order's customer, best first. Any may be empty.
func (o *orderBody) recipients() []string {
	all := []string{o.Email, o.ContactEmail}
	if o.Customer != nil {
		all = append(all, o.Customer.Email)
	}
	return all
}

// recipient returns the first usable address of the candidates, "" when there is none at all, and an error when those that there
// are cannot be addresses.
func recipient(candidates ...string) (string, error) {
	var bad error
	for _, c := range candidates {
		if c = strings.TrimSpace(c); c == "" {
			continue
		}
		// The bare address alone: "Name <a@b>" in this field is not what Shopify sends, and a list would be many recipients.
		if a, err := mail.ParseAddress(c); err == nil && a.Address == c {
			return c, nil
		}
		// Without the address: errors are logged and kept in headers, and an address is personal.
		bad = fmt.Errorf("the customer's e-mail address, of %d characters, is not one", len(c))
	}
	return "", bad
}
