package reports_test

import (
	"errors"
	"testing"
	"time"

	"millrace/consumers/analytics/database/databasetest"
	"millrace/consumers/analytics/reports"
	"millrace/deploy/embedded/enginetest"
)

func TestWhatIsKnownOfOrdersOnTheEngine(t *testing.T) {
	e := enginetest.Start(t)
	db := databasetest.Open(t, e)
	databasetest.Migrate(t, db)
	at := noon.Add
	put(t, db,
		order(acme, "orders/create", 1, 2*time.Minute, "10", "", ""),
		// A second version of the same second, which triggered-at tells apart, and one that came late.
		order(acme, "orders/paid", 1, 5*time.Minute, "10", "", "").with(func(r *stored) { r.status, r.offset, r.wait = "paid", 11, time.Second }),
		order(acme, "orders/updated", 1, 5*time.Minute, "10", "", "").with(func(r *stored) { r.status, r.offset, r.wait = "pending", 12, 2*time.Second }),
		stored{shop: acme, topic: "fulfillments/create", order: 1, at: 6 * time.Minute, offset: 13, body: `{"id":71}`, currency: "EUR"},
		stored{shop: acme, topic: "fulfillments/update", order: 1, at: 8 * time.Minute, offset: 14, body: `{"id":71}`, currency: "EUR"},
		stored{shop: acme, topic: "refunds/create", order: 1, at: 9 * time.Minute, offset: 15, id: "reconcile:x", body: `{"id":81}`},
		order(other, "orders/create", 2, time.Minute, "10", "", ""),
		stored{shop: acme, topic: "inventory_levels/update", kind: "inventory_item", entity: "5", at: time.Minute, offset: 16, currency: "EUR", body: `{"inventory_item_id":5,"location_id":6,"available":7}`},
		stored{shop: acme, topic: "inventory_levels/update", kind: "inventory_item", entity: "8", at: time.Minute, offset: 17, currency: "EUR", body: `{"inventory_item_id":8,"location_id":6,"available":null}`},
	)
	r := ask(t, db)
	known := got[map[uint64]reports.KnownOrder](t)(r.KnownOrders(t.Context(), acme, []uint64{1, 2, 3}, "reconcile:"))
	differs(t, "orders", known, map[uint64]reports.KnownOrder{1: {
		Topics: map[string]bool{"orders/create": true, "orders/paid": true, "orders/updated": true}, Updated: at(5 * time.Minute), FinancialStatus: "paid",
		Fulfillments: map[uint64]reports.KnownPart{71: {Created: true, Updated: at(8 * time.Minute)}}, Refunds: map[uint64]bool{81: true}, Made: map[string]bool{"reconcile:x": true},
	}})
	seven := int64(7)
	levels := got[map[reports.LevelKey]reports.KnownLevel](t)(r.KnownLevels(t.Context(), acme, []uint64{5, 8, 9}))
	differs(t, "levels", levels, map[reports.LevelKey]reports.KnownLevel{
		{Item: 5, Location: 6}: {Available: &seven, Updated: at(time.Minute)}, {Item: 8, Location: 6}: {Updated: at(time.Minute)},
	})
	if _, err := r.KnownOrders(t.Context(), acme, make([]uint64, reports.MaxKnown+1), ""); !errors.Is(err, reports.ErrBadRequest) {
		t.Errorf("too many orders: %v", err)
	}
}
