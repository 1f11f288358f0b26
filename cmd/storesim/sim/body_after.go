package sim

import (
	"fmt"
	"time"
)

// Bodies of what happens to an order after it was placed: payments, fulfilments, refunds.

type receipt struct{}

type transactionBody struct {
	ID                int64     `json:"id"`
	OrderID           int64     `json:"order_id"`
	Kind              string    `json:"kind"`
	Gateway           string    `json:"gateway"`
	Status            string    `json:"status"`
	Message           *string   `json:"message"`
	CreatedAt         string    `json:"created_at"`
	Test              bool      `json:"test"`
	Authorization     *string   `json:"authorization"`
	LocationID        null      `json:"location_id"`
	UserID            null      `json:"user_id"`
	ParentID          *int64    `json:"parent_id"`
	ProcessedAt       string    `json:"processed_at"`
	DeviceID          null      `json:"device_id"`
	ErrorCode         *string   `json:"error_code"`
	SourceName        string    `json:"source_name"`
	Receipt           receipt   `json:"receipt"`
	Amount            string    `json:"amount"`
	Currency          string    `json:"currency"`
	PaymentID         string    `json:"payment_id"`
	TotalUnsettledSet *moneySet `json:"total_unsettled_set,omitempty"`
	AdminGraphQLAPIID string    `json:"admin_graphql_api_id"`

	moved money // Amount
}

// transaction makes one movement of money. parent is 0 or the transaction it refers to.
func (g *generator) transaction(o *order, at time.Time, kind string, m money, parent int64, failed bool) *transactionBody {
	id := g.ids.take(idTransaction, chance(g.rng, 10))
	b := &transactionBody{
		ID: id, OrderID: o.id, Kind: kind, Gateway: o.gateway, Status: "success", CreatedAt: o.shop.stamp(at), ProcessedAt: o.shop.stamp(at),
		SourceName: "web", Amount: o.text(m), moved: m, Currency: o.currency.code, PaymentID: fmt.Sprintf("%s.%d", o.name(), id%10),
		TotalUnsettledSet: o.set(0), AdminGraphQLAPIID: gid("OrderTransaction", id), Authorization: text(fmt.Sprintf("ch_%x", id)),
	}
	if parent != 0 {
		b.ParentID = &parent
	}
	if failed {
		b.Status, b.Authorization = "failure", nil
		b.Message, b.ErrorCode = text("Your card was declined."), text("card_declined")
	}
	return b
}

type fulfillmentBody struct {
	ID                int64      `json:"id"`
	AdminGraphQLAPIID string     `json:"admin_graphql_api_id"`
	CreatedAt         string     `json:"created_at"`
	LocationID        int64      `json:"location_id"`
	Name              string     `json:"name"`
	OrderID           int64      `json:"order_id"`
	OriginAddress     receipt    `json:"origin_address"`
	Receipt           receipt    `json:"receipt"`
	Service           string     `json:"service"`
	ShipmentStatus    *string    `json:"shipment_status"`
	Status            string     `json:"status"`
	TrackingCompany   *string    `json:"tracking_company"`
	TrackingNumber    *string    `json:"tracking_number"`
	TrackingNumbers   []string   `json:"tracking_numbers"`
	TrackingURL       *string    `json:"tracking_url"`
	TrackingURLs      []string   `json:"tracking_urls"`
	UpdatedAt         string     `json:"updated_at"`
	LineItems         []lineBody `json:"line_items"`
	// Only the fulfillments/* topics have the next two.
	Email       *string  `json:"email,omitempty"`
	Destination *address `json:"destination,omitempty"`
}

// fulfill ships the given lines and returns the fulfilment; it is already part of the order.
func (g *generator) fulfill(o *order, at time.Time, lines []*line) *fulfillmentBody {
	id := g.ids.take(idFulfillment, chance(g.rng, 10))
	f := &fulfillmentBody{
		ID: id, AdminGraphQLAPIID: gid("Fulfillment", id), CreatedAt: o.shop.stamp(at), LocationID: o.shop.location,
		Name: fmt.Sprintf("%s.%d", o.name(), len(o.fulfillments)+1), OrderID: o.id, Service: "manual", Status: "success",
		TrackingNumbers: []string{}, TrackingURLs: []string{}, UpdatedAt: o.shop.stamp(at),
	}
	for _, l := range lines {
		l.fulfilled = l.quantity
		f.LineItems = append(f.LineItems, o.lineBody(l))
	}
	o.fulfillments = append(o.fulfillments, f)
	return f
}

// track gives a fulfilment a parcel number or, when it has one, moves the parcel on. It makes a new version and leaves the
// old one alone, which bodies may share.
func (g *generator) track(o *order, n int, at time.Time) *fulfillmentBody {
	f := *o.fulfillments[n]
	f.UpdatedAt = o.shop.stamp(at)
	if f.TrackingNumber != nil {
		f.ShipmentStatus = text("delivered")
	} else {
		c := pick(g.rng, g.words.carriers)
		number := fmt.Sprintf("%s%010d", c.prefix, g.rng.IntN(1_000_000_000))
		f.TrackingCompany, f.TrackingNumber, f.TrackingURL = &c.name, &number, text(c.url+number)
		f.TrackingNumbers, f.TrackingURLs = []string{number}, []string{c.url + number}
		f.ShipmentStatus = text("in_transit")
	}
	o.fulfillments[n] = &f
	return &f
}

// notice is the fulfilment as the fulfillments/* topics show it.
func (f *fulfillmentBody) notice(o *order) *fulfillmentBody {
	b := *f
	if o.customer != nil {
		b.Email, b.Destination = text(o.customer.email), o.shipping
	}
	return &b
}

type refundLine struct {
	ID          int64     `json:"id"`
	LineItemID  int64     `json:"line_item_id"`
	LocationID  int64     `json:"location_id"`
	Quantity    int64     `json:"quantity"`
	RestockType string    `json:"restock_type"`
	Subtotal    string    `json:"subtotal"`
	SubtotalSet *moneySet `json:"subtotal_set,omitempty"`
	TotalTax    string    `json:"total_tax"`
	TotalTaxSet *moneySet `json:"total_tax_set,omitempty"`
	LineItem    lineBody  `json:"line_item"`
}

type refundBody struct {
	ID                int64              `json:"id"`
	OrderID           int64              `json:"order_id"`
	CreatedAt         string             `json:"created_at"`
	Note              *string            `json:"note"`
	UserID            null               `json:"user_id"`
	ProcessedAt       string             `json:"processed_at"`
	Restock           bool               `json:"restock"`
	Duties            []none             `json:"duties"`
	TotalDutiesSet    *moneySet          `json:"total_duties_set,omitempty"`
	Return            null               `json:"return"`
	AdminGraphQLAPIID string             `json:"admin_graphql_api_id"`
	RefundLineItems   []refundLine       `json:"refund_line_items"`
	Transactions      []*transactionBody `json:"transactions"`
	OrderAdjustments  []none             `json:"order_adjustments"`
}

// refund takes lines back and, where something was paid, returns their money. The transaction is nil where nothing was.
func (g *generator) refund(o *order, at time.Time, lines []*line, withShipping bool) (*refundBody, *transactionBody) {
	id := g.ids.take(idRefund, chance(g.rng, 10))
	b := &refundBody{
		ID: id, OrderID: o.id, CreatedAt: o.shop.stamp(at), ProcessedAt: o.shop.stamp(at), Note: text(pick(g.rng, g.words.refundReasons)),
		Restock: true, Duties: []none{}, TotalDutiesSet: o.set(0), AdminGraphQLAPIID: gid("Refund", id),
		RefundLineItems: []refundLine{}, Transactions: []*transactionBody{}, OrderAdjustments: []none{},
	}
	var back money
	for _, l := range lines {
		l.current = 0
		back += l.net()
		if !o.included {
			back += l.tax
		}
		b.RefundLineItems = append(b.RefundLineItems, refundLine{
			ID: g.ids.take(idLine, false), LineItemID: l.id, LocationID: o.shop.location, Quantity: l.quantity, RestockType: "return",
			Subtotal: o.text(l.net()), SubtotalSet: o.set(l.net()), TotalTax: o.text(l.tax), TotalTaxSet: o.set(l.tax), LineItem: o.lineBody(l),
		})
	}
	if withShipping {
		back += o.shippingPrice
	}
	o.refunds = append(o.refunds, b)
	if o.paid == 0 {
		return b, nil
	}
	o.refunded += back
	tx := g.transaction(o, at, "refund", back, o.authorization, false)
	b.Transactions = append(b.Transactions, tx)
	o.financial = "partially_refunded"
	if o.refunded >= o.paid {
		o.financial = "refunded"
	}
	return b, tx
}
