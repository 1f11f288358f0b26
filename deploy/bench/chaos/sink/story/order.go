package story

import (
	"fmt"
	"time"
)

// order is an order, or the checkout that may become one.
type order struct {
	shop       *shop
	id         int64
	number     int
	checkoutID int64
	token      string
	customer   *customer // nil: over the counter
	test       bool
	lines      []*line
	shipping   int64
	taxPercent int64
	discount   int64 // of the whole order

	checkoutAt               time.Time
	created, updated         time.Time
	processed                time.Time
	cancelled, completed     time.Time
	financial, fulfilment    string
	paid, refunded           int64
	refunds                  []refundBody
	fulfilments              []fulfilmentBody
	shippingRefunded, closed bool
}

type line struct {
	id        int64
	variant   *variant
	product   *product
	quantity  int64
	current   int64 // not removed and not refunded
	fulfilled int64
}

// sums are what an order costs.
type sums struct{ lines, discount, tax, total int64 }

func (o *order) sums(quantity func(*line) int64, shipping int64) sums {
	var m sums
	for _, l := range o.lines {
		m.lines += quantity(l) * l.variant.price
	}
	m.discount = min(o.discount, m.lines)
	m.tax = (m.lines - m.discount) * o.taxPercent / 100
	m.total = m.lines - m.discount + m.tax + shipping
	return m
}

func (o *order) all() sums { return o.sums(func(l *line) int64 { return l.quantity }, o.shipping) }

func (o *order) now() sums {
	shipping := o.shipping
	if o.shippingRefunded {
		shipping = 0
	}
	return o.sums(func(l *line) int64 { return l.current }, shipping)
}

// draw fills a basket.
func (s *Story) draw(shop *shop, at time.Time) *order {
	o := &order{
		shop: shop, checkoutID: s.id(), created: at, updated: at, checkoutAt: at, financial: "pending",
		shipping: s.dice.Int64N(1_500), taxPercent: []int64{0, 7, 19}[s.dice.IntN(3)], test: s.chance(0.03),
	}
	o.token = fmt.Sprintf("tok%x", o.checkoutID)
	for range 1 + s.dice.IntN(4) {
		s.addLine(o)
	}
	if s.chance(0.2) {
		o.discount = s.dice.Int64N(o.all().lines + 1)
	}
	return o
}

func (s *Story) addLine(o *order) {
	p := o.shop.products[s.dice.IntN(len(o.shop.products))]
	v := *p.variants[s.dice.IntN(len(p.variants))] // the price of that moment
	n := 1 + s.dice.Int64N(4)
	o.lines = append(o.lines, &line{id: s.id(), variant: &v, product: p, quantity: n, current: n})
}

// buyer gives the order a customer, often one that has bought before.
func (s *Story) buyer(o *order) {
	switch known := o.shop.customers; {
	case s.chance(0.1):
	case len(known) > 0 && s.chance(0.6):
		o.customer = known[s.dice.IntN(len(known))]
	default:
		o.customer = s.newCustomer(o.shop, o.created)
	}
}

func (s *Story) newOrder(shop *shop) *order {
	o := s.draw(shop, s.past())
	s.buyer(o)
	return o
}

// place makes the basket an order.
func (s *Story) place(o *order) {
	o.shop.sold++
	o.id, o.number = s.id(), 1000+o.shop.sold
	if s.chance(0.5) {
		o.financial, o.paid = "paid", o.now().total
	}
	if c := o.customer; c != nil && !o.test {
		c.orders++
		c.spent += o.all().total
	}
	// An order that was taken over the counter yesterday and entered today.
	o.processed = o.created
	if s.chance(0.05) {
		o.processed = o.created.Add(-26 * time.Hour)
	}
	s.orders = append(s.orders, o)
	s.tell(o.shop, "orders/create", o.body())
	if o.financial == "paid" {
		s.tell(o.shop, "orders/paid", o.body())
	}
}

// live takes the life of an open order one step on.
func (s *Story) live(n int) {
	o := s.orders[n]
	o.updated = s.later(o.updated)
	switch k := s.dice.IntN(100); {
	case k < 30 && o.financial == "pending" && o.cancelled.IsZero():
		o.financial, o.paid = "paid", o.now().total
		s.tell(o.shop, "orders/paid", o.body())
	case k < 42 && o.cancelled.IsZero():
		s.edit(o)
	case k < 65 && o.cancelled.IsZero() && o.fulfilment != "fulfilled":
		s.fulfil(o)
	case k < 72 && len(o.fulfilments) > 0:
		s.track(o)
	case k < 84:
		s.refund(o, s.chance(0.3))
	case k < 88 && o.cancelled.IsZero():
		o.cancelled = o.updated
		s.tell(o.shop, "orders/cancelled", o.body())
		if s.chance(0.7) {
			s.refund(o, true)
		}
	case k < 90:
		s.orders = append(s.orders[:n], s.orders[n+1:]...)
		s.tell(o.shop, "orders/delete", deletedBody{o.id})
		return
	case k < 97:
		s.orders = append(s.orders[:n], s.orders[n+1:]...)
		o.closed = true
	default: // a note or a tag
	}
	if s.chance(0.8) {
		s.tell(o.shop, "orders/updated", o.body())
	}
}

// edit adds a line, takes one away or changes how many.
func (s *Story) edit(o *order) {
	l := o.lines[s.dice.IntN(len(o.lines))]
	switch s.dice.IntN(3) {
	case 0:
		s.addLine(o)
	case 1:
		l.current = max(0, min(l.current, l.quantity)-1)
	default:
		l.quantity++
		l.current++
	}
}

// fulfil ships some of what is open.
func (s *Story) fulfil(o *order) {
	b := fulfilmentBody{
		ID: s.id(), OrderID: o.id, Status: "success", CreatedAt: o.shop.stamp(o.updated), UpdatedAt: o.shop.stamp(o.updated), LocationID: o.shop.locations[0],
		Name: fmt.Sprintf("#%d.%d", o.number, len(o.fulfilments)+1), LineItems: []lineBody{},
	}
	if s.chance(0.05) {
		b.Status = "pending"
	}
	open := false
	for _, l := range o.lines {
		if l.fulfilled >= l.quantity {
			continue
		}
		if len(b.LineItems) > 0 && s.chance(0.4) {
			open = true
			continue
		}
		l.fulfilled = l.quantity
		b.LineItems = append(b.LineItems, o.lineBody(l))
	}
	topic := "orders/fulfilled"
	o.fulfilment = "fulfilled"
	if open {
		o.fulfilment, topic = "partial", "orders/partially_fulfilled"
	}
	o.fulfilments = append(o.fulfilments, b)
	s.tell(o.shop, "fulfillments/create", b)
	s.tell(o.shop, topic, o.body())
}

// track tells news of a parcel.
func (s *Story) track(o *order) {
	b := o.fulfilments[s.dice.IntN(len(o.fulfilments))]
	number, status := fmt.Sprintf("1Z%d", b.ID), "in_transit"
	if b.TrackingNumber != nil {
		status = "delivered"
	}
	b.TrackingNumber, b.ShipmentStatus, b.UpdatedAt = &number, &status, o.shop.stamp(o.updated)
	if s.chance(0.05) {
		b.Status = "cancelled"
	}
	for i := range o.fulfilments {
		if o.fulfilments[i].ID == b.ID {
			o.fulfilments[i] = b
		}
	}
	s.tell(o.shop, "fulfillments/update", b)
}

// refund gives back some units of a line, or everything that is left.
func (s *Story) refund(o *order, everything bool) {
	b := refundBody{
		ID: s.id(), OrderID: o.id, CreatedAt: o.shop.stamp(o.updated), ProcessedAt: o.shop.stamp(o.updated),
		RefundLineItems: []refundLineBody{}, Transactions: []transactionBody{}, Adjustments: []adjustmentBody{},
	}
	before := o.now().total
	for _, l := range o.lines {
		if l.current == 0 {
			continue
		}
		n := l.current
		if !everything {
			n = 1 + s.dice.Int64N(l.current)
		}
		l.current -= n
		price := n * l.variant.price
		b.RefundLineItems = append(b.RefundLineItems, refundLineBody{
			ID: s.id(), LineItemID: l.id, Quantity: n, RestockType: "return", Subtotal: o.shop.text(price), TotalTax: o.shop.text(price * o.taxPercent / 100),
			LineItem: o.lineBody(l),
		})
		if !everything {
			break
		}
	}
	if everything {
		o.shippingRefunded = true
	}
	back := min(before-o.now().total, o.paid-o.refunded)
	if len(b.RefundLineItems) == 0 && back <= 0 {
		return
	}
	if back > 0 {
		s.payBack(o, &b, back)
	}
	if s.chance(0.1) {
		b.Adjustments = append(b.Adjustments, adjustmentBody{ID: s.id(), OrderID: o.id, Kind: "refund_discrepancy", Amount: o.shop.text(-7), TaxAmount: o.shop.text(0)})
	}
	o.refunds = append(o.refunds, b)
	s.tell(o.shop, "refunds/create", b)
}

// payBack adds the transactions of a refund: now and then in two parts, or one that failed before it succeeded.
func (s *Story) payBack(o *order, b *refundBody, back int64) {
	add := func(amount int64, status string) {
		b.Transactions = append(b.Transactions, transactionBody{
			ID: s.id(), OrderID: o.id, Kind: "refund", Status: status, Amount: o.shop.text(amount), Currency: o.shop.currency, Gateway: "bogus",
			CreatedAt: b.CreatedAt, Test: o.test,
		})
	}
	if s.chance(0.1) {
		add(back, "failure")
	}
	first := back
	if back > 1 && s.chance(0.1) {
		first = 1 + s.dice.Int64N(back-1)
		add(back-first, "success")
	}
	add(first, "success")
	o.refunded += back
	o.financial = "partially_refunded"
	if o.refunded >= o.paid {
		o.financial = "refunded"
	}
}

func (s *Story) beginCheckout(shop *shop) {
	if len(s.checkouts) >= mostCheckouts {
		s.checkouts = s.checkouts[1:] // abandoned
	}
	o := s.draw(shop, s.past())
	s.checkouts = append(s.checkouts, o)
	s.tell(shop, "checkouts/create", o.checkoutBody())
}

// goOnCheckout changes a checkout, makes it an order, or deletes it.
func (s *Story) goOnCheckout() {
	n := s.dice.IntN(len(s.checkouts))
	o := s.checkouts[n]
	o.updated = s.later(o.updated)
	leave := func() { s.checkouts = append(s.checkouts[:n], s.checkouts[n+1:]...) }
	switch k := s.dice.IntN(100); {
	case k < 50:
		if o.customer == nil {
			s.buyer(o)
		}
		if s.chance(0.5) {
			s.addLine(o)
		}
		s.tell(o.shop, "checkouts/update", o.checkoutBody())
	case k < 75:
		leave()
		o.completed = o.updated
		s.tell(o.shop, "checkouts/update", o.checkoutBody())
		o.created = o.updated
		s.place(o)
	case k < 78:
		leave()
		s.tell(o.shop, "checkouts/delete", struct {
			ID int64 `json:"id"`
		}{o.checkoutID})
	default:
		leave() // abandoned
	}
}
