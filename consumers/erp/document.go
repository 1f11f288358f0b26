package erp

import (
	"strings"
	"time"

	"millrace/schemas"
)

// This file is the documents as an ERP gets them: money is text in the currency of the shop, ids are text, times are UTC, and what a body
// does not have is left out. The contract with an ERP leaves the fields open. A document is made of its body alone, without a clock: a
// repeat must have the same content.

type orderDocument struct {
	OrderID           string             `json:"order_id"`
	Number            string             `json:"number,omitempty"` // what merchant and customer see, e.g. "#1001"
	CreatedAt         string             `json:"created_at,omitempty"`
	ProcessedAt       string             `json:"processed_at,omitempty"`
	CancelledAt       string             `json:"cancelled_at,omitempty"`
	ClosedAt          string             `json:"closed_at,omitempty"`
	CancelReason      string             `json:"cancel_reason,omitempty"`
	FinancialStatus   string             `json:"financial_status,omitempty"`
	FulfillmentStatus string             `json:"fulfillment_status,omitempty"`
	Currency          string             `json:"currency,omitempty"`
	TaxesIncluded     bool               `json:"taxes_included"`
	Subtotal          string             `json:"subtotal,omitempty"`
	Discounts         string             `json:"discounts,omitempty"`
	Tax               string             `json:"tax,omitempty"`
	Total             string             `json:"total,omitempty"`
	CurrentTotal      string             `json:"current_total,omitempty"` // after edits and refunds
	Outstanding       string             `json:"outstanding,omitempty"`
	DiscountCodes     []string           `json:"discount_codes,omitempty"`
	Note              string             `json:"note,omitempty"`
	Tags              []string           `json:"tags,omitempty"`
	Customer          *buyerDocument     `json:"customer,omitempty"`
	BillingAddress    *addressDocument   `json:"billing_address,omitempty"`
	ShippingAddress   *addressDocument   `json:"shipping_address,omitempty"`
	Lines             []lineDocument     `json:"lines"`
	Shipping          []shippingDocument `json:"shipping,omitempty"`
	Taxes             []taxDocument      `json:"taxes,omitempty"`
}

type lineDocument struct {
	LineID          string        `json:"line_id"`
	ProductID       string        `json:"product_id,omitempty"`
	VariantID       string        `json:"variant_id,omitempty"`
	SKU             string        `json:"sku,omitempty"`
	Name            string        `json:"name,omitempty"`
	Quantity        int64         `json:"quantity"`
	CurrentQuantity *int64        `json:"current_quantity,omitempty"` // after edits and refunds
	Price           string        `json:"price,omitempty"`            // of one
	Discount        string        `json:"discount,omitempty"`         // of the line
	Taxes           []taxDocument `json:"taxes,omitempty"`
}

type shippingDocument struct {
	Title string `json:"title,omitempty"`
	Code  string `json:"code,omitempty"`
	Price string `json:"price,omitempty"`
}

type taxDocument struct {
	Title  string `json:"title,omitempty"`
	Rate   string `json:"rate,omitempty"` // a fraction: 0.06
	Amount string `json:"amount,omitempty"`
}

type buyerDocument struct {
	CustomerID string `json:"customer_id,omitempty"`
	Email      string `json:"email,omitempty"`
	Phone      string `json:"phone,omitempty"`
	FirstName  string `json:"first_name,omitempty"`
	LastName   string `json:"last_name,omitempty"`
}

type customerDocument struct {
	buyerDocument

	CreatedAt string           `json:"created_at,omitempty"`
	State     string           `json:"state,omitempty"`
	Currency  string           `json:"currency,omitempty"`
	TaxExempt bool             `json:"tax_exempt"`
	Note      string           `json:"note,omitempty"`
	Tags      []string         `json:"tags,omitempty"`
	Address   *addressDocument `json:"address,omitempty"`
}

type addressDocument struct {
	Name         string `json:"name,omitempty"`
	Company      string `json:"company,omitempty"`
	Address1     string `json:"address1,omitempty"`
	Address2     string `json:"address2,omitempty"`
	Zip          string `json:"zip,omitempty"`
	City         string `json:"city,omitempty"`
	ProvinceCode string `json:"province_code,omitempty"`
	CountryCode  string `json:"country_code,omitempty"`
	Phone        string `json:"phone,omitempty"`
}

func (o *orderBody) document() orderDocument {
	d := orderDocument{
		OrderID: o.ID.String(), Number: o.Name,
		CreatedAt: utc(o.CreatedAt), ProcessedAt: utc(o.ProcessedAt), CancelledAt: utc(o.CancelledAt), ClosedAt: utc(o.ClosedAt),
		CancelReason: o.CancelReason, FinancialStatus: o.FinancialStatus, FulfillmentStatus: o.FulfillmentStatus,
		Currency: o.Currency, TaxesIncluded: o.TaxesIncluded,
		Subtotal: o.SubtotalPrice.String(), Discounts: o.TotalDiscounts.String(), Tax: o.TotalTax.String(), Total: o.TotalPrice.String(),
		CurrentTotal: o.CurrentTotalPrice.String(), Outstanding: o.TotalOutstanding.String(),
		Note: o.Note, Tags: tags(o.Tags),
		BillingAddress: address(o.BillingAddress), ShippingAddress: address(o.ShippingAddress),
		Lines: make([]lineDocument, 0, len(o.LineItems)), Taxes: taxes(o.TaxLines),
	}
	if o.Customer != nil {
		buyer := o.Customer.buyer()
		d.Customer = &buyer
	}
	for _, c := range o.DiscountCodes {
		d.DiscountCodes = append(d.DiscountCodes, c.Code)
	}
	for i := range o.LineItems {
		d.Lines = append(d.Lines, o.LineItems[i].document())
	}
	for _, s := range o.ShippingLines {
		d.Shipping = append(d.Shipping, shippingDocument{Title: s.Title, Code: s.Code, Price: s.Price.String()})
	}
	return d
}

func (l *lineBody) document() lineDocument {
	return lineDocument{
		LineID: l.ID.String(), ProductID: l.ProductID.String(), VariantID: l.VariantID.String(), SKU: l.SKU, Name: l.Name,
		Quantity: l.Quantity, CurrentQuantity: l.CurrentQuantity, Price: l.Price.String(), Discount: l.TotalDiscount.String(), Taxes: taxes(l.TaxLines),
	}
}

func (c *customerBody) buyer() buyerDocument {
	return buyerDocument{CustomerID: c.ID.String(), Email: c.Email, Phone: c.Phone, FirstName: c.FirstName, LastName: c.LastName}
}

func (c *customerBody) document() customerDocument {
	return customerDocument{
		buyerDocument: c.buyer(), CreatedAt: utc(c.CreatedAt), State: c.State, Currency: c.Currency, TaxExempt: c.TaxExempt,
		Note: c.Note, Tags: tags(c.Tags), Address: address(c.DefaultAddress),
	}
}

func taxes(lines []schemas.TaxLine) (out []taxDocument) {
	for _, t := range lines {
		out = append(out, taxDocument{Title: t.Title, Rate: t.Rate.String(), Amount: t.Price.String()})
	}
	return out
}

func address(a *schemas.Address) *addressDocument {
	if a == nil {
		return nil
	}
	return &addressDocument{
		Name: a.Name, Company: a.Company, Address1: a.Address1, Address2: a.Address2, Zip: a.Zip, City: a.City,
		ProvinceCode: a.ProvinceCode, CountryCode: a.CountryCode, Phone: a.Phone,
	}
}

// tags splits what Shopify joins with commas.
func tags(text string) (out []string) {
	for tag := range strings.SplitSeq(text, ",") {
		if tag = strings.TrimSpace(tag); tag != "" {
			out = append(out, tag)
		}
	}
	return out
}

// utc is one text for one instant: the offset in a body may differ between two versions of a thing.
func utc(t schemas.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
