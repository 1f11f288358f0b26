package sim

import (
	"fmt"

	"millrace/cmd/storesim/ledger"
)

type discountCode struct {
	Code   string `json:"code"`
	Amount string `json:"amount"`
	Type   string `json:"type"`
}

type discountApplication struct {
	TargetType       string `json:"target_type"`
	Type             string `json:"type"`
	Value            string `json:"value"`
	ValueType        string `json:"value_type"`
	AllocationMethod string `json:"allocation_method"`
	TargetSelection  string `json:"target_selection"`
	Code             string `json:"code"`
}

type shippingLine struct {
	ID                  int64        `json:"id"`
	CarrierIdentifier   null         `json:"carrier_identifier"`
	Code                string       `json:"code"`
	DiscountedPrice     string       `json:"discounted_price"`
	DiscountedPriceSet  *moneySet    `json:"discounted_price_set,omitempty"`
	IsRemoved           bool         `json:"is_removed"`
	Phone               null         `json:"phone"`
	Price               string       `json:"price"`
	PriceSet            *moneySet    `json:"price_set,omitempty"`
	Source              string       `json:"source"`
	Title               string       `json:"title"`
	TaxLines            []taxLine    `json:"tax_lines"`
	DiscountAllocations []allocation `json:"discount_allocations"`
}

type clientDetails struct {
	AcceptLanguage string `json:"accept_language"`
	BrowserHeight  null   `json:"browser_height"`
	BrowserIP      string `json:"browser_ip"`
	BrowserWidth   null   `json:"browser_width"`
	SessionHash    null   `json:"session_hash"`
	UserAgent      string `json:"user_agent"`
}

type orderBody struct {
	ID                       int64                 `json:"id"`
	AdminGraphQLAPIID        string                `json:"admin_graphql_api_id"`
	AppID                    int64                 `json:"app_id"`
	BrowserIP                *string               `json:"browser_ip"`
	BuyerAcceptsMarketing    bool                  `json:"buyer_accepts_marketing"`
	CancelReason             *string               `json:"cancel_reason"`
	CancelledAt              *string               `json:"cancelled_at"`
	CartToken                *string               `json:"cart_token"`
	CheckoutID               int64                 `json:"checkout_id"`
	CheckoutToken            string                `json:"checkout_token"`
	ClientDetails            *clientDetails        `json:"client_details"`
	ClosedAt                 *string               `json:"closed_at"`
	ConfirmationNumber       string                `json:"confirmation_number"`
	Confirmed                bool                  `json:"confirmed"`
	ContactEmail             *string               `json:"contact_email"`
	CreatedAt                string                `json:"created_at"`
	Currency                 string                `json:"currency"`
	CurrentShippingPriceSet  *moneySet             `json:"current_shipping_price_set,omitempty"`
	CurrentSubtotalPrice     string                `json:"current_subtotal_price"`
	CurrentSubtotalPriceSet  *moneySet             `json:"current_subtotal_price_set,omitempty"`
	CurrentTotalDiscounts    string                `json:"current_total_discounts"`
	CurrentTotalDiscountsSet *moneySet             `json:"current_total_discounts_set,omitempty"`
	CurrentTotalPrice        string                `json:"current_total_price"`
	CurrentTotalPriceSet     *moneySet             `json:"current_total_price_set,omitempty"`
	CurrentTotalTax          string                `json:"current_total_tax"`
	CurrentTotalTaxSet       *moneySet             `json:"current_total_tax_set,omitempty"`
	CustomerLocale           string                `json:"customer_locale"`
	DiscountCodes            []discountCode        `json:"discount_codes"`
	DutiesIncluded           bool                  `json:"duties_included"`
	Email                    *string               `json:"email"`
	EstimatedTaxes           bool                  `json:"estimated_taxes"`
	FinancialStatus          string                `json:"financial_status"`
	FulfillmentStatus        *string               `json:"fulfillment_status"`
	LandingSite              *string               `json:"landing_site"`
	LocationID               *int64                `json:"location_id"`
	Name                     string                `json:"name"`
	Note                     *string               `json:"note"`
	NoteAttributes           []property            `json:"note_attributes"`
	Number                   int64                 `json:"number"`
	OrderNumber              int64                 `json:"order_number"`
	OrderStatusURL           string                `json:"order_status_url"`
	PaymentGatewayNames      []string              `json:"payment_gateway_names"`
	Phone                    *string               `json:"phone"`
	PONumber                 null                  `json:"po_number"`
	PresentmentCurrency      string                `json:"presentment_currency"`
	ProcessedAt              string                `json:"processed_at"`
	Reference                null                  `json:"reference"`
	ReferringSite            *string               `json:"referring_site"`
	SourceName               string                `json:"source_name"`
	SubtotalPrice            string                `json:"subtotal_price"`
	SubtotalPriceSet         *moneySet             `json:"subtotal_price_set,omitempty"`
	Tags                     string                `json:"tags"`
	TaxExempt                bool                  `json:"tax_exempt"`
	TaxLines                 []taxLine             `json:"tax_lines"`
	TaxesIncluded            bool                  `json:"taxes_included"`
	Test                     bool                  `json:"test"`
	Token                    string                `json:"token"`
	TotalDiscounts           string                `json:"total_discounts"`
	TotalDiscountsSet        *moneySet             `json:"total_discounts_set,omitempty"`
	TotalLineItemsPrice      string                `json:"total_line_items_price"`
	TotalLineItemsPriceSet   *moneySet             `json:"total_line_items_price_set,omitempty"`
	TotalOutstanding         string                `json:"total_outstanding"`
	TotalPrice               string                `json:"total_price"`
	TotalPriceSet            *moneySet             `json:"total_price_set,omitempty"`
	TotalShippingPriceSet    *moneySet             `json:"total_shipping_price_set,omitempty"`
	TotalTax                 string                `json:"total_tax"`
	TotalTaxSet              *moneySet             `json:"total_tax_set,omitempty"`
	TotalTipReceived         string                `json:"total_tip_received"`
	TotalWeight              int                   `json:"total_weight"`
	UpdatedAt                string                `json:"updated_at"`
	UserID                   null                  `json:"user_id"`
	BillingAddress           *address              `json:"billing_address"`
	Customer                 *customerBody         `json:"customer"`
	DiscountApplications     []discountApplication `json:"discount_applications"`
	Fulfillments             []*fulfillmentBody    `json:"fulfillments"`
	LineItems                []lineBody            `json:"line_items"`
	PaymentTerms             null                  `json:"payment_terms"`
	Refunds                  []*refundBody         `json:"refunds"`
	ShippingAddress          *address              `json:"shipping_address"`
	ShippingLines            []shippingLine        `json:"shipping_lines"`
	Returns                  []none                `json:"returns"`
	LineItemGroups           []none                `json:"line_item_groups"`
}

// body returns the order as orders/* shows it now.
func (o *order) body() *orderBody {
	s := o.shop
	all, now := o.total(), o.current()
	b := &orderBody{
		ID: o.id, AdminGraphQLAPIID: gid("Order", o.id), AppID: 580111, CancelReason: text(o.cancelReason),
		CancelledAt: s.stampOrNull(o.cancelled), CheckoutID: o.checkoutID, CheckoutToken: o.checkoutToken, ClosedAt: s.stampOrNull(o.closed),
		ConfirmationNumber: fmt.Sprintf("%.9X", o.token), Confirmed: true, CreatedAt: s.stamp(o.created), Currency: o.currency.code,
		CurrentShippingPriceSet: o.set(now.shipping),
		CurrentSubtotalPrice:    o.text(now.subtotal), CurrentSubtotalPriceSet: o.set(now.subtotal),
		CurrentTotalDiscounts: o.text(now.discounts), CurrentTotalDiscountsSet: o.set(now.discounts),
		CurrentTotalPrice: o.text(now.total), CurrentTotalPriceSet: o.set(now.total),
		CurrentTotalTax: o.text(now.tax), CurrentTotalTaxSet: o.set(now.tax),
		CustomerLocale: "en", DiscountCodes: []discountCode{}, FinancialStatus: o.financial, FulfillmentStatus: text(o.fulfillment),
		Name: o.name(), Note: text(o.note), NoteAttributes: []property{}, Number: o.number - 1000, OrderNumber: o.number,
		OrderStatusURL:      fmt.Sprintf("https://%s/%d/orders/%s/authenticate?key=%.32s", s.domain, s.id, o.token, o.checkoutToken),
		PaymentGatewayNames: []string{o.gateway}, PresentmentCurrency: o.presentment.code, ProcessedAt: s.stamp(o.created), SourceName: "pos",
		SubtotalPrice: o.text(all.subtotal), SubtotalPriceSet: o.set(all.subtotal), Tags: o.tags, TaxLines: o.taxLines(all.tax), TaxesIncluded: o.included,
		Token: o.token, TotalDiscounts: o.text(all.discounts), TotalDiscountsSet: o.set(all.discounts),
		TotalLineItemsPrice: o.text(all.lines), TotalLineItemsPriceSet: o.set(all.lines), TotalOutstanding: o.text(max(0, now.total-o.paid+o.refunded)),
		TotalPrice: o.text(all.total), TotalPriceSet: o.set(all.total), TotalShippingPriceSet: o.set(all.shipping),
		TotalTax: o.text(all.tax), TotalTaxSet: o.set(all.tax), TotalTipReceived: o.text(0), TotalWeight: o.grams(),
		UpdatedAt: s.stamp(o.updated), BillingAddress: o.billing, ShippingAddress: o.shipping,
		DiscountApplications: []discountApplication{}, Fulfillments: orEmpty(o.fulfillments), LineItems: o.lineBodies(), Refunds: orEmpty(o.refunds),
		ShippingLines: []shippingLine{}, Returns: []none{}, LineItemGroups: []none{},
	}
	o.addBuyer(b)
	if o.discountPercent > 0 {
		b.DiscountCodes = []discountCode{{Code: o.discountCode, Amount: o.text(all.discounts), Type: "percentage"}}
		b.DiscountApplications = []discountApplication{{
			TargetType: "line_item", Type: "discount_code", Value: fmt.Sprintf("%d.0", o.discountPercent), ValueType: "percentage",
			AllocationMethod: "across", TargetSelection: "all", Code: o.discountCode,
		}}
	}
	return b
}

// addBuyer fills in what an order over the counter does not have.
func (o *order) addBuyer(b *orderBody) {
	c := o.customer
	if c == nil {
		b.LocationID = &o.shop.location
		return
	}
	b.SourceName, b.CartToken, b.BrowserIP = "web", text(o.cartToken), text("203.0.113.17")
	b.Email, b.ContactEmail, b.Phone = text(c.email), text(c.email), text(c.phone)
	b.LandingSite, b.ReferringSite = text("/products/"+o.lines[0].variant.product.handle), text("https://search.example/?q=gift")
	b.Customer = o.shop.customerBody(c, o.shop.stamp(o.updated), false)
	b.ClientDetails = &clientDetails{
		AcceptLanguage: "en-US,en;q=0.9", BrowserIP: *b.BrowserIP,
		UserAgent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
	}
	b.ShippingLines = []shippingLine{{
		ID: o.shippingID, Code: "Standard", DiscountedPrice: o.text(o.shippingPrice), DiscountedPriceSet: o.set(o.shippingPrice),
		Price: o.text(o.shippingPrice), PriceSet: o.set(o.shippingPrice), Source: "shopify", Title: "Standard",
		TaxLines: []taxLine{}, DiscountAllocations: []allocation{},
	}}
}

func (o *order) grams() (sum int) {
	for _, l := range o.lines {
		sum += l.variant.grams * int(l.quantity)
	}
	return sum
}

// orEmpty makes nil an empty JSON array.
func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// account is what the ledger keeps of the order.
func (o *order) account() *ledger.Order {
	return &ledger.Order{
		ID: o.id, UpdatedAt: o.shop.stamp(o.updated), Currency: o.currency.code, TotalPrice: o.text(o.total().total),
		CurrentTotalPrice: o.text(o.current().total), FinancialStatus: o.financial, FulfillmentStatus: o.fulfillment,
	}
}
