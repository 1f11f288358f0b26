package reconcile

import (
	"fmt"
	"time"

	"millrace/consumers/reconcile/shopify"
	"millrace/schemas"
)

// Problem is what is wrong with what is here.
type Problem string

// Problems.
const (
	Missing Problem = "missing" // it has never come
	Stale   Problem = "stale"   // only an older version has
)

// Kind is what a finding is about.
type Kind string

// Kinds.
const (
	KindOrder       Kind = "orders"
	KindFulfillment Kind = "fulfillments"
	KindRefund      Kind = "refunds"
	KindLevel       Kind = "inventory_levels"
)

// Kinds returns all of them, in the order in which they are shown.
func Kinds() []Kind { return []Kind{KindOrder, KindFulfillment, KindRefund, KindLevel} }

// Finding is an event that should be here and is not.
type Finding struct {
	ID      string     `json:"id"` // of the event that is made for it
	Shop    string     `json:"shop"`
	Topic   string     `json:"topic"`
	Kind    Kind       `json:"kind"`
	Problem Problem    `json:"problem"`
	GID     string     `json:"gid"`
	Order   schemas.ID `json:"order,omitzero"` // that it belongs to; none for a level
	Version time.Time  `json:"version"`        // of what the store has

	part schemas.ID // the fulfilment or refund
}

// eventID makes the id of the event. The version is a time that the same finding has in each run.
func eventID(topic, gid string, version time.Time) string {
	return fmt.Sprintf("%s:%s:%s:%s", schemas.OriginReconcile, topic, gid, version.UTC().Format(time.RFC3339))
}

// wasPaid are the states of an order whose orders/paid must have come.
func wasPaid(status string) bool {
	return status == "paid" || status == "partially_refunded" || status == "refunded"
}

// findings compares an order with what has come about it. They are in the order in which things happened.
func findings(shop string, o *shopify.Summary, k Known) []Finding {
	p := plan{shop: shop, order: o.ID, known: k}
	gid := fmt.Sprintf("gid://shopify/Order/%d", o.ID)
	about := func(topic string, version time.Time) {
		if !k.Topics[topic] {
			p.add(Finding{Topic: topic, Kind: KindOrder, Problem: Missing, GID: gid, Version: version})
		}
	}
	about("orders/create", o.Created)
	if wasPaid(o.FinancialStatus) {
		about("orders/paid", o.Created) // when it was paid the listing does not say; it is once
	}
	switch o.FulfillmentStatus {
	case "fulfilled":
		about("orders/fulfilled", o.Created)
	case "partial":
		about("orders/partially_fulfilled", o.Created)
	}
	if !o.Cancelled.IsZero() {
		about("orders/cancelled", o.Cancelled)
	}
	if len(p.found) == 0 && stale(o, k) {
		p.add(Finding{Topic: "orders/updated", Kind: KindOrder, Problem: Stale, GID: gid, Version: o.Updated})
	}
	for _, f := range o.Fulfillments {
		known := k.Fulfillments[f.ID]
		one := Finding{Topic: "fulfillments/create", Kind: KindFulfillment, Problem: Missing, GID: fmt.Sprintf("gid://shopify/Fulfillment/%d", f.ID), Version: f.Created, part: f.ID}
		switch {
		case !known.Created: // also where an update has come: there are services that act on the creation alone
			p.add(one)
		case known.Updated.Before(f.Updated):
			one.Topic, one.Problem, one.Version = "fulfillments/update", Stale, f.Updated
			p.add(one)
		}
	}
	for _, r := range o.Refunds {
		if !k.Refunds[r.ID] {
			p.add(Finding{Topic: "refunds/create", Kind: KindRefund, Problem: Missing, GID: fmt.Sprintf("gid://shopify/Refund/%d", r.ID), Version: r.Created, part: r.ID})
		}
	}
	return p.found
}

// stale tells whether the newest version that has come is not the store's. Two versions of one second differ in nothing but what
// they say.
func stale(o *shopify.Summary, k Known) bool {
	if !k.Updated.Equal(o.Updated) {
		return k.Updated.Before(o.Updated)
	}
	return k.FinancialStatus != o.FinancialStatus || k.FulfillmentStatus != o.FulfillmentStatus || k.Cancelled == o.Cancelled.IsZero()
}

type plan struct {
	shop  string
	order schemas.ID
	known Known
	found []Finding
}

// add adds what has not been sent before: if that did not help, sending it again would not either.
func (p *plan) add(f Finding) {
	f.Shop, f.Order = p.shop, p.order
	f.ID = eventID(f.Topic, f.GID, f.Version)
	if !p.known.Made[f.ID] {
		p.found = append(p.found, f)
	}
}

// levelFinding compares an inventory level with what is known of it; ok is false where nothing is wrong. A newer version with the
// same quantity tells nothing: the store counts changes of other quantities as well.
func levelFinding(shop string, l *shopify.Level, known KnownLevel, exists bool) (f Finding, ok bool) {
	f = Finding{Shop: shop, Topic: "inventory_levels/update", Kind: KindLevel, Problem: Missing, GID: l.GID(), Version: l.Updated}
	f.ID = eventID(f.Topic, f.GID, f.Version)
	if !exists {
		return f, true
	}
	f.Problem = Stale
	same := (l.Available == nil) == (known.Available == nil) && (l.Available == nil || *l.Available == *known.Available)
	return f, !same && !known.Updated.After(l.Updated)
}
