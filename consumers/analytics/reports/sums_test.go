package reports_test

import (
	"testing"
	"time"

	"millrace/consumers/analytics/database"
	"millrace/consumers/analytics/database/databasetest"
	"millrace/consumers/analytics/reports"
	"millrace/deploy/embedded/enginetest"
)

// refresh makes the sums anew.
func refresh(t *testing.T, db *database.DB) {
	t.Helper()
	for _, view := range []string{"sales_hours", "product_days", "customer_days"} {
		databasetest.Exec(t, db, "SYSTEM REFRESH VIEW %."+view)
		databasetest.Exec(t, db, "SYSTEM WAIT VIEW %."+view)
	}
}

// Long ranges over all shops are answered from sums: the same figures as from the orders themselves, as old as the last refresh.
func TestLongRangesOverAllShopsAreAnsweredFromSums(t *testing.T) {
	e := enginetest.Start(t)
	db := databasetest.Open(t, e)
	databasetest.Migrate(t, db)
	ctx, r := t.Context(), ask(t, db)
	now := time.Now().UTC()
	// At noon of so many days ago, so that the test does not depend on the time of day.
	ago := func(days int) time.Duration {
		return now.Truncate(24 * time.Hour).Add(12*time.Hour - time.Duration(days)*24*time.Hour).Sub(noon)
	}
	by := func(customer uint64) func(*stored) { return func(r *stored) { r.customer = customer } }
	shirt, two := line(11, "Shirt", "10.00", 1), line(11, "Shirt", "10.00", 1)+","+line(11, "Shirt", "10.00", 2)
	custom := `{"id":9,"product_id":null,"title":"Engraving","price":"3.00","quantity":4}`
	put(t, db,
		order(acme, "orders/create", 1, ago(210), "10.00", shirt, "").with(by(7)), // beyond the sums: customer 7 is an old one
		order(acme, "orders/create", 2, ago(20), "30.00", two, "").with(by(7)),
		order(acme, "orders/create", 3, ago(19), "12.00", custom, "").with(by(8)),
		order(other, "orders/create", 4, ago(3), "10.00", shirt, "").with(by(7)), // another shop's customer 7
		order(other, "orders/create", 5, ago(3), "99.00", shirt, "").with(func(r *stored) { r.test = true }),
	)
	month := reports.Range{From: now.Add(-30 * 24 * time.Hour), To: now}
	before := got[reports.Totals](t)(r.Totals(ctx, month, ""))
	refresh(t, db)

	totals := got[reports.Totals](t)(r.Totals(ctx, month, ""))
	if totals.AsOf == nil {
		t.Fatal("totals of 30 days are not made of sums")
	}
	want := reports.Totals{
		Events: 4, Orders: 3, NewCustomers: 2, ReturningCustomers: 1, AsOf: totals.AsOf,
		Currencies: []reports.CurrencyTotals{{Currency: "EUR", Orders: 3, Gross: money("52"), Net: money("52"), Average: money("17.3333")}},
	}
	differs(t, "totals of sums", totals, want)
	want.AsOf = nil
	if before.AsOf == nil { // the first refresh may have come by itself
		differs(t, "totals of orders", before, want)
	}
	found, asOf, err := r.TopProducts(ctx, month, "", 2)
	if err != nil || asOf == nil {
		t.Fatalf("TopProducts() as of %v, error %v; want sums", asOf, err)
	}
	differs(t, "products", found, []reports.Product{
		{Shop: acme, Title: "Engraving", Currency: "EUR", Orders: 1, Units: 4, Revenue: money("12")},
		{Shop: acme, ProductID: 11, Title: "Shirt", SKU: "SKU-11", Currency: "EUR", Orders: 1, Units: 3, Revenue: money("30")},
	})
	differs(t, "products of one shop", products(t, r, month, acme, 2), found)
	week := reports.Range{From: now.Add(-7 * 24 * time.Hour), To: now}
	if sales := got[reports.Sales](t)(r.SalesByShop(ctx, week, 0)); sales.AsOf == nil || len(sales.Series) != 1 || sales.Series[0].Shop != other || sales.Series[0].Total != 1 {
		t.Errorf("sales by shop of a week = %+v, want one order of %s", sales.Series, other)
	}

	// What comes later is not in the sums, and in what is counted from the orders.
	put(t, db, order(acme, "orders/create", 6, ago(2), "5.00", shirt, "").with(by(9)))
	later := got[reports.Totals](t)(r.Totals(ctx, month, ""))
	if later.Orders != 3 || later.AsOf == nil || !later.AsOf.Equal(*totals.AsOf) {
		t.Errorf("after another order: %d orders as of %v, want 3 as of %v", later.Orders, later.AsOf, totals.AsOf)
	}
	for name, rg := range map[string]reports.Range{
		"a range that begins before the sums":           {From: now.Add(-200 * 24 * time.Hour), To: now},
		"a range that ends in the middle of a past day": {From: now.Add(-30 * 24 * time.Hour), To: now.Truncate(24 * time.Hour).Add(-36 * time.Hour)},
		"a short range": {From: now.Add(-6 * 24 * time.Hour), To: now},
	} {
		if x := got[reports.Totals](t)(r.Totals(ctx, rg, "")); x.AsOf != nil {
			t.Errorf("%s is answered from sums", name)
		}
	}
	refresh(t, db)
	if x := got[reports.Totals](t)(r.Totals(ctx, month, "")); x.Orders != 4 || x.NewCustomers != 3 {
		t.Errorf("after a refresh: %d orders, %d new customers; want 4 and 3", x.Orders, x.NewCustomers)
	}
}
