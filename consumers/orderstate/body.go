package orderstate

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"millrace/schemas"
)

// The bodies have only what an event needs: an odd field elsewhere must not cost one.

type orderBody struct {
	ID                schemas.ID        `json:"id"`
	Name              string            `json:"name"`
	Email             string            `json:"email"`
	Phone             string            `json:"phone"`
	CreatedAt         schemas.Time      `json:"created_at"`
	UpdatedAt         schemas.Time      `json:"updated_at"`
	CancelledAt       schemas.Time      `json:"cancelled_at"`
	ClosedAt          schemas.Time      `json:"closed_at"`
	CancelReason      string            `json:"cancel_reason"`
	FinancialStatus   string            `json:"financial_status"`
	FulfillmentStatus string            `json:"fulfillment_status"`
	Currency          string            `json:"currency"`
	TotalPrice        schemas.Money     `json:"total_price"`
	CurrentTotalPrice schemas.Money     `json:"current_total_price"`
	TotalOutstanding  schemas.Money     `json:"total_outstanding"`
	Test              bool              `json:"test"`
	Tags              string            `json:"tags"`
	CustomerLocale    string            `json:"customer_locale"`
	Customer          *customerBody     `json:"customer"`
	ShippingAddress   *schemas.Address  `json:"shipping_address"`
	LineItems         []lineBody        `json:"line_items"`
	Refunds           []refundBody      `json:"refunds"`
	Fulfillments      []fulfillmentBody `json:"fulfillments"`
}

type customerBody struct {
	ID schemas.ID `json:"id"`
}

type lineBody struct {
	ID               schemas.ID    `json:"id"`
	ProductID        schemas.ID    `json:"product_id"`
	VariantID        schemas.ID    `json:"variant_id"`
	SKU              string        `json:"sku"`
	Title            string        `json:"title"`
	Quantity         int64         `json:"quantity"`
	CurrentQuantity  *int64        `json:"current_quantity"` // nil: from before the field
	Price            schemas.Money `json:"price"`
	RequiresShipping bool          `json:"requires_shipping"`
	GiftCard         bool          `json:"gift_card"`
}

type refundBody struct {
	ID              schemas.ID   `json:"id"`
	CreatedAt       schemas.Time `json:"created_at"`
	RefundLineItems []struct {
		LineItemID  schemas.ID `json:"line_item_id"`
		Quantity    int64      `json:"quantity"`
		RestockType string     `json:"restock_type"`
	} `json:"refund_line_items"`
	Transactions []transactionBody `json:"transactions"`
}

type transactionBody struct {
	ID        schemas.ID    `json:"id"`
	ParentID  schemas.ID    `json:"parent_id"`
	Kind      string        `json:"kind"`
	Status    string        `json:"status"`
	Gateway   string        `json:"gateway"`
	ErrorCode string        `json:"error_code"`
	Amount    schemas.Money `json:"amount"`
	Currency  string        `json:"currency"`
	CreatedAt schemas.Time  `json:"created_at"`
	Test      bool          `json:"test"`
	AmountSet struct {
		ShopMoney struct {
			Amount schemas.Money `json:"amount"`
		} `json:"shop_money"`
	} `json:"amount_set"`
}

type fulfillmentBody struct {
	ID              schemas.ID   `json:"id"`
	Name            string       `json:"name"`
	Status          string       `json:"status"`
	ShipmentStatus  string       `json:"shipment_status"`
	CreatedAt       schemas.Time `json:"created_at"`
	UpdatedAt       schemas.Time `json:"updated_at"`
	TrackingCompany string       `json:"tracking_company"`
	TrackingNumber  string       `json:"tracking_number"`
	TrackingNumbers []string     `json:"tracking_numbers"`
	TrackingURL     string       `json:"tracking_url"`
	TrackingURLs    []string     `json:"tracking_urls"`
	LineItems       []lineBody   `json:"line_items"`
}

type editBody struct {
	Edit struct {
		ID          schemas.ID   `json:"id"`
		CreatedAt   schemas.Time `json:"created_at"`
		CommittedAt schemas.Time `json:"committed_at"`
		LineItems   struct {
			Additions []schemas.ItemDelta `json:"additions"`
			Removals  []schemas.ItemDelta `json:"removals"`
		} `json:"line_items"`
	} `json:"order_edit"`
}

// otherBody is what any webhook may tell of what it is about.
type otherBody struct {
	ID     json.RawMessage `json:"id"`
	Status json.RawMessage `json:"status"`
	Risk   json.RawMessage `json:"risk_level"`
}

func decode[T any](body []byte) (*T, error) {
	b := new(T)
	if err := json.Unmarshal(body, b); err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	return b, nil
}

// errNoID is a body that does not say what it is about.
var errNoID = errors.New("the body has no id")

// version is the order as events have it.
func (o *orderBody) version(contact bool) schemas.OrderVersion {
	v := schemas.OrderVersion{
		UpdatedAt: utc(o.UpdatedAt), Name: o.Name, CreatedAt: utc(o.CreatedAt), CancelledAt: utc(o.CancelledAt), CancelReason: o.CancelReason,
		ClosedAt: utc(o.ClosedAt), FinancialStatus: o.FinancialStatus, FulfillmentStatus: o.FulfillmentStatus, Currency: o.Currency,
		TotalPrice: o.TotalPrice, CurrentTotalPrice: o.CurrentTotalPrice, TotalOutstanding: o.TotalOutstanding, Test: o.Test, Tags: o.Tags,
	}
	if o.Customer != nil {
		v.CustomerID = o.Customer.ID.String()
	}
	for i := range o.LineItems {
		v.Lines = append(v.Lines, o.LineItems[i].line())
	}
	for i := range o.Refunds {
		v.Refunds = append(v.Refunds, o.Refunds[i].refund(o.Currency))
	}
	for i := range o.Fulfillments {
		v.Fulfillments = append(v.Fulfillments, o.Fulfillments[i].fulfillment())
	}
	if c := (schemas.OrderContact{Email: o.Email, Phone: o.Phone, Locale: o.CustomerLocale, Address: o.ShippingAddress}); contact && c != (schemas.OrderContact{}) {
		v.Contact = &c
	}
	return v
}

func (l *lineBody) line() schemas.OrderLine {
	now := l.Quantity
	if l.CurrentQuantity != nil {
		now = *l.CurrentQuantity
	}
	return schemas.OrderLine{
		LineID: l.ID.String(), VariantID: l.VariantID.String(), ProductID: l.ProductID.String(), SKU: l.SKU, Title: l.Title,
		Quantity: l.Quantity, CurrentQuantity: now, Price: l.Price, Ships: l.RequiresShipping, GiftCard: l.GiftCard,
	}
}

// refund sums up what went back: refund transactions that succeeded, in the shop's currency where the body says what they are in it. One
// in a currency that is known to be another counts for nothing, as in the read models.
func (r *refundBody) refund(currency string) schemas.OrderRefund {
	out := schemas.OrderRefund{RefundID: r.ID.String(), CreatedAt: utc(r.CreatedAt)}
	for i := range r.RefundLineItems {
		l := &r.RefundLineItems[i]
		out.Lines = append(out.Lines, schemas.RefundLine{LineID: l.LineItemID.String(), Quantity: l.Quantity, RestockType: l.RestockType})
	}
	for i := range r.Transactions {
		t := &r.Transactions[i]
		if t.Kind != "refund" || t.Status != "success" {
			continue
		}
		amount := t.AmountSet.ShopMoney.Amount
		if amount.IsNull() && (currency == "" || t.Currency == "" || t.Currency == currency) {
			amount = t.Amount
		}
		if !amount.IsNull() {
			out.Amount = schemas.NewMoney(out.Amount.Decimal().Add(amount.Decimal()))
		}
	}
	return out
}

func (t *transactionBody) recorded() *schemas.TransactionRecorded {
	return &schemas.TransactionRecorded{
		TransactionID: t.ID.String(), ParentID: t.ParentID.String(), Kind: t.Kind, Status: t.Status, Gateway: t.Gateway, Amount: t.Amount,
		Currency: t.Currency, CreatedAt: utc(t.CreatedAt), ErrorCode: t.ErrorCode, Test: t.Test,
	}
}

func (f *fulfillmentBody) fulfillment() schemas.OrderFulfillment {
	out := schemas.OrderFulfillment{
		FulfillmentID: f.ID.String(), Name: f.Name, Status: f.Status, ShipmentStatus: f.ShipmentStatus, CreatedAt: utc(f.CreatedAt), UpdatedAt: utc(f.UpdatedAt),
		Tracking: f.tracking(),
	}
	for i := range f.LineItems {
		out.Lines = append(out.Lines, schemas.LineQuantity{LineID: f.LineItems[i].ID.String(), Quantity: f.LineItems[i].Quantity})
	}
	return out
}

// tracking pairs numbers and addresses by their place. Older bodies have one of each.
func (f *fulfillmentBody) tracking() []schemas.Tracking {
	numbers, urls := f.TrackingNumbers, f.TrackingURLs
	if len(numbers) == 0 && f.TrackingNumber != "" {
		numbers = []string{f.TrackingNumber}
	}
	if len(urls) == 0 && f.TrackingURL != "" {
		urls = []string{f.TrackingURL}
	}
	var out []schemas.Tracking
	for i := range max(len(numbers), len(urls)) {
		t := schemas.Tracking{Company: f.TrackingCompany}
		if i < len(numbers) {
			t.Number = numbers[i]
		}
		if i < len(urls) {
			t.URL = urls[i]
		}
		out = append(out, t)
	}
	return out
}

func (e *editBody) edited() *schemas.OrderEdited {
	at := e.Edit.CommittedAt
	if at.IsZero() {
		at = e.Edit.CreatedAt
	}
	return &schemas.OrderEdited{
		EditID: e.Edit.ID.String(), CommittedAt: utc(at), Added: deltas(e.Edit.LineItems.Additions), Removed: deltas(e.Edit.LineItems.Removals),
	}
}

func deltas(items []schemas.ItemDelta) []schemas.LineQuantity {
	var out []schemas.LineQuantity
	for _, d := range items {
		out = append(out, schemas.LineQuantity{LineID: d.ID.String(), Quantity: d.Delta})
	}
	return out
}

func utc(t schemas.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC()
}
