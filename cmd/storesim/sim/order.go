package sim

import (
	"fmt"
	"strconv"
	"time"

	"github.com/shopspring/decimal"
)

// order is the state of one order; bodies are snapshots of it.
type order struct {
	entity
	pricing
	id, number           int64
	checkoutID           int64
	token, checkoutToken string
	cartToken            string
	cart, checkout       entity
	customer             *customer // nil: sold over the counter to nobody in particular
	newCustomer          bool
	billing, shipping    *address
	lines                []*line
	shippingID           int64
	shippingPrice        money
	discountCode         string
	discountPercent      int64
	taxBP                int64
	included             bool
	gateway              string

	created, updated  time.Time
	told              time.Time // updated, as the newest orders/* event has it
	cancelled, closed time.Time
	financial         string
	fulfillment       string // "" until something is shipped
	cancelReason      string
	note              string
	tags              string
	paid, refunded    money
	authorization     int64 // transaction that later ones refer to
	fulfillments      []*fulfillmentBody
	refunds           []*refundBody
}

type line struct {
	id        int64
	variant   *variant
	price     money // as ordered; the variant's may change later
	quantity  int64
	discount  money // over the whole line
	tax       money
	current   int64 // not refunded or cancelled
	fulfilled int64
	engraving string
}

func (l *line) gross() money { return l.price * money(l.quantity) }

// net is what the line costs after discounts, with tax only where prices contain it.
func (l *line) net() money { return l.gross() - l.discount }

// newOrder makes up an order; nothing of it has happened yet.
func (g *generator) newOrder(s *shop) *order {
	r := g.rng
	o := &order{
		id: g.ids.take(idOrder, chance(r, 10)), checkoutID: g.ids.take(idCheckout, false),
		token: token(r), checkoutToken: token(r), cartToken: token(r),
		pricing: pricing{currency: s.currency, presentment: s.currency, compact: s.compact},
		taxBP:   s.taxBP, included: s.included, gateway: pick(r, g.words.gateways), financial: "pending",
		shippingID: g.ids.take(idShipping, false),
	}
	o.entity = entity{shop: s, subject: "order/" + strconv.FormatInt(o.id, 10)}
	o.checkout = entity{shop: s, subject: "checkout/" + o.checkoutToken}
	o.cart = entity{shop: s, subject: "cart/" + o.cartToken}
	if chance(r, 15) {
		o.presentment = pick(r, g.currencies)
		o.rate = decimal.NewFromFloat(o.presentment.perUSD).DivRound(decimal.NewFromFloat(s.currency.perUSD), 6)
	}
	if chance(r, 92) {
		o.customer, o.newCustomer = g.customer(s)
		o.billing, o.shipping = o.customer.address, o.customer.address
		if chance(r, 15) {
			o.billing = g.newAddress(o.customer)
		}
		o.shippingPrice = s.currency.fromCents(pick(r, []int{0, 490, 990, 1490}))
	}
	if chance(r, 25) {
		o.discountPercent = int64(pick(r, []int{5, 10, 15, 20}))
		o.discountCode = fmt.Sprintf("SAVE%d", o.discountPercent)
	}
	if chance(r, 20) {
		o.note = pick(r, g.words.notes)
	}
	o.addLines(g)
	return o
}

// lineCounts is the spread of order sizes: most orders are small.
func lineCounts() []int { return []int{1, 1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 6, 8} }

func (o *order) addLines(g *generator) {
	r := g.rng
	for range pick(r, lineCounts()) {
		v := pick(r, pick(r, o.shop.products).variants)
		l := &line{id: g.ids.take(idLine, chance(r, 10)), variant: v, price: v.price, quantity: int64(1 + r.IntN(3))}
		if chance(r, 10) {
			l.engraving = "für " + pick(r, g.words.first)
		}
		l.current = l.quantity
		l.discount = l.gross().share(o.discountPercent * 100)
		l.tax = o.taxOf(l.net())
		o.lines = append(o.lines, l)
	}
}

// taxOf returns the tax on an amount, which contains it where prices do.
func (o *order) taxOf(m money) money {
	if !o.included {
		return m.share(o.taxBP)
	}
	rate := decimal.New(o.taxBP, -4)
	return money(decimal.New(int64(m), 0).Mul(rate).DivRound(rate.Add(decimal.New(1, 0)), 0).IntPart())
}

// sums are the totals of an order.
type sums struct{ lines, discounts, subtotal, tax, shipping, total money }

func (o *order) total() sums {
	var s sums
	for _, l := range o.lines {
		s.lines += l.gross()
		s.discounts += l.discount
		s.tax += l.tax
	}
	s.shipping = o.shippingPrice
	return o.finish(s)
}

// current is total without what was refunded or cancelled. A line is taken back whole or not at all.
func (o *order) current() sums {
	var s sums
	for _, l := range o.lines {
		if l.current > 0 {
			s.lines += l.gross()
			s.discounts += l.discount
			s.tax += l.tax
		}
	}
	if o.cancelled.IsZero() {
		s.shipping = o.shippingPrice
	}
	return o.finish(s)
}

func (o *order) finish(s sums) sums {
	s.subtotal = s.lines - s.discounts
	s.total = s.subtotal + s.shipping
	if !o.included {
		s.total += s.tax
	}
	return s
}

func (o *order) name() string { return "#" + strconv.FormatInt(o.number, 10) }

// stampLayout writes UTC as +00:00, not Z.
const stampLayout = "2006-01-02T15:04:05-07:00"

// stamp writes a time as Shopify does: whole seconds with the shop's UTC offset.
func (s *shop) stamp(t time.Time) string { return t.In(s.zone).Format(stampLayout) }

// stampOrNull returns nil for a time that has not come.
func (s *shop) stampOrNull(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	return text(s.stamp(t))
}

func gid(kind string, id int64) string {
	return "gid://shopify/" + kind + "/" + strconv.FormatInt(id, 10)
}
