package shopify

import (
	"time"

	"millrace/schemas"
)

// The bodies of webhooks, as far as the Admin API knows what is in them. What it does not know (cart and checkout tokens, the
// browser) is left out, which no reader of a webhook may mind: stores leave out more (include_fields).

type amountBody struct {
	Amount   string `json:"amount"`
	Currency string `json:"currency_code"`
}

type setBody struct {
	Shop        amountBody `json:"shop_money"`
	Presentment amountBody `json:"presentment_money"`
}

type nameValueBody struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type taxBody struct {
	Title    string   `json:"title"`
	Rate     *float64 `json:"rate"`
	Price    string   `json:"price"`
	PriceSet setBody  `json:"price_set"`
}

type allocationBody struct {
	Amount    string  `json:"amount"`
	AmountSet setBody `json:"amount_set"`
}

type addressBody struct {
	FirstName    *string  `json:"first_name"`
	LastName     *string  `json:"last_name"`
	Name         *string  `json:"name"`
	Company      *string  `json:"company"`
	Address1     *string  `json:"address1"`
	Address2     *string  `json:"address2"`
	City         *string  `json:"city"`
	Zip          *string  `json:"zip"`
	Province     *string  `json:"province"`
	ProvinceCode *string  `json:"province_code"`
	Country      *string  `json:"country"`
	CountryCode  *string  `json:"country_code"`
	Phone        *string  `json:"phone"`
	Latitude     *float64 `json:"latitude"`
	Longitude    *float64 `json:"longitude"`
}

type customerBody struct {
	ID            schemas.ID `json:"id"`
	GID           string     `json:"admin_graphql_api_id"`
	Email         *string    `json:"email"`
	Phone         *string    `json:"phone"`
	FirstName     *string    `json:"first_name"`
	LastName      *string    `json:"last_name"`
	State         string     `json:"state"`
	Note          *string    `json:"note"`
	Tags          string     `json:"tags"`
	TaxExempt     bool       `json:"tax_exempt"`
	VerifiedEmail bool       `json:"verified_email"`
	CreatedAt     time.Time  `json:"created_at"`
	UpdatedAt     time.Time  `json:"updated_at"`
}

type lineBody struct {
	ID                  schemas.ID       `json:"id"`
	GID                 string           `json:"admin_graphql_api_id"`
	Name                string           `json:"name"`
	Title               string           `json:"title"`
	VariantTitle        *string          `json:"variant_title"`
	SKU                 *string          `json:"sku"`
	Vendor              *string          `json:"vendor"`
	ProductID           *schemas.ID      `json:"product_id"`
	VariantID           *schemas.ID      `json:"variant_id"`
	Quantity            int64            `json:"quantity"`
	CurrentQuantity     int64            `json:"current_quantity"`
	FulfillableQuantity int64            `json:"fulfillable_quantity"`
	FulfillmentStatus   *string          `json:"fulfillment_status"`
	Price               string           `json:"price"`
	PriceSet            setBody          `json:"price_set"`
	TotalDiscount       string           `json:"total_discount"`
	TotalDiscountSet    setBody          `json:"total_discount_set"`
	GiftCard            bool             `json:"gift_card"`
	Taxable             bool             `json:"taxable"`
	RequiresShipping    bool             `json:"requires_shipping"`
	Properties          []nameValueBody  `json:"properties"`
	TaxLines            []taxBody        `json:"tax_lines"`
	Allocations         []allocationBody `json:"discount_allocations"`
}

type shippingLineBody struct {
	ID                 *schemas.ID `json:"id"`
	Title              string      `json:"title"`
	Code               *string     `json:"code"`
	Source             *string     `json:"source"`
	Price              string      `json:"price"`
	PriceSet           setBody     `json:"price_set"`
	DiscountedPrice    string      `json:"discounted_price"`
	DiscountedPriceSet setBody     `json:"discounted_price_set"`
}

type codeBody struct {
	Code string `json:"code"`
}

type fulfillmentBody struct {
	ID              schemas.ID  `json:"id"`
	GID             string      `json:"admin_graphql_api_id"`
	OrderID         schemas.ID  `json:"order_id"`
	Name            string      `json:"name"`
	Status          string      `json:"status"`
	ShipmentStatus  *string     `json:"shipment_status"`
	Service         *string     `json:"service"`
	LocationID      *schemas.ID `json:"location_id"`
	TrackingCompany *string     `json:"tracking_company"`
	TrackingNumber  *string     `json:"tracking_number"`
	TrackingNumbers []string    `json:"tracking_numbers"`
	TrackingURL     *string     `json:"tracking_url"`
	TrackingURLs    []string    `json:"tracking_urls"`
	CreatedAt       time.Time   `json:"created_at"`
	UpdatedAt       time.Time   `json:"updated_at"`
	LineItems       []lineBody  `json:"line_items"`
	// Only the fulfillments/* topics have the next two.
	Email       *string      `json:"email,omitempty"`
	Destination *addressBody `json:"destination,omitempty"`
}

type transactionBody struct {
	ID            schemas.ID   `json:"id"`
	GID           string       `json:"admin_graphql_api_id"`
	OrderID       schemas.ID   `json:"order_id"`
	ParentID      *schemas.ID  `json:"parent_id"`
	Kind          string       `json:"kind"`
	Status        string       `json:"status"`
	Gateway       *string      `json:"gateway"`
	Authorization *string      `json:"authorization"`
	ErrorCode     *string      `json:"error_code"`
	Amount        string       `json:"amount"`
	Currency      string       `json:"currency"`
	AmountSet     setBody      `json:"amount_set"`
	PaymentID     *string      `json:"payment_id"`
	Test          bool         `json:"test"`
	CreatedAt     time.Time    `json:"created_at"`
	ProcessedAt   schemas.Time `json:"processed_at"`
}

type refundLineBody struct {
	ID          *schemas.ID `json:"id"`
	LineItemID  schemas.ID  `json:"line_item_id"`
	LocationID  *schemas.ID `json:"location_id"`
	Quantity    int64       `json:"quantity"`
	RestockType string      `json:"restock_type"`
	Subtotal    string      `json:"subtotal"`
	SubtotalSet setBody     `json:"subtotal_set"`
	TotalTax    string      `json:"total_tax"`
	TotalTaxSet setBody     `json:"total_tax_set"`
	LineItem    *lineBody   `json:"line_item"`
}

type refundBody struct {
	ID           schemas.ID        `json:"id"`
	GID          string            `json:"admin_graphql_api_id"`
	OrderID      schemas.ID        `json:"order_id"`
	CreatedAt    time.Time         `json:"created_at"`
	ProcessedAt  time.Time         `json:"processed_at"`
	Note         *string           `json:"note"`
	Restock      bool              `json:"restock"`
	LineItems    []refundLineBody  `json:"refund_line_items"`
	Transactions []transactionBody `json:"transactions"`
}

type orderBody struct {
	ID                  schemas.ID         `json:"id"`
	GID                 string             `json:"admin_graphql_api_id"`
	AppID               *schemas.ID        `json:"app_id"`
	BrowserIP           *string            `json:"browser_ip"`
	CancelReason        *string            `json:"cancel_reason"`
	CancelledAt         schemas.Time       `json:"cancelled_at"`
	ClosedAt            schemas.Time       `json:"closed_at"`
	ConfirmationNumber  *string            `json:"confirmation_number"`
	Confirmed           bool               `json:"confirmed"`
	ContactEmail        *string            `json:"contact_email"`
	CreatedAt           time.Time          `json:"created_at"`
	Currency            string             `json:"currency"`
	CurrentShippingSet  setBody            `json:"current_shipping_price_set"`
	CurrentSubtotal     string             `json:"current_subtotal_price"`
	CurrentSubtotalSet  setBody            `json:"current_subtotal_price_set"`
	CurrentDiscounts    string             `json:"current_total_discounts"`
	CurrentDiscountsSet setBody            `json:"current_total_discounts_set"`
	CurrentTotal        string             `json:"current_total_price"`
	CurrentTotalSet     setBody            `json:"current_total_price_set"`
	CurrentTax          string             `json:"current_total_tax"`
	CurrentTaxSet       setBody            `json:"current_total_tax_set"`
	CustomerLocale      *string            `json:"customer_locale"`
	DiscountCodes       []codeBody         `json:"discount_codes"`
	DutiesIncluded      bool               `json:"duties_included"`
	Email               *string            `json:"email"`
	EstimatedTaxes      bool               `json:"estimated_taxes"`
	FinancialStatus     string             `json:"financial_status"`
	FulfillmentStatus   *string            `json:"fulfillment_status"`
	LocationID          *schemas.ID        `json:"location_id"`
	Name                string             `json:"name"`
	Note                *string            `json:"note"`
	NoteAttributes      []nameValueBody    `json:"note_attributes"`
	OrderNumber         *int64             `json:"order_number"`
	OrderStatusURL      string             `json:"order_status_url"`
	PaymentGatewayNames []string           `json:"payment_gateway_names"`
	Phone               *string            `json:"phone"`
	PONumber            *string            `json:"po_number"`
	PresentmentCurrency string             `json:"presentment_currency"`
	ProcessedAt         time.Time          `json:"processed_at"`
	SourceName          *string            `json:"source_name"`
	SubtotalPrice       string             `json:"subtotal_price"`
	SubtotalPriceSet    setBody            `json:"subtotal_price_set"`
	Tags                string             `json:"tags"`
	TaxExempt           bool               `json:"tax_exempt"`
	TaxLines            []taxBody          `json:"tax_lines"`
	TaxesIncluded       bool               `json:"taxes_included"`
	Test                bool               `json:"test"`
	TotalDiscounts      string             `json:"total_discounts"`
	TotalDiscountsSet   setBody            `json:"total_discounts_set"`
	TotalLineItemsPrice string             `json:"total_line_items_price"`
	TotalOutstanding    string             `json:"total_outstanding"`
	TotalPrice          string             `json:"total_price"`
	TotalPriceSet       setBody            `json:"total_price_set"`
	TotalShippingSet    setBody            `json:"total_shipping_price_set"`
	TotalTax            string             `json:"total_tax"`
	TotalTaxSet         setBody            `json:"total_tax_set"`
	TotalTipReceived    string             `json:"total_tip_received"`
	TotalWeight         any                `json:"total_weight"`
	UpdatedAt           time.Time          `json:"updated_at"`
	BillingAddress      *addressBody       `json:"billing_address"`
	Customer            *customerBody      `json:"customer"`
	Fulfillments        []*fulfillmentBody `json:"fulfillments"`
	LineItems           []lineBody         `json:"line_items"`
	Refunds             []*refundBody      `json:"refunds"`
	ShippingAddress     *addressBody       `json:"shipping_address"`
	ShippingLines       []shippingLineBody `json:"shipping_lines"`
}

type levelBody struct {
	ItemID     schemas.ID `json:"inventory_item_id"`
	LocationID schemas.ID `json:"location_id"`
	Available  *int64     `json:"available"`
	UpdatedAt  time.Time  `json:"updated_at"`
	GID        string     `json:"admin_graphql_api_id"`
}
