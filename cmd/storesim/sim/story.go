package sim

import (
	"strings"
	"time"

	"millrace/cmd/storesim/ledger"
)

// story is the life of one order, or of a cart that never becomes one. Steps run one at a time: a step changes the
// order and says what is sent about it. What is sent is written down only when its turn comes, so that stock and customers,
// which many stories share, are shown as they are then.
type story struct {
	g     *generator
	o     *order
	clock time.Time
	last  time.Time // triggered-at of the newest event
	steps []func()
	queue []draft
	outbox
}

// draft is an event that waits for its turn.
type draft struct {
	topic   string
	entity  *entity
	action  string // event id
	at      time.Time
	live    bool // about something that other stories change too: triggered when it is written down
	body    func() any
	account func() *ledger.Order
	stock   *variant // whose level it is about, else nil
}

// lag keeps a story's clock behind the real one: each step takes it at least most of a second on, so that updated_at, which
// has whole seconds, mostly grows from step to step, and still no body is from the future. A story has fewer steps than lag
// has seconds.
const lag = 20 * time.Second

// tiePercent of steps happen in the same second as the one before, as at Shopify.
const tiePercent = 10

func (g *generator) newStory(s *shop) *story {
	t := &story{g: g, o: g.newOrder(s), clock: g.now().Add(-lag)}
	t.o.created, t.o.updated = t.clock, t.clock
	t.plan()
	return t
}

// plan decides how the life goes. The steps themselves come later, one by one.
func (t *story) plan() {
	r, o := t.g.rng, t.o
	online := o.customer != nil
	if online && chance(r, 30) {
		for n := range len(o.lines) {
			t.then(func() { t.cart(n + 1) })
		}
	}
	if online && chance(r, 60) {
		t.then(func() { t.checkout("checkouts/create", false) })
		if chance(r, 60) {
			t.then(func() { t.checkout("checkouts/update", true) })
		}
		if chance(r, 12) {
			return // abandoned
		}
	}
	t.then(t.place)
	t.g.orders++
	direct := chance(r, 80)
	switch {
	case direct:
		t.then(func() { t.pay("sale") })
	default:
		t.then(t.authorize)
	}
	if chance(r, 25) {
		t.then(t.remark)
	}
	if chance(r, 5) {
		t.then(t.cancel)
		return
	}
	if !direct {
		t.then(func() { t.pay("capture") })
	}
	t.planShipping()
	if chance(r, 10) {
		t.then(t.refundOne)
	}
	if chance(r, 5) {
		t.then(t.move)
	}
}

func (t *story) planShipping() {
	r := t.g.rng
	if chance(r, 8) {
		return // still open
	}
	parts := 1
	if len(t.o.lines) > 1 && chance(r, 40) {
		parts = 2
	}
	for n := range parts {
		t.then(func() { t.ship(n == parts-1) })
		for range r.IntN(3) {
			t.then(func() { t.track(n) })
		}
	}
}

func (t *story) then(step func()) { t.steps = append(t.steps, step) }

// advance runs the next step; false means that the life is over.
func (t *story) advance() bool {
	if len(t.steps) == 0 {
		return false
	}
	step := t.steps[0]
	t.steps = t.steps[1:]
	if now := t.g.now().Add(-lag); now.After(t.clock) {
		t.clock = now
	}
	if !chance(t.g.rng, tiePercent) {
		t.clock = t.clock.Add(time.Second)
	}
	t.o.updated = t.clock
	step()
	return true
}

// act sends drafts that share one event id. Triggered-at grows from event to event by a millisecond at least, also where
// updated_at stands still: it is what a receiver has to tell such versions apart.
func (t *story) act(drafts ...draft) {
	action := uuidFrom(t.g.rng)
	for i := range drafts {
		d := drafts[i]
		d.action, d.at = action, t.clock
		if !t.last.Before(d.at) {
			d.at = t.last.Add(time.Millisecond)
		}
		t.last = d.at
		t.queue = append(t.queue, d)
	}
}

// about is a draft on the order itself, as it is when the draft's turn comes.
func (t *story) about(topic string) draft {
	return draft{topic: topic, entity: &t.o.entity, body: func() any { return t.o.body() }, account: t.o.account}
}

// part is a draft on something that belongs to the order.
func (t *story) part(topic string, body any) draft {
	return draft{topic: topic, entity: &t.o.entity, body: func() any { return body }}
}

func (t *story) cart(lines int) {
	topic := "carts/update"
	if lines == 1 {
		topic = "carts/create"
	}
	t.act(draft{topic: topic, entity: &t.o.cart, body: func() any { return t.o.cartBody(lines) }})
}

func (t *story) checkout(topic string, addressed bool) {
	t.act(draft{topic: topic, entity: &t.o.checkout, body: func() any { return t.o.checkoutBody(addressed, false) }})
}

// place creates the order, and with it the customer, the end of the checkout and the reservation of stock.
func (t *story) place() {
	o := t.o
	o.created = t.clock
	o.shop.orders++
	o.number = 1000 + o.shop.orders
	drafts := []draft{t.about("orders/create")}
	if c := o.customer; c != nil {
		topic := "customers/update"
		if o.newCustomer {
			topic = "customers/create"
		}
		spent := o.total().total
		drafts = append(drafts, t.customer(topic, func() {
			c.orders++
			c.spent += spent
			c.lastOrder, c.lastName = o.id, o.name()
		}))
	}
	if o.checkout.events > 0 {
		drafts = append(drafts, draft{topic: "checkouts/update", entity: &o.checkout, body: func() any { return o.checkoutBody(true, true) }})
	}
	t.act(append(drafts, t.stock(o.lines, -1)...)...)
}

// customer is a draft on the buyer after change.
func (t *story) customer(topic string, change func()) draft {
	c := t.o.customer
	return draft{topic: topic, entity: &c.entity, live: true, body: func() any {
		change()
		return c.shop.customerBody(c, c.shop.stamp(t.g.now()), true)
	}}
}

// stock is a draft per line that takes the goods out of stock (-1) or puts them back (1).
func (t *story) stock(lines []*line, sign int64) []draft {
	drafts := make([]draft, 0, len(lines))
	for _, l := range lines {
		v := l.variant
		drafts = append(drafts, draft{topic: "inventory_levels/update", entity: &v.entity, live: true, stock: v, body: func() any {
			v.available += sign * l.quantity
			v.changed = t.g.now()
			return v.inventoryBody(v.shop.stamp(v.changed))
		}})
	}
	return drafts
}

func (t *story) authorize() {
	o := t.o
	if chance(t.g.rng, 20) {
		declined := t.g.transaction(o, t.clock, "authorization", o.total().total, 0, true)
		t.act(t.part("order_transactions/create", declined))
	}
	tx := t.g.transaction(o, t.clock, "authorization", o.total().total, 0, false)
	o.authorization, o.financial = tx.ID, "authorized"
	t.act(t.part("order_transactions/create", tx), t.about("orders/updated"))
}

func (t *story) pay(kind string) {
	o := t.o
	tx := t.g.transaction(o, t.clock, kind, o.total().total, o.authorization, false)
	if kind == "sale" {
		o.authorization = tx.ID
	}
	o.paid, o.financial = o.total().total, "paid"
	t.act(t.part("order_transactions/create", tx), t.about("orders/paid"), t.about("orders/updated"))
}

// remark is a change that a person in the shop makes.
func (t *story) remark() {
	t.o.tags = strings.Join([]string{pick(t.g.rng, t.g.words.tags), "checked"}, ", ")
	if t.o.note == "" {
		t.o.note = pick(t.g.rng, t.g.words.notes)
	}
	t.act(t.about("orders/updated"))
}

func (t *story) cancel() {
	o := t.o
	o.cancelled, o.closed = t.clock, t.clock
	o.cancelReason = pick(t.g.rng, []string{"customer", "inventory", "fraud", "declined", "other"})
	refund, tx := t.g.refund(o, t.clock, o.lines, true)
	if tx == nil {
		o.financial = "voided"
		tx = t.g.transaction(o, t.clock, "void", 0, o.authorization, false)
	}
	drafts := []draft{t.about("orders/cancelled"), t.part("refunds/create", refund), t.part("order_transactions/create", tx), t.about("orders/updated")}
	t.act(append(drafts, t.stock(o.lines, 1)...)...)
}

// ship sends the first half of the lines, or all that are left.
func (t *story) ship(rest bool) {
	o := t.o
	var lines []*line
	for i, l := range o.lines {
		if l.fulfilled == 0 && (rest || i < len(o.lines)/2) {
			lines = append(lines, l)
		}
	}
	f := t.g.fulfill(o, t.clock, lines)
	topic := "orders/partially_fulfilled"
	o.fulfillment = "partial"
	if rest {
		topic, o.fulfillment = "orders/fulfilled", "fulfilled"
		if o.financial == "paid" {
			o.closed = t.clock
		}
	}
	t.act(t.part("fulfillments/create", f.notice(o)), t.about(topic), t.about("orders/updated"))
}

func (t *story) track(n int) {
	f := t.g.track(t.o, n, t.clock)
	t.act(t.part("fulfillments/update", f.notice(t.o)))
}

func (t *story) refundOne() {
	l := pick(t.g.rng, t.o.lines)
	refund, tx := t.g.refund(t.o, t.clock, []*line{l}, false)
	drafts := []draft{t.part("refunds/create", refund)}
	if tx != nil {
		drafts = append(drafts, t.part("order_transactions/create", tx))
	}
	drafts = append(drafts, t.about("orders/updated"))
	t.act(append(drafts, t.stock([]*line{l}, 1)...)...)
}

// move gives the buyer a new address; the order keeps the old one.
func (t *story) move() {
	c := t.o.customer
	if c == nil {
		return
	}
	t.act(t.customer("customers/update", func() { c.address = t.g.newAddress(c) }))
}
