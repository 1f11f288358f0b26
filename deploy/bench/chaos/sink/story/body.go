package story

import "fmt"

type moneySet struct {
	ShopMoney amountBody `json:"shop_money"`
}

type amountBody struct {
	Amount       string `json:"amount"`
	CurrencyCode string `json:"currency_code"`
}

type lineBody struct {
	ID                  int64  `json:"id"`
	ProductID           int64  `json:"product_id"`
	VariantID           int64  `json:"variant_id"`
	SKU                 string `json:"sku"`
	Title               string `json:"title"`
	Vendor              string `json:"vendor"`
	Quantity            int64  `json:"quantity"`
	CurrentQuantity     int64  `json:"current_quantity"`
	FulfillableQuantity int64  `json:"fulfillable_quantity"`
	Price               string `json:"price"`
	TotalDiscount       string `json:"total_discount"`
	GiftCard            bool   `json:"gift_card"`
}

type refundLineBody struct {
	ID          int64    `json:"id"`
	LineItemID  int64    `json:"line_item_id"`
	Quantity    int64    `json:"quantity"`
	RestockType string   `json:"restock_type"`
	Subtotal    string   `json:"subtotal"`
	TotalTax    string   `json:"total_tax"`
	LineItem    lineBody `json:"line_item"`
}

type transactionBody struct {
	ID        int64  `json:"id"`
	OrderID   int64  `json:"order_id"`
	Kind      string `json:"kind"`
	Status    string `json:"status"`
	Amount    string `json:"amount"`
	Currency  string `json:"currency"`
	Gateway   string `json:"gateway"`
	Test      bool   `json:"test"`
	CreatedAt string `json:"created_at"`
}

type adjustmentBody struct {
	ID        int64  `json:"id"`
	OrderID   int64  `json:"order_id"`
	Kind      string `json:"kind"`
	Amount    string `json:"amount"`
	TaxAmount string `json:"tax_amount"`
}

type refundBody struct {
	ID              int64             `json:"id"`
	OrderID         int64             `json:"order_id"`
	CreatedAt       string            `json:"created_at"`
	ProcessedAt     string            `json:"processed_at"`
	RefundLineItems []refundLineBody  `json:"refund_line_items"`
	Transactions    []transactionBody `json:"transactions"`
	Adjustments     []adjustmentBody  `json:"order_adjustments"`
}

type fulfilmentBody struct {
	ID             int64      `json:"id"`
	OrderID        int64      `json:"order_id"`
	Name           string     `json:"name"`
	Status         string     `json:"status"`
	ShipmentStatus *string    `json:"shipment_status"`
	LocationID     int64      `json:"location_id"`
	TrackingNumber *string    `json:"tracking_number"`
	CreatedAt      string     `json:"created_at"`
	UpdatedAt      string     `json:"updated_at"`
	LineItems      []lineBody `json:"line_items"`
}

type orderBody struct {
	ID                  int64            `json:"id"`
	Name                string           `json:"name"`
	OrderNumber         int              `json:"order_number"`
	Test                bool             `json:"test"`
	Currency            string           `json:"currency"`
	PresentmentCurrency string           `json:"presentment_currency"`
	TotalPrice          string           `json:"total_price"`
	SubtotalPrice       string           `json:"subtotal_price"`
	TotalTax            string           `json:"total_tax"`
	TotalDiscounts      string           `json:"total_discounts"`
	TotalShipping       *moneySet        `json:"total_shipping_price_set,omitempty"`
	CurrentTotalPrice   string           `json:"current_total_price"`
	CurrentSubtotal     string           `json:"current_subtotal_price"`
	CurrentTotalTax     string           `json:"current_total_tax"`
	CurrentDiscounts    string           `json:"current_total_discounts"`
	FinancialStatus     string           `json:"financial_status"`
	FulfillmentStatus   *string          `json:"fulfillment_status"`
	CreatedAt           string           `json:"created_at"`
	UpdatedAt           string           `json:"updated_at"`
	ProcessedAt         string           `json:"processed_at"`
	CancelledAt         *string          `json:"cancelled_at"`
	CancelReason        *string          `json:"cancel_reason"`
	CheckoutID          int64            `json:"checkout_id"`
	CheckoutToken       string           `json:"checkout_token"`
	Customer            *customerBody    `json:"customer"`
	LineItems           []lineBody       `json:"line_items"`
	Refunds             []refundBody     `json:"refunds"`
	Fulfillments        []fulfilmentBody `json:"fulfillments"`
}

func (o *order) lineBody(l *line) lineBody {
	return lineBody{
		ID: l.id, ProductID: l.product.id, VariantID: l.variant.id, SKU: l.variant.sku, Title: l.product.title, Vendor: "Acme", Quantity: l.quantity,
		CurrentQuantity: l.current, FulfillableQuantity: max(0, l.current-l.fulfilled), Price: o.shop.text(l.variant.price), TotalDiscount: o.shop.text(0),
	}
}

func (o *order) lineBodies() []lineBody {
	lines := []lineBody{}
	for _, l := range o.lines {
		lines = append(lines, o.lineBody(l))
	}
	return lines
}

func (o *order) body() orderBody {
	all, now, text := o.all(), o.now(), o.shop.text
	b := orderBody{
		ID: o.id, Name: fmt.Sprintf("#%d", o.number), OrderNumber: o.number, Test: o.test, Currency: o.shop.currency, PresentmentCurrency: o.shop.currency,
		TotalPrice: text(all.total), SubtotalPrice: text(all.lines - all.discount), TotalTax: text(all.tax), TotalDiscounts: text(all.discount),
		TotalShipping:     &moneySet{amountBody{text(o.shipping), o.shop.currency}},
		CurrentTotalPrice: text(now.total), CurrentSubtotal: text(now.lines - now.discount), CurrentTotalTax: text(now.tax), CurrentDiscounts: text(now.discount),
		FinancialStatus: o.financial, CreatedAt: o.shop.stamp(o.created), UpdatedAt: o.shop.stamp(o.updated), ProcessedAt: o.shop.stamp(o.processed),
		CancelledAt: o.shop.stampOrNil(o.cancelled), CheckoutID: o.checkoutID, CheckoutToken: o.token, LineItems: o.lineBodies(),
		Refunds: append([]refundBody{}, o.refunds...), Fulfillments: append([]fulfilmentBody{}, o.fulfilments...),
	}
	if o.fulfilment != "" {
		b.FulfillmentStatus = &o.fulfilment
	}
	if !o.cancelled.IsZero() {
		reason := "customer"
		b.CancelReason = &reason
	}
	if o.customer != nil {
		b.Customer = o.customer.body(o.shop, false)
	}
	return b
}

type checkoutBody struct {
	ID          int64         `json:"id"`
	Token       string        `json:"token"`
	Email       *string       `json:"email"`
	Currency    string        `json:"currency"`
	TotalPrice  string        `json:"total_price"`
	Subtotal    string        `json:"subtotal_price"`
	TotalTax    string        `json:"total_tax"`
	Discounts   string        `json:"total_discounts"`
	CreatedAt   string        `json:"created_at"`
	UpdatedAt   string        `json:"updated_at"`
	CompletedAt *string       `json:"completed_at"`
	Customer    *customerBody `json:"customer,omitempty"`
	LineItems   []lineBody    `json:"line_items"`
}

func (o *order) checkoutBody() checkoutBody {
	all, text := o.all(), o.shop.text
	b := checkoutBody{
		ID: o.checkoutID, Token: o.token, Currency: o.shop.currency, TotalPrice: text(all.total), Subtotal: text(all.lines - all.discount),
		TotalTax: text(all.tax), Discounts: text(all.discount), CreatedAt: o.shop.stamp(o.checkoutAt), UpdatedAt: o.shop.stamp(o.updated),
		CompletedAt: o.shop.stampOrNil(o.completed), LineItems: o.lineBodies(),
	}
	if o.customer != nil {
		b.Customer, b.Email = o.customer.body(o.shop, false), &o.customer.email
	}
	return b
}
