package erp

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tidwall/gjson"

	"millrace/consumers/group"
	"millrace/schemas"
)

// The bodies have only what a document is made of: an odd value elsewhere must not cost it.

// orderBody is the body of the topics about an order that have all of it.
type orderBody struct {
	ID                schemas.ID             `json:"id"`
	Test              bool                   `json:"test"`
	Name              string                 `json:"name"`
	CreatedAt         schemas.Time           `json:"created_at"`
	UpdatedAt         schemas.Time           `json:"updated_at"`
	ProcessedAt       schemas.Time           `json:"processed_at"`
	CancelledAt       schemas.Time           `json:"cancelled_at"`
	ClosedAt          schemas.Time           `json:"closed_at"`
	CancelReason      string                 `json:"cancel_reason"`
	FinancialStatus   string                 `json:"financial_status"`
	FulfillmentStatus string                 `json:"fulfillment_status"`
	Currency          string                 `json:"currency"`
	TaxesIncluded     bool                   `json:"taxes_included"`
	SubtotalPrice     schemas.Money          `json:"subtotal_price"`
	TotalDiscounts    schemas.Money          `json:"total_discounts"`
	TotalTax          schemas.Money          `json:"total_tax"`
	TotalPrice        schemas.Money          `json:"total_price"`
	CurrentTotalPrice schemas.Money          `json:"current_total_price"`
	TotalOutstanding  schemas.Money          `json:"total_outstanding"`
	Note              string                 `json:"note"`
	Tags              string                 `json:"tags"`
	Customer          *customerBody          `json:"customer"`
	BillingAddress    *schemas.Address       `json:"billing_address"`
	ShippingAddress   *schemas.Address       `json:"shipping_address"`
	LineItems         []lineBody             `json:"line_items"` // nil: the body has none, which is not the same as an empty list
	ShippingLines     []schemas.ShippingLine `json:"shipping_lines"`
	TaxLines          []schemas.TaxLine      `json:"tax_lines"`
	DiscountCodes     []schemas.DiscountCode `json:"discount_codes"`
}

type lineBody struct {
	ID              schemas.ID        `json:"id"`
	ProductID       schemas.ID        `json:"product_id"`
	VariantID       schemas.ID        `json:"variant_id"`
	SKU             string            `json:"sku"`
	Name            string            `json:"name"`
	Quantity        int64             `json:"quantity"`
	CurrentQuantity *int64            `json:"current_quantity"` // nil: not sent
	Price           schemas.Money     `json:"price"`
	TotalDiscount   schemas.Money     `json:"total_discount"`
	TaxLines        []schemas.TaxLine `json:"tax_lines"`
}

// customerBody is the body of the topics about a customer, and a part of an order.
type customerBody struct {
	ID             schemas.ID       `json:"id"`
	CreatedAt      schemas.Time     `json:"created_at"`
	UpdatedAt      schemas.Time     `json:"updated_at"`
	Email          string           `json:"email"`
	Phone          string           `json:"phone"`
	FirstName      string           `json:"first_name"`
	LastName       string           `json:"last_name"`
	State          string           `json:"state"`
	Currency       string           `json:"currency"`
	TaxExempt      bool             `json:"tax_exempt"`
	Note           string           `json:"note"`
	Tags           string           `json:"tags"`
	DefaultAddress *schemas.Address `json:"default_address"`
}

// kindOf tells what the body of a topic is the whole of; "" for nothing.
func kindOf(topic string) Kind {
	switch topic {
	case "orders/create", "orders/updated", "orders/paid", "orders/cancelled", "orders/fulfilled", "orders/partially_fulfilled":
		return Order
	case "customers/create", "customers/update", "customers/enable", "customers/disable":
		return Customer
	default:
		return ""
	}
}

// subject is an event's body as a document, with what says which version of it is the newer one.
type subject struct {
	id       schemas.ID
	updated  time.Time
	test     bool
	document any // the struct that is the document
}

func read(kind Kind, body []byte) (subject, error) {
	if kind == Order {
		return readOrder(body)
	}
	return readCustomer(body)
}

func readOrder(body []byte) (subject, error) {
	var o orderBody
	if err := json.Unmarshal(body, &o); err != nil {
		return subject{}, fmt.Errorf("read body: %w", err)
	}
	switch {
	case o.ID == 0:
		return subject{}, errors.New("the order has no id")
	case o.UpdatedAt.IsZero():
		return subject{}, errors.New("the order has no updated_at: which version it is is not known")
	case o.LineItems == nil: // a subscription without them, or a body that was cut to its id on the way
		return subject{}, errors.New("the body has no line_items: the document would lose what the ERP has of them")
	}
	return subject{id: o.ID, updated: o.UpdatedAt.UTC(), test: o.Test, document: o.document()}, nil
}

func readCustomer(body []byte) (subject, error) {
	var c customerBody
	if err := json.Unmarshal(body, &c); err != nil {
		return subject{}, fmt.Errorf("read body: %w", err)
	}
	switch {
	case c.ID == 0:
		return subject{}, errors.New("the customer has no id")
	case c.UpdatedAt.IsZero():
		return subject{}, errors.New("the customer has no updated_at: which version it is is not known")
	}
	return subject{id: c.ID, updated: c.UpdatedAt.UTC(), document: c.document()}, nil
}

// overtakes tells whether the later of two events has a newer version of the same document. It looks at few fields: it is asked often, and
// what is wrong with the later one shows when its own turn comes.
func overtakes(earlier, later *group.Event) bool {
	kind := kindOf(earlier.Topic)
	if kind == "" || kindOf(later.Topic) != kind || kind == Order && !gjson.GetBytes(later.Body, "line_items").IsArray() {
		return false
	}
	before, ok := updatedAt(earlier.Body)
	after, sure := updatedAt(later.Body)
	return ok && sure && newer(after, later.Time, before, earlier.Time)
}

func updatedAt(body []byte) (time.Time, bool) {
	var t schemas.Time
	v := gjson.GetBytes(body, "updated_at")
	return t.Time, v.Exists() && json.Unmarshal([]byte(v.Raw), &t) == nil && !t.IsZero()
}

// newer tells whether a version is after another: by its time, and of two of the same second by when Shopify has sent them.
func newer(updated, sent, thanUpdated, thanSent time.Time) bool {
	return updated.After(thanUpdated) || updated.Equal(thanUpdated) && sent.After(thanSent)
}
