package carrier

import (
	"errors"

	"millrace/cmd/storesim/backends/effects"
	"millrace/cmd/storesim/backends/partner"
)

// Reasons of refusals, as the "error" of answers and in the ledger, besides those of package partner.
const (
	reasonUndeliverable = "undeliverable"
	reasonShipped       = "shipped"
	reasonUnknown       = "unknown_shipment"
)

// order is the body of POST /v1/shipments.
type order struct {
	Shop    string         `json:"shop"`
	OrderID string         `json:"order_id"`
	Name    string         `json:"name"` // as the merchant calls the order: #1001
	Lines   []effects.Line `json:"lines"`
	Address *address       `json:"address"`
}

// address is what a label needs of Shopify's shipping_address.
type address struct {
	Name         string `json:"name"`
	FirstName    string `json:"first_name"`
	LastName     string `json:"last_name"`
	Company      string `json:"company"`
	Address1     string `json:"address1"`
	Address2     string `json:"address2"`
	Zip          string `json:"zip"`
	City         string `json:"city"`
	Province     string `json:"province"`
	ProvinceCode string `json:"province_code"`
	Country      string `json:"country"`
	CountryCode  string `json:"country_code"`
	Phone        string `json:"phone"`
}

// cancellation is the body of POST …/cancel.
type cancellation struct {
	Reason string `json:"reason"`
	Close  bool   `json:"close"`
}

func (o *order) check() error {
	if err := partner.CheckOrder(o.Shop, o.OrderID); err != nil {
		return err
	}
	if len(o.Lines) == 0 {
		return errors.New("lines must not be empty")
	}
	return partner.CheckLines(o.Lines)
}

// lacks names what no parcel arrives without; empty when all is there.
func (a *address) lacks() string {
	switch {
	case a == nil:
		return "address"
	case a.Address1 == "":
		return "address.address1"
	case a.City == "":
		return "address.city"
	case a.CountryCode == "" && a.Country == "":
		return "address.country_code"
	default:
		return ""
	}
}
