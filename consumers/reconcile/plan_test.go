package reconcile

import (
	"slices"
	"strings"
	"testing"
	"time"

	"millrace/consumers/reconcile/shopify"
	"millrace/schemas"
)

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// listed is an order that was paid, shipped in part, and refunded in part; change makes another one of it.
func listed(change func(*shopify.Summary)) *shopify.Summary {
	o := &shopify.Summary{
		ID: 1, Created: noon, Updated: noon.Add(5 * time.Minute), FinancialStatus: "partially_refunded", FulfillmentStatus: "partial",
		Fulfillments: []shopify.Part{{ID: 71, Created: noon.Add(2 * time.Minute), Updated: noon.Add(3 * time.Minute)}},
		Refunds:      []shopify.Part{{ID: 81, Created: noon.Add(5 * time.Minute), Updated: noon.Add(5 * time.Minute)}},
	}
	if change != nil {
		change(o)
	}
	return o
}

// here is all of that order.
func here(change func(*Known)) Known {
	k := Known{
		Topics:  map[string]bool{"orders/create": true, "orders/paid": true, "orders/partially_fulfilled": true, "orders/updated": true},
		Updated: noon.Add(5 * time.Minute), FinancialStatus: "partially_refunded", FulfillmentStatus: "partial",
		Fulfillments: map[schemas.ID]KnownPart{71: {true, noon.Add(3 * time.Minute)}}, Refunds: map[schemas.ID]bool{81: true}, Made: map[string]bool{},
	}
	if change != nil {
		change(&k)
	}
	return k
}

func TestWhatIsMissingOrStaleIsFound(t *testing.T) {
	for name, tc := range map[string]struct {
		order *shopify.Summary
		known Known
		want  string
	}{
		"all is here": {listed(nil), here(nil), ""},
		"nothing is":  {listed(nil), Known{}, "missing orders/create, missing orders/paid, missing orders/partially_fulfilled, missing fulfillments/create, missing refunds/create"},
		"an order that was only created": {
			listed(func(o *shopify.Summary) {
				o.Updated, o.FinancialStatus, o.FulfillmentStatus, o.Fulfillments, o.Refunds = noon, "pending", "", nil, nil
			}), Known{}, "missing orders/create",
		},
		"the creation, of an order that is known": {listed(nil), here(func(k *Known) { delete(k.Topics, "orders/create") }), "missing orders/create"},
		"a cancellation":                     {listed(func(o *shopify.Summary) { o.Cancelled = noon }), here(func(k *Known) { k.Cancelled = true }), "missing orders/cancelled"},
		"a newer version":                    {listed(nil), here(func(k *Known) { k.Updated = noon }), "stale orders/updated"},
		"a newer version of the same second": {listed(nil), here(func(k *Known) { k.FinancialStatus = "paid" }), "stale orders/updated"},
		"a version that is newer than the listing": {listed(nil), here(func(k *Known) {
			k.Updated, k.FinancialStatus = noon.Add(time.Hour), "refunded"
		}), ""},
		"a fulfilment that the order told of":                 {listed(nil), here(func(k *Known) { k.Fulfillments = nil }), "missing fulfillments/create"},
		"a tracking number":                                   {listed(nil), here(func(k *Known) { k.Fulfillments[71] = KnownPart{true, noon.Add(2 * time.Minute)} }), "stale fulfillments/update"},
		"the creation of a fulfilment that an update told of": {listed(nil), here(func(k *Known) { k.Fulfillments[71] = KnownPart{false, noon.Add(3 * time.Minute)} }), "missing fulfillments/create"},
		"a refund that the order told of":                     {listed(nil), here(func(k *Known) { k.Refunds = nil }), "missing refunds/create"},
	} {
		var got []string
		for _, f := range findings("acme.myshopify.com", tc.order, tc.known) {
			got = append(got, string(f.Problem)+" "+f.Topic)
		}
		if strings.Join(got, ", ") != tc.want {
			t.Errorf("%s: found %q, want %q", name, got, tc.want)
		}
	}
}

func TestAFindingHasTheSameIDInEachRunAndIsMadeOnce(t *testing.T) {
	first := findings("acme.myshopify.com", listed(nil), Known{})
	later := findings("acme.myshopify.com", listed(func(o *shopify.Summary) { o.Updated = noon.Add(time.Hour) }), Known{})
	ids := func(all []Finding) (out []string) {
		for _, f := range all {
			out = append(out, f.ID)
		}
		return out
	}
	if !slices.Equal(ids(first), ids(later)) {
		t.Errorf("ids %q, later %q", ids(first), ids(later))
	}
	if want := "reconcile:orders/create:gid://shopify/Order/1:2026-11-26T12:00:00Z"; first[0].ID != want {
		t.Errorf("id %s, want %s", first[0].ID, want)
	}
	// A store that says another thing than its webhooks, for good, is told of once.
	odd := here(func(k *Known) { k.FinancialStatus = "expired" })
	for _, f := range findings("acme.myshopify.com", listed(nil), odd) {
		odd.Made[f.ID] = true
	}
	if again := findings("acme.myshopify.com", listed(nil), odd); len(odd.Made) != 1 || len(again) != 0 {
		t.Errorf("made %v, then found %v", odd.Made, again)
	}
}

func TestALevelIsComparedByWhatItSays(t *testing.T) {
	n := func(v int64) *int64 { return &v }
	for name, tc := range map[string]struct {
		available *int64
		known     KnownLevel
		exists    bool
		want      Problem
	}{
		"unknown":                     {n(5), KnownLevel{}, false, Missing},
		"the same":                    {n(5), KnownLevel{n(5), noon}, true, ""},
		"the same, in an older one":   {n(5), KnownLevel{n(5), noon.Add(-time.Hour)}, true, ""},
		"another, in an older one":    {n(5), KnownLevel{n(6), noon.Add(-time.Hour)}, true, Stale},
		"another, of the same second": {n(5), KnownLevel{n(6), noon}, true, Stale},
		"another, in a newer one":     {n(5), KnownLevel{n(6), noon.Add(time.Second)}, true, ""},
		"not tracked any more":        {nil, KnownLevel{n(6), noon.Add(-time.Hour)}, true, Stale},
		"not tracked, now and before": {nil, KnownLevel{nil, noon.Add(-time.Hour)}, true, ""},
	} {
		f, wrong := levelFinding("acme.myshopify.com", &shopify.Level{Item: 5, Location: 6, Available: tc.available, Updated: noon}, tc.known, tc.exists)
		if wrong != (tc.want != "") || (wrong && f.Problem != tc.want) {
			t.Errorf("%s: %v %s, want %s", name, wrong, f.Problem, tc.want)
		}
		if want := "reconcile:inventory_levels/update:gid://shopify/InventoryLevel/6?inventory_item_id=5:2026-11-26T12:00:00Z"; f.ID != want {
			t.Errorf("id %s, want %s", f.ID, want)
		}
	}
}
