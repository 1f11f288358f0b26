package schemas

import "encoding/json"

// The typed views of the bodies hold the fields that services need; they are not complete. Every field may be missing or
// null in a body (an order may even be {"id": …} alone, and personal data is null without Shopify's approval), which leaves
// its zero value. A view is read with encoding/json, for which the last of a repeated key counts.

// Order is the body of orders/create, updated, paid, cancelled, fulfilled, partially_fulfilled and link_requested, and, with
// the id alone, of orders/delete.
type Order struct {
	ID                  ID              `json:"id"`
	Name                string          `json:"name"` // what merchant and customer see, e.g. "#1001"
	OrderNumber         int64           `json:"order_number"`
	Token               string          `json:"token"`
	Email               string          `json:"email"`
	Phone               string          `json:"phone"`
	CreatedAt           Time            `json:"created_at"`
	UpdatedAt           Time            `json:"updated_at"` // to the second: two versions may have the same
	ProcessedAt         Time            `json:"processed_at"`
	CancelledAt         Time            `json:"cancelled_at"`
	ClosedAt            Time            `json:"closed_at"`
	CancelReason        string          `json:"cancel_reason"`
	FinancialStatus     string          `json:"financial_status"`
	FulfillmentStatus   string          `json:"fulfillment_status"`
	Currency            string          `json:"currency"`
	PresentmentCurrency string          `json:"presentment_currency"`
	TotalPrice          Money           `json:"total_price"`
	SubtotalPrice       Money           `json:"subtotal_price"`
	TotalTax            Money           `json:"total_tax"`
	TotalDiscounts      Money           `json:"total_discounts"`
	TotalLineItemsPrice Money           `json:"total_line_items_price"`
	TotalOutstanding    Money           `json:"total_outstanding"`
	CurrentTotalPrice   Money           `json:"current_total_price"` // after edits and refunds
	CurrentTotalTax     Money           `json:"current_total_tax"`
	Test                bool            `json:"test"`
	Confirmed           bool            `json:"confirmed"`
	SourceName          string          `json:"source_name"`
	Tags                string          `json:"tags"` // separated by commas
	Note                string          `json:"note"`
	CustomerLocale      string          `json:"customer_locale"`
	OrderStatusURL      string          `json:"order_status_url"`
	CartToken           string          `json:"cart_token"`
	CheckoutToken       string          `json:"checkout_token"`
	AppID               ID              `json:"app_id"`
	LocationID          ID              `json:"location_id"`
	UserID              ID              `json:"user_id"`
	Customer            *Customer       `json:"customer"`
	BillingAddress      *Address        `json:"billing_address"`
	ShippingAddress     *Address        `json:"shipping_address"`
	DiscountCodes       []DiscountCode  `json:"discount_codes"`
	NoteAttributes      Properties      `json:"note_attributes"`
	TaxLines            []TaxLine       `json:"tax_lines"`
	LineItems           []LineItem      `json:"line_items"`
	ShippingLines       []ShippingLine  `json:"shipping_lines"`
	Fulfillments        []Fulfillment   `json:"fulfillments"`
	Refunds             []Refund        `json:"refunds"`
	PaymentGateways     []string        `json:"payment_gateway_names"`
	ClientDetails       json.RawMessage `json:"client_details,omitempty"`
}

// LineItem is one position of an order, fulfilment or refund.
type LineItem struct {
	ID                  ID         `json:"id"`
	ProductID           ID         `json:"product_id"`
	VariantID           ID         `json:"variant_id"`
	SKU                 string     `json:"sku"`
	Title               string     `json:"title"`
	VariantTitle        string     `json:"variant_title"`
	Name                string     `json:"name"`
	Vendor              string     `json:"vendor"`
	Quantity            int64      `json:"quantity"`
	CurrentQuantity     int64      `json:"current_quantity"` // after edits and refunds
	FulfillableQuantity int64      `json:"fulfillable_quantity"`
	FulfillmentService  string     `json:"fulfillment_service"`
	FulfillmentStatus   string     `json:"fulfillment_status"`
	Grams               int64      `json:"grams"`
	Price               Money      `json:"price"` // of one
	TotalDiscount       Money      `json:"total_discount"`
	GiftCard            bool       `json:"gift_card"`
	Taxable             bool       `json:"taxable"`
	RequiresShipping    bool       `json:"requires_shipping"`
	Properties          Properties `json:"properties"`
	TaxLines            []TaxLine  `json:"tax_lines"`
}

// ShippingLine is one method of delivery that was paid for.
type ShippingLine struct {
	ID              ID     `json:"id"`
	Title           string `json:"title"`
	Code            string `json:"code"`
	Source          string `json:"source"`
	Price           Money  `json:"price"`
	DiscountedPrice Money  `json:"discounted_price"`
}

// TaxLine is one tax on an order, item or delivery.
type TaxLine struct {
	Title string      `json:"title"`
	Rate  json.Number `json:"rate"` // a fraction: 0.06
	Price Money       `json:"price"`
}

// DiscountCode is a code that the customer entered.
type DiscountCode struct {
	Code   string `json:"code"`
	Amount Money  `json:"amount"`
	Type   string `json:"type"`
}

// Address is a postal address.
type Address struct {
	FirstName    string `json:"first_name"`
	LastName     string `json:"last_name"`
	Name         string `json:"name"`
	Company      string `json:"company"`
	Address1     string `json:"address1"`
	Address2     string `json:"address2"`
	City         string `json:"city"`
	Zip          string `json:"zip"`
	Province     string `json:"province"`
	ProvinceCode string `json:"province_code"`
	Country      string `json:"country"`
	CountryCode  string `json:"country_code"`
	Phone        string `json:"phone"`
}

// OrderEdit is the body of orders/edited.
type OrderEdit struct {
	Edit struct {
		ID             ID     `json:"id"`
		OrderID        ID     `json:"order_id"`
		NotifyCustomer bool   `json:"notify_customer"`
		Note           string `json:"staff_note"`
		CreatedAt      Time   `json:"created_at"`
		CommittedAt    Time   `json:"committed_at"`
		LineItems      struct {
			Additions []ItemDelta `json:"additions"`
			Removals  []ItemDelta `json:"removals"`
		} `json:"line_items"`
	} `json:"order_edit"`
}

// ItemDelta is what an edit added to or took from one position.
type ItemDelta struct {
	ID    ID    `json:"id"`
	Delta int64 `json:"delta"`
}

// Refund is the body of refunds/create. It has no updated_at, and it is about goods: money moves in Transactions.
type Refund struct {
	ID           ID               `json:"id"`
	OrderID      ID               `json:"order_id"`
	CreatedAt    Time             `json:"created_at"`
	ProcessedAt  Time             `json:"processed_at"`
	Note         string           `json:"note"`
	Restock      bool             `json:"restock"`
	UserID       ID               `json:"user_id"`
	LineItems    []RefundLineItem `json:"refund_line_items"`
	Transactions []Transaction    `json:"transactions"`
}

// RefundLineItem is one position that was taken back.
type RefundLineItem struct {
	ID          ID        `json:"id"`
	LineItemID  ID        `json:"line_item_id"`
	LocationID  ID        `json:"location_id"`
	Quantity    int64     `json:"quantity"`
	RestockType string    `json:"restock_type"`
	Subtotal    Money     `json:"subtotal"`
	TotalTax    Money     `json:"total_tax"`
	LineItem    *LineItem `json:"line_item"`
}

// Transaction is the body of order_transactions/create. The same id can come again with another status.
type Transaction struct {
	ID          ID     `json:"id"`
	OrderID     ID     `json:"order_id"`
	ParentID    ID     `json:"parent_id"`
	Kind        string `json:"kind"` // authorization, capture, sale, void, refund …
	Status      string `json:"status"`
	Gateway     string `json:"gateway"`
	Message     string `json:"message"`
	ErrorCode   string `json:"error_code"`
	Amount      Money  `json:"amount"`
	Currency    string `json:"currency"`
	PaymentID   string `json:"payment_id"`
	Test        bool   `json:"test"`
	CreatedAt   Time   `json:"created_at"`
	ProcessedAt Time   `json:"processed_at"`
}

// Fulfillment is the body of fulfillments/create and update: a shipment of some of an order's items.
type Fulfillment struct {
	ID              ID         `json:"id"`
	OrderID         ID         `json:"order_id"`
	Name            string     `json:"name"`
	Status          string     `json:"status"`
	ShipmentStatus  string     `json:"shipment_status"`
	Service         string     `json:"service"`
	LocationID      ID         `json:"location_id"`
	TrackingCompany string     `json:"tracking_company"`
	TrackingNumber  string     `json:"tracking_number"`
	TrackingNumbers []string   `json:"tracking_numbers"`
	TrackingURL     string     `json:"tracking_url"`
	TrackingURLs    []string   `json:"tracking_urls"`
	CreatedAt       Time       `json:"created_at"`
	UpdatedAt       Time       `json:"updated_at"`
	Email           string     `json:"email"`
	Destination     *Address   `json:"destination"`
	LineItems       []LineItem `json:"line_items"`
}

// Dispute is the body of disputes/create and update.
type Dispute struct {
	ID            ID     `json:"id"`
	OrderID       ID     `json:"order_id"`
	Type          string `json:"type"`
	Status        string `json:"status"`
	Reason        string `json:"reason"`
	Amount        Money  `json:"amount"`
	Currency      string `json:"currency"`
	InitiatedAt   Time   `json:"initiated_at"`
	EvidenceDueBy Time   `json:"evidence_due_by"`
	FinalizedOn   Time   `json:"finalized_on"`
}
