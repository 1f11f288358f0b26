package shopify

import (
	"strconv"
	"strings"

	"github.com/shopspring/decimal"
	"golang.org/x/text/currency"

	"millrace/schemas"
)

// text is an amount as a webhook has it: with its currency's decimals, "90.00" where the Admin API has "90.0". A digit is never cut.
func (m moneyNode) text() string {
	decimals := int32(2)
	if unit, err := currency.ParseISO(m.Currency); err == nil {
		scale, _ := currency.Standard.Rounding(unit)
		decimals = int32(scale) //nolint:gosec // 0 to 4
	}
	if !m.Amount.Equal(m.Amount.Truncate(decimals)) {
		return m.Amount.String()
	}
	return m.Amount.StringFixed(decimals)
}

func (b bagNode) text() string { return b.Shop.text() }

func (b bagNode) set() setBody {
	return setBody{Shop: amountBody{b.Shop.text(), b.Shop.Currency}, Presentment: amountBody{b.Presentment.text(), b.Presentment.Currency}}
}

// orZero is the amount, or nothing in o's currencies: what an order does not have was not charged.
func (b *bagNode) orZero(o *orderNode) bagNode {
	if b != nil {
		return *b
	}
	return bagNode{Shop: moneyNode{decimal.Zero, o.Currency}, Presentment: moneyNode{decimal.Zero, o.PresentmentCurrency}}
}

// financial is a webhook's financial_status: PARTIALLY_REFUNDED is partially_refunded.
func financial(display string) string { return strings.ToLower(display) }

// delivery is a webhook's fulfillment_status, "" for null: it knows what has been shipped, not what is going on before.
func delivery(display string) string {
	switch display {
	case "FULFILLED":
		return "fulfilled"
	case "PARTIALLY_FULFILLED":
		return "partial"
	case "RESTOCKED":
		return "restocked"
	default:
		return ""
	}
}

// shipment is a webhook's shipment_status, nil for null: the Admin API's state begins before the parcel is on its way.
func shipment(display *string) *string {
	if display == nil {
		return nil
	}
	switch *display {
	case "LABEL_PRINTED", "LABEL_PURCHASED", "CONFIRMED", "IN_TRANSIT", "OUT_FOR_DELIVERY", "ATTEMPTED_DELIVERY", "READY_FOR_PICKUP", "PICKED_UP", "DELAYED", "DELIVERED", "FAILURE":
		return lowered(display)
	default:
		return nil
	}
}

func lowered(s *string) *string {
	if s == nil {
		return nil
	}
	low := strings.ToLower(*s)
	return &low
}

func textOrNil(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// orderNumber is the number in a name such as #1001 or EN-1001-A, nil where there is none.
func orderNumber(name string) *int64 {
	digits := strings.FieldsFunc(name, func(r rune) bool { return r < '0' || r > '9' })
	if len(digits) == 0 {
		return nil
	}
	n, err := strconv.ParseInt(digits[len(digits)-1], 10, 64)
	if err != nil {
		return nil
	}
	return &n
}

func (a *addressNode) body() *addressBody {
	if a == nil {
		return nil
	}
	b := addressBody(*a)
	return &b
}

func (c *customerNode) body() *customerBody {
	if c == nil {
		return nil
	}
	b := &customerBody{
		ID: c.ID, GID: gid("Customer", c.ID), FirstName: c.FirstName, LastName: c.LastName, State: strings.ToLower(c.State), Note: c.Note,
		Tags: strings.Join(c.Tags, ", "), TaxExempt: c.TaxExempt, VerifiedEmail: c.VerifiedEmail, CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt,
	}
	if c.Email != nil {
		b.Email = textOrNil(c.Email.Address)
	}
	if c.Phone != nil {
		b.Phone = textOrNil(c.Phone.Number)
	}
	return b
}

func attributes(nodes []attributeNode) []nameValueBody {
	all := make([]nameValueBody, len(nodes))
	for i, n := range nodes {
		all[i] = nameValueBody{n.Key, n.Value}
	}
	return all
}

func taxes(nodes []taxNode) []taxBody {
	all := make([]taxBody, len(nodes))
	for i, n := range nodes {
		all[i] = taxBody{Title: n.Title, Rate: n.Rate, Price: n.Price.text(), PriceSet: n.Price.set()}
	}
	return all
}

func (l *lineNode) body() lineBody {
	b := lineBody{
		ID: l.ID, GID: gid("LineItem", l.ID), Name: l.Name, Title: l.Title, VariantTitle: l.VariantTitle, SKU: l.SKU, Vendor: l.Vendor,
		ProductID: l.Product.id(), VariantID: l.Variant.id(), Quantity: l.Quantity, CurrentQuantity: l.CurrentQuantity, FulfillableQuantity: l.UnfulfilledQuantity,
		Price: l.Price.text(), PriceSet: l.Price.set(), TotalDiscount: l.TotalDiscount.text(), TotalDiscountSet: l.TotalDiscount.set(), GiftCard: l.GiftCard,
		Taxable: l.Taxable, RequiresShipping: l.RequiresShipping, Properties: attributes(l.Attributes), TaxLines: taxes(l.TaxLines), Allocations: []allocationBody{},
	}
	switch {
	case l.CurrentQuantity > 0 && l.UnfulfilledQuantity == 0:
		b.FulfillmentStatus = textOrNil("fulfilled")
	case l.UnfulfilledQuantity < l.CurrentQuantity:
		b.FulfillmentStatus = textOrNil("partial")
	}
	for _, a := range l.Allocations {
		b.Allocations = append(b.Allocations, allocationBody{a.Amount.text(), a.Amount.set()})
	}
	return b
}

// body is the order without its fulfilments and refunds.
func (o *orderNode) body() *orderBody {
	subtotal, discounts, tax := o.Subtotal.orZero(o), o.Discounts.orZero(o), o.Tax.orZero(o)
	b := &orderBody{
		ID: o.ID, GID: gid("Order", o.ID), AppID: o.App.id(), BrowserIP: o.ClientIP, CancelReason: lowered(o.CancelReason), CancelledAt: o.CancelledAt, ClosedAt: o.ClosedAt,
		ConfirmationNumber: o.ConfirmationNumber, Confirmed: o.Confirmed, ContactEmail: o.Email, CreatedAt: o.CreatedAt, Currency: o.Currency,
		CurrentShippingSet: o.CurrentShipping.set(), CurrentSubtotal: o.CurrentSubtotal.text(), CurrentSubtotalSet: o.CurrentSubtotal.set(),
		CurrentDiscounts: o.CurrentDiscounts.text(), CurrentDiscountsSet: o.CurrentDiscounts.set(), CurrentTotal: o.CurrentTotal.text(), CurrentTotalSet: o.CurrentTotal.set(),
		CurrentTax: o.CurrentTax.text(), CurrentTaxSet: o.CurrentTax.set(), CustomerLocale: o.CustomerLocale, DiscountCodes: []codeBody{},
		DutiesIncluded: o.DutiesIncluded, Email: o.Email, EstimatedTaxes: o.EstimatedTaxes, FinancialStatus: financial(o.FinancialStatus),
		FulfillmentStatus: textOrNil(delivery(o.FulfillmentStatus)), LocationID: o.RetailLocation.id(), Name: o.Name, Note: o.Note, NoteAttributes: attributes(o.Attributes),
		OrderNumber: orderNumber(o.Name), OrderStatusURL: o.StatusPageURL, PaymentGatewayNames: o.Gateways, Phone: o.Phone, PONumber: o.PONumber,
		PresentmentCurrency: o.PresentmentCurrency, ProcessedAt: o.ProcessedAt, SourceName: o.SourceName, SubtotalPrice: subtotal.text(), SubtotalPriceSet: subtotal.set(),
		Tags: strings.Join(o.Tags, ", "), TaxExempt: o.TaxExempt, TaxLines: taxes(o.TaxLines), TaxesIncluded: o.TaxesIncluded, Test: o.Test,
		TotalDiscounts: discounts.text(), TotalDiscountsSet: discounts.set(), TotalOutstanding: o.Outstanding.text(), TotalPrice: o.Total.text(), TotalPriceSet: o.Total.set(),
		TotalShippingSet: o.ShippingPrice.set(), TotalTax: tax.text(), TotalTaxSet: tax.set(), TotalTipReceived: o.Tips.text(), TotalWeight: o.TotalWeight,
		UpdatedAt: o.UpdatedAt, BillingAddress: o.Billing.body(), Customer: o.Customer.body(), Fulfillments: []*fulfillmentBody{}, LineItems: []lineBody{},
		Refunds: []*refundBody{}, ShippingAddress: o.Shipping.body(), ShippingLines: []shippingLineBody{},
	}
	for _, code := range o.DiscountCodes {
		b.DiscountCodes = append(b.DiscountCodes, codeBody{code})
	}
	goods := moneyNode{Currency: o.Currency}
	for i := range o.LineItems.Nodes {
		l := &o.LineItems.Nodes[i]
		b.LineItems = append(b.LineItems, l.body())
		goods.Amount = goods.Amount.Add(l.Price.Shop.Amount.Mul(decimal.NewFromInt(l.Quantity)))
	}
	b.TotalLineItemsPrice = goods.text()
	for _, l := range o.ShippingLines.Nodes {
		b.ShippingLines = append(b.ShippingLines, shippingLineBody{
			ID: l.ID, Title: l.Title, Code: l.Code, Source: l.Source, Price: l.Price.text(), PriceSet: l.Price.set(),
			DiscountedPrice: l.Discounted.text(), DiscountedPriceSet: l.Discounted.set(),
		})
	}
	return b
}

// body is the fulfilment; lines are those of its order.
func (f *fulfillmentNode) body(lines map[schemas.ID]lineBody) *fulfillmentBody {
	b := &fulfillmentBody{
		ID: f.ID, GID: gid("Fulfillment", f.ID), OrderID: f.Order.ID, Name: f.Name, Status: strings.ToLower(f.Status), ShipmentStatus: shipment(f.DisplayStatus),
		LocationID: f.Location.id(), TrackingNumbers: []string{}, TrackingURLs: []string{}, CreatedAt: f.CreatedAt, UpdatedAt: f.UpdatedAt, LineItems: []lineBody{},
	}
	if f.Service != nil {
		b.Service = textOrNil(f.Service.Handle)
	}
	for i, t := range f.Tracking {
		if i == 0 {
			b.TrackingCompany, b.TrackingNumber, b.TrackingURL = t.Company, t.Number, t.URL
		}
		if t.Number != nil {
			b.TrackingNumbers = append(b.TrackingNumbers, *t.Number)
		}
		if t.URL != nil {
			b.TrackingURLs = append(b.TrackingURLs, *t.URL)
		}
	}
	for _, n := range f.Lines.Nodes {
		l := lineOr(lines, n.Line.ID)
		l.Quantity = n.Quantity // of this parcel
		b.LineItems = append(b.LineItems, l)
	}
	return b
}

// lineOr is an order's line; one that the order has no more (it was edited away) is its id alone.
func lineOr(lines map[schemas.ID]lineBody, id schemas.ID) lineBody {
	if l, ok := lines[id]; ok {
		return l
	}
	return lineBody{ID: id, GID: gid("LineItem", id), Properties: []nameValueBody{}, TaxLines: []taxBody{}, Allocations: []allocationBody{}}
}

func (r *refundNode) body(lines map[schemas.ID]lineBody) *refundBody {
	b := &refundBody{
		ID: r.ID, GID: gid("Refund", r.ID), OrderID: r.Order.ID, CreatedAt: r.CreatedAt, ProcessedAt: r.CreatedAt, Note: r.Note,
		LineItems: []refundLineBody{}, Transactions: []transactionBody{},
	}
	for _, n := range r.Lines.Nodes {
		l := lineOr(lines, n.Line.ID)
		b.Restock = b.Restock || n.Restocked
		b.LineItems = append(b.LineItems, refundLineBody{
			ID: n.ID, LineItemID: n.Line.ID, LocationID: n.Location.id(), Quantity: n.Quantity, RestockType: strings.ToLower(n.RestockType),
			Subtotal: n.Subtotal.text(), SubtotalSet: n.Subtotal.set(), TotalTax: n.Tax.text(), TotalTaxSet: n.Tax.set(), LineItem: &l,
		})
	}
	for _, t := range r.Transactions.Nodes {
		b.Transactions = append(b.Transactions, transactionBody{
			ID: t.ID, GID: gid("OrderTransaction", t.ID), OrderID: r.Order.ID, ParentID: t.Parent.id(), Kind: strings.ToLower(t.Kind), Status: strings.ToLower(t.Status),
			Gateway: t.Gateway, Authorization: t.Authorization, ErrorCode: lowered(t.ErrorCode), Amount: t.Amount.text(), Currency: t.Amount.Shop.Currency,
			AmountSet: t.Amount.set(), PaymentID: t.PaymentID, Test: t.Test, CreatedAt: t.CreatedAt, ProcessedAt: t.ProcessedAt,
		})
	}
	return b
}
