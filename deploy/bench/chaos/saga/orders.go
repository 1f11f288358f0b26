package saga

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/shopspring/decimal"

	"millrace/deploy/bench/chaos/saga/check"
	"millrace/deploy/bench/chaos/saga/gate"
)

// soldOutSKU is what the stock has never.
const soldOutSKU = "SOLD-OUT"

// shopName names a shop. The payment declines what the first one charges.
func shopName(n int) string { return fmt.Sprintf("shop-%03d.myshopify.com", n) }

// delivery is an event of a shop on its way.
type delivery struct {
	at    time.Time
	order gate.Order
	topic string
	id    string // webhook id
	body  []byte
}

// author makes orders with their fates.
type author struct {
	o     *Options
	dice  *rand.Rand
	count int64
}

// order makes the next one: what is to be known of it, and the events that tell it from now on.
func (a *author) order(now time.Time) (check.Order, []delivery) {
	a.count++
	shop := a.dice.IntN(a.o.Shops)
	known := check.Order{Order: gate.Order{Shop: shopName(shop), ID: strconv.FormatInt(7_000_000_000+a.count, 10)}, Fate: check.Good}
	switch chance := a.dice.Float64(); {
	case shop == 0:
		known.Fate = check.Declined
	case chance < a.o.Refused:
		known.Fate = check.SoldOut
	case chance < 2*a.o.Refused:
		known.Fate = check.Undeliverable
	}
	units := 1 + a.dice.Int64N(3)
	price := decimal.New(500+a.dice.Int64N(9500), -2)
	// Behind the real time, so that each version is a good deal newer than the one before and none is from the future.
	body := document{order: &known, number: a.count, created: now.Add(-time.Minute), price: price}
	var out []delivery
	tell := func(at time.Time, topic string) {
		body.version++
		d := delivery{at: at, order: known.Order, topic: topic, id: fmt.Sprintf("%s-%d-%d", known.ID, body.version, a.dice.Uint32()), body: body.text(units)}
		out = append(out, d)
		if a.dice.Float64() < a.o.Duplicates {
			d.at = at.Add(a.upTo(3 * time.Second))
			out = append(out, d)
		}
	}
	version := func() {
		known.Versions = append(known.Versions, check.Version{Total: price.Mul(decimal.NewFromInt(units)).StringFixed(2), Units: units})
	}
	version()
	first := now
	if a.dice.Float64() < a.o.Disorder {
		first = now.Add(a.upTo(2 * time.Second)) // what follows may overtake it
	}
	tell(first, "orders/create")
	if a.dice.Float64() < a.o.Edited {
		units += 1 + a.dice.Int64N(2)
		version()
		tell(now.Add(a.upTo(1500*time.Millisecond)), "orders/updated")
	}
	if a.dice.Float64() < a.o.Cancelled {
		known.Cancelled, body.cancelled = true, true
		tell(now.Add(a.whenCancelled()), "orders/cancelled")
	}
	return known, out
}

// whenCancelled is at once, in the middle, or when the parcel has left.
func (a *author) whenCancelled() time.Duration {
	switch a.dice.IntN(4) {
	case 0:
		return a.upTo(300 * time.Millisecond)
	case 1:
		return a.o.ShipAfter + a.upTo(a.o.ShipAfter)
	default:
		return a.upTo(a.o.ShipAfter / 2)
	}
}

func (a *author) upTo(d time.Duration) time.Duration {
	return time.Duration(a.dice.Int64N(int64(d) + 1))
}

// document writes an order as Shopify does, with what the flow reads of it.
type document struct {
	order     *check.Order
	number    int64
	created   time.Time
	price     decimal.Decimal
	version   int
	cancelled bool
}

func (d *document) text(units int64) []byte {
	sku := "MUG"
	if d.order.Fate == check.SoldOut {
		sku = soldOutSKU
	}
	address := map[string]any{
		"name": "Ada Lovelace", "address1": "12 St James's Square", "city": "London", "zip": "SW1Y 4JH", "country": "United Kingdom", "country_code": "GB",
	}
	if d.order.Fate == check.Undeliverable {
		delete(address, "city")
	}
	total := d.price.Mul(decimal.NewFromInt(units)).StringFixed(2)
	updated := d.created.Add(time.Duration(d.version) * 5 * time.Second).UTC().Format(time.RFC3339)
	body := map[string]any{
		"id": json.Number(d.order.ID), "name": fmt.Sprint("#", d.number), "email": "ada@example.com", "currency": "EUR",
		"created_at": d.created.UTC().Format(time.RFC3339), "updated_at": updated, "financial_status": "pending",
		"total_price": total, "current_total_price": total, "total_outstanding": total,
		"customer": map[string]any{"id": 1000 + d.number}, "shipping_address": address,
		"line_items": []map[string]any{{
			"id": 10 * d.number, "product_id": 77, "variant_id": 7700, "sku": sku, "title": "Mug", "price": d.price.StringFixed(2),
			"quantity": units, "current_quantity": units, "requires_shipping": true,
		}},
	}
	if d.cancelled {
		body["cancelled_at"], body["cancel_reason"] = updated, "customer"
	}
	text, err := json.Marshal(body)
	if err != nil { // of text and numbers: cannot be
		panic(err)
	}
	return text
}
