package schemas

import "time"

// Names of the types of events that webhooks bring.
const (
	TypeOrderCreated         = "OrderCreated"
	TypeOrderUpdated         = "OrderUpdated"
	TypePaymentReceived      = "PaymentReceived"
	TypeOrderCancelled       = "OrderCancelled"
	TypeOrderPartlyFulfilled = "OrderPartlyFulfilled"
	TypeOrderFulfilled       = "OrderFulfilled"
	TypeOrderEdited          = "OrderEdited"
	TypeOrderDeleted         = "OrderDeleted"
	TypeOrderRefunded        = "OrderRefunded"
	TypeTransactionRecorded  = "TransactionRecorded"
	TypeFulfillmentRecorded  = "FulfillmentRecorded"
	TypeShopEventRecorded    = "ShopEventRecorded"
)

// OrderVersion is what the shop says of an order as a whole: the newest UpdatedAt counts, whatever the order of arrival. It is the
// content of six types, which differ in what has happened.
type OrderVersion struct {
	UpdatedAt         time.Time          `json:"updated_at,omitzero"`
	Name              string             `json:"name,omitempty"` // what merchant and customer see, e.g. "#1001"
	CreatedAt         time.Time          `json:"created_at,omitzero"`
	CancelledAt       time.Time          `json:"cancelled_at,omitzero"`
	CancelReason      string             `json:"cancel_reason,omitempty"`
	ClosedAt          time.Time          `json:"closed_at,omitzero"`
	FinancialStatus   string             `json:"financial_status,omitempty"`
	FulfillmentStatus string             `json:"fulfillment_status,omitempty"`
	Currency          string             `json:"currency,omitempty"`
	TotalPrice        Money              `json:"total_price,omitzero"`
	CurrentTotalPrice Money              `json:"current_total_price,omitzero"` // after edits and refunds
	TotalOutstanding  Money              `json:"total_outstanding,omitzero"`
	Test              bool               `json:"test,omitempty"`
	CustomerID        string             `json:"customer_id,omitempty"`
	Tags              string             `json:"tags,omitempty"`
	Lines             []OrderLine        `json:"lines,omitempty"`
	Refunds           []OrderRefund      `json:"refunds,omitempty"`
	Fulfillments      []OrderFulfillment `json:"fulfillments,omitempty"`
	Contact           *OrderContact      `json:"contact,omitempty"`
}

// OrderContact is what a label and a mail need of the customer. It is the only place in an event with personal data, so that whoever
// keeps events for longer than these can leave it out.
type OrderContact struct {
	Email   string   `json:"email,omitempty"`
	Phone   string   `json:"phone,omitempty"`
	Locale  string   `json:"locale,omitempty"`
	Address *Address `json:"address,omitempty"` // where the goods go
}

// OrderLine is one position of an order.
type OrderLine struct {
	LineID          string `json:"line_id"`
	VariantID       string `json:"variant_id,omitempty"`
	ProductID       string `json:"product_id,omitempty"`
	SKU             string `json:"sku,omitempty"`
	Title           string `json:"title,omitempty"`
	Quantity        int64  `json:"quantity"`
	CurrentQuantity int64  `json:"current_quantity"` // after edits and refunds
	Price           Money  `json:"price,omitzero"`   // of one
	Ships           bool   `json:"ships,omitempty"`  // it is goods that have to be sent
	GiftCard        bool   `json:"gift_card,omitempty"`
}

// OrderRefund is one refund.
type OrderRefund struct {
	RefundID  string       `json:"refund_id"`
	CreatedAt time.Time    `json:"created_at,omitzero"`
	Amount    Money        `json:"amount,omitzero"` // money that went back, in the order's currency
	Lines     []RefundLine `json:"lines,omitempty"`
}

// RefundLine is a position of a refund.
type RefundLine struct {
	LineID      string `json:"line_id"`
	Quantity    int64  `json:"quantity"`
	RestockType string `json:"restock_type,omitempty"`
}

// OrderFulfillment is one of the shop's fulfilments: goods that were sent, or are about to be.
type OrderFulfillment struct {
	FulfillmentID  string         `json:"fulfillment_id"`
	Name           string         `json:"name,omitempty"`
	Status         string         `json:"status,omitempty"`
	ShipmentStatus string         `json:"shipment_status,omitempty"`
	CreatedAt      time.Time      `json:"created_at,omitzero"`
	UpdatedAt      time.Time      `json:"updated_at,omitzero"`
	Lines          []LineQuantity `json:"lines,omitempty"`
	Tracking       []Tracking     `json:"tracking,omitempty"`
}

// LineQuantity is a number of pieces of one position.
type LineQuantity struct {
	LineID   string `json:"line_id"`
	Quantity int64  `json:"quantity"`
}

// Tracking is one parcel.
type Tracking struct {
	Company string `json:"company,omitempty"`
	Number  string `json:"number,omitempty"`
	URL     string `json:"url,omitempty"`
}

// The types whose content is an OrderVersion.
type (
	// OrderCreated says that the shop has a new order.
	OrderCreated struct{ OrderVersion }
	// OrderUpdated says that something of the order has changed.
	OrderUpdated struct{ OrderVersion }
	// PaymentReceived says that the shop has all of the money (Shopify's orders/paid).
	PaymentReceived struct{ OrderVersion }
	// OrderCancelled says that the shop has cancelled the order.
	OrderCancelled struct{ OrderVersion }
	// OrderPartlyFulfilled says that some of the goods were sent.
	OrderPartlyFulfilled struct{ OrderVersion }
	// OrderFulfilled says that all of the goods were sent.
	OrderFulfilled struct{ OrderVersion }
)

// OrderEdited says that positions were added or taken out. The OrderUpdated that Shopify sends as well has the result.
type OrderEdited struct {
	EditID      string         `json:"edit_id"`
	CommittedAt time.Time      `json:"committed_at,omitzero"`
	Added       []LineQuantity `json:"added,omitempty"`
	Removed     []LineQuantity `json:"removed,omitempty"`
}

// OrderDeleted says that the shop has removed the order. It never comes back.
type OrderDeleted struct{}

// OrderRefunded says that money, goods or both went back.
type OrderRefunded struct{ OrderRefund }

// TransactionRecorded says that money moved, or did not, at the shop's gateway. The same transaction may come again with another status.
type TransactionRecorded struct {
	TransactionID string    `json:"transaction_id"`
	ParentID      string    `json:"parent_id,omitempty"`
	Kind          string    `json:"kind"`
	Status        string    `json:"status"`
	Gateway       string    `json:"gateway,omitempty"`
	Amount        Money     `json:"amount,omitzero"`
	Currency      string    `json:"currency,omitempty"`
	CreatedAt     time.Time `json:"created_at,omitzero"`
	ErrorCode     string    `json:"error_code,omitempty"`
	Test          bool      `json:"test,omitempty"`
}

// FulfillmentRecorded says that a fulfilment of the shop was made or has changed. Version 1 knew one parcel only.
type FulfillmentRecorded struct{ OrderFulfillment }

// ShopEventRecorded is any other webhook about the order, for its timeline.
type ShopEventRecorded struct {
	Topic      string `json:"topic"` // Shopify's
	ResourceID string `json:"resource_id,omitempty"`
	Status     string `json:"status,omitempty"`
}

func (*OrderCreated) eventType() string         { return TypeOrderCreated }
func (*OrderUpdated) eventType() string         { return TypeOrderUpdated }
func (*PaymentReceived) eventType() string      { return TypePaymentReceived }
func (*OrderCancelled) eventType() string       { return TypeOrderCancelled }
func (*OrderPartlyFulfilled) eventType() string { return TypeOrderPartlyFulfilled }
func (*OrderFulfilled) eventType() string       { return TypeOrderFulfilled }
func (*OrderEdited) eventType() string          { return TypeOrderEdited }
func (*OrderDeleted) eventType() string         { return TypeOrderDeleted }
func (*OrderRefunded) eventType() string        { return TypeOrderRefunded }
func (*TransactionRecorded) eventType() string  { return TypeTransactionRecorded }
func (*FulfillmentRecorded) eventType() string  { return TypeFulfillmentRecorded }
func (*ShopEventRecorded) eventType() string    { return TypeShopEventRecorded }

// OrderVersionOf returns the version of the order that data brings; nil for data that is about something smaller.
func OrderVersionOf(data OrderEventData) *OrderVersion {
	switch d := data.(type) {
	case *OrderCreated:
		return &d.OrderVersion
	case *OrderUpdated:
		return &d.OrderVersion
	case *PaymentReceived:
		return &d.OrderVersion
	case *OrderCancelled:
		return &d.OrderVersion
	case *OrderPartlyFulfilled:
		return &d.OrderVersion
	case *OrderFulfilled:
		return &d.OrderVersion
	default:
		return nil
	}
}
