package schemas

// Customer is the body of customers/create, update, enable, disable and delete, and a part of Order and Checkout. Personal
// fields are empty for apps without approval for protected customer data.
type Customer struct {
	ID             ID       `json:"id"`
	Email          string   `json:"email"`
	Phone          string   `json:"phone"`
	FirstName      string   `json:"first_name"`
	LastName       string   `json:"last_name"`
	State          string   `json:"state"`
	Currency       string   `json:"currency"`
	Note           string   `json:"note"`
	Tags           string   `json:"tags"`         // separated by commas
	OrdersCount    int64    `json:"orders_count"` // not sent by recent versions
	TotalSpent     Money    `json:"total_spent"`  // not sent by recent versions
	LastOrderID    ID       `json:"last_order_id"`
	TaxExempt      bool     `json:"tax_exempt"`
	VerifiedEmail  bool     `json:"verified_email"`
	CreatedAt      Time     `json:"created_at"`
	UpdatedAt      Time     `json:"updated_at"`
	DefaultAddress *Address `json:"default_address"`
}

// Checkout is the body of checkouts/create and update; of checkouts/delete some fields, without the token.
type Checkout struct {
	ID                   ID             `json:"id"` // not sent by all versions: Token identifies a checkout
	Token                string         `json:"token"`
	CartToken            string         `json:"cart_token"`
	Name                 string         `json:"name"`
	Email                string         `json:"email"`
	Phone                string         `json:"phone"`
	Currency             string         `json:"currency"`
	PresentmentCurrency  string         `json:"presentment_currency"`
	TotalPrice           Money          `json:"total_price"`
	SubtotalPrice        Money          `json:"subtotal_price"`
	TotalTax             Money          `json:"total_tax"`
	TotalDiscounts       Money          `json:"total_discounts"`
	TotalLineItemsPrice  Money          `json:"total_line_items_price"`
	AbandonedCheckoutURL string         `json:"abandoned_checkout_url"`
	CreatedAt            Time           `json:"created_at"`
	UpdatedAt            Time           `json:"updated_at"`
	CompletedAt          Time           `json:"completed_at"`
	ClosedAt             Time           `json:"closed_at"`
	DiscountCodes        []DiscountCode `json:"discount_codes"`
	LineItems            []CheckoutLine `json:"line_items"`
	ShippingAddress      *Address       `json:"shipping_address"`
	BillingAddress       *Address       `json:"billing_address"`
	Customer             *Customer      `json:"customer"`
}

// CheckoutLine is one position of a checkout; unlike an order's it has a key, not an id.
type CheckoutLine struct {
	Key        string     `json:"key"`
	ProductID  ID         `json:"product_id"`
	VariantID  ID         `json:"variant_id"`
	SKU        string     `json:"sku"`
	Title      string     `json:"title"`
	Quantity   int64      `json:"quantity"`
	Price      Money      `json:"price"`
	LinePrice  Money      `json:"line_price"`
	Properties Properties `json:"properties"`
}

// Shop is the body of shop/update and app/uninstalled.
type Shop struct {
	ID              ID     `json:"id"`
	Name            string `json:"name"`
	Email           string `json:"email"`
	MyshopifyDomain string `json:"myshopify_domain"`
	Domain          string `json:"domain"`
	CountryCode     string `json:"country_code"`
	Currency        string `json:"currency"`
	Timezone        string `json:"iana_timezone"`
	PlanName        string `json:"plan_name"`
	CreatedAt       Time   `json:"created_at"`
	UpdatedAt       Time   `json:"updated_at"`
}

// ComplianceCustomer names the person of a compliance request. The id is 0 where Shopify knows only the e-mail address.
type ComplianceCustomer struct {
	ID    ID     `json:"id"`
	Email string `json:"email"`
	Phone string `json:"phone"`
}

// CustomersDataRequest is the body of customers/data_request: give the store owner what is kept on the customer.
type CustomersDataRequest struct {
	ShopID          ID                 `json:"shop_id"`
	ShopDomain      string             `json:"shop_domain"`
	Customer        ComplianceCustomer `json:"customer"`
	OrdersRequested []ID               `json:"orders_requested"`
	DataRequest     struct {
		ID ID `json:"id"`
	} `json:"data_request"`
}

// CustomersRedact is the body of customers/redact: erase what is kept on the customer and these orders.
type CustomersRedact struct {
	ShopID         ID                 `json:"shop_id"`
	ShopDomain     string             `json:"shop_domain"`
	Customer       ComplianceCustomer `json:"customer"`
	OrdersToRedact []ID               `json:"orders_to_redact"`
}

// ShopRedact is the body of shop/redact: erase what is kept on the shop.
type ShopRedact struct {
	ShopID     ID     `json:"shop_id"`
	ShopDomain string `json:"shop_domain"`
}
